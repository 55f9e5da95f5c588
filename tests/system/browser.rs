//! A real browser with its driver: what the page is tried with.
//!
//! Each browser has its own driver, port and profile, which end with it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use fantoccini::elements::Element;
use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{NEVER, clean, cocoon, kill};

const MISSING: &str =
    "the page is tried in Chromium; `apt-get install chromium chromium-driver` brings it";

/// A program that runs until it is dropped, and has said where it listens.
pub(crate) struct Running {
    child: Child,
    /// What it goes on to say must find a reader.
    _out: BufReader<ChildStdout>,
    /// The line in which it said so.
    pub(crate) line: String,
}

impl Running {
    /// Starts a program and waits for a line with `word`.
    fn start(command: &mut Command, word: &str, hint: &str) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start ({error}); {hint}"));
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            let read = out.read_line(&mut line).expect("a line");
            assert_ne!(read, 0, "{command:?} ended without a line with {word:?}");
        }
        Self {
            child,
            _out: out,
            line,
        }
    }

    /// The service with a free port.
    pub(crate) fn service(more: &[&str]) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0"];
        let arguments = arguments.iter().chain(more);
        Self::start(&mut cocoon(arguments), "http://", "it is the binary")
    }

    pub(crate) fn url(&self) -> &str {
        let word = self.line.split_whitespace();
        let mut urls = word.filter(|word| word.starts_with("http://"));
        urls.next().expect("where it listens")
    }

    /// Ends it as a power cut would.
    pub(crate) fn cut(&mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("its end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill(self.child.id(), Signal::TERM);
            drop(self.child.wait());
        }
    }
}

pub(crate) struct Browser {
    pub(crate) client: Client,
    /// Where the driver listens, and what it calls the session.
    address: String,
    session: String,
    // Fields are dropped in this order: the browser ends before its folder.
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("chromedriver");
        let driver = Running::start(
            clean(&mut command).arg("--port=0"),
            "successfully on port ",
            MISSING,
        );
        let port = driver.line.rsplit(' ').next().expect("a port");
        let port = port.trim().trim_end_matches('.');
        let address = format!("127.0.0.1:{port}");
        let mut arguments: Vec<_> = [
            // In a container it has no sandbox of its own, and needs none here.
            "--no-sandbox",
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--window-size=1280,900",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let wanted = wanted.as_object().expect("an object").clone();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://{address}"))
            .await
            .unwrap_or_else(|error| panic!("no browser ({error}); {MISSING}"));
        let id = client.session_id().await.expect("a session");
        let session = format!("/session/{}", id.expect("its name"));
        let patience = TimeoutConfiguration::new(Some(NEVER), Some(NEVER), None);
        client.update_timeouts(patience).await.expect("patience");
        client.goto(url).await.expect("the page");
        Self {
            client,
            address,
            session,
            _driver: driver,
            _profile: profile,
        }
    }

    pub(crate) async fn find(&self, selector: &str) -> Element {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub(crate) async fn click(&self, selector: &str) {
        let clicked = self.find(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types `text` in place of what a field has.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("a full field");
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("a focus");
        focused.send_keys(keys).await.expect("keys");
    }

    /// What a script says that may use `return`.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let said = self.client.execute(script, Vec::new()).await;
        said.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The text of an element as somebody sees it.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.expect("its text")
    }

    /// Waits until the page says that `condition` holds, looking at each frame.
    pub(crate) async fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => {condition} ? done(true) : requestAnimationFrame(look);
             look();"
        );
        let waited = self.client.execute_async(&script, Vec::new()).await;
        if let Err(error) = waited {
            let seen = self.text("main").await;
            panic!("never {condition} ({error}): {seen}");
        }
    }

    /// Waits until the number is `state`.
    pub(crate) async fn number_is(&self, state: &str) {
        let condition = format!("document.querySelector('#result').dataset.state === '{state}'");
        self.until(&condition).await;
    }

    /// Tells the browser what its driver has no words for.
    pub(crate) async fn devtools(&self, command: &str, parameters: &Value) {
        let told = json!({ "cmd": command, "params": parameters });
        self.ask("goog/cdp/execute", &told).await;
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        let request =
            hyper::Request::post(format!("http://{}{}/{path}", self.address, self.session))
                .header("content-type", "application/json")
                .body(Full::<Bytes>::from(body.to_string()))
                .expect("a request");
        let answer = client
            .build_http()
            .request(request)
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        let body = answer.into_body().collect().await.expect("a body");
        let answer: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        answer["value"].clone()
    }

    /// Ends the browser, in whose console nothing is to be but failed requests,
    /// if any were `meant` to fail: no error of a script, no broken policy.
    pub(crate) async fn close(self, meant: bool) {
        let log = self.ask("se/log", &json!({ "type": "browser" })).await;
        for line in log.as_array().expect("lines") {
            assert!(meant && line["source"] == "network", "{line}");
        }
    }
}

impl Drop for Browser {
    /// A driver that ends leaves its browser behind, so the browser ends first,
    /// also after a test that failed.
    fn drop(&mut self) {
        let end = || -> io::Result<()> {
            let mut driver = TcpStream::connect(&self.address)?;
            driver.set_read_timeout(Some(NEVER))?;
            let (session, host) = (&self.session, &self.address);
            write!(
                driver,
                "DELETE {session} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            )?;
            driver.read(&mut [0; 1]).map(drop)
        };
        drop(end());
    }
}
