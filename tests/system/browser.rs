//! A real browser with its driver, for tests of the page.
//!
//! Each browser has its own driver, port and profile, which end with it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper_util::rt::TokioExecutor;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{TIMEOUT, cocoon, kill};
use crate::tools::CHROMEDRIVER;

/// A process that has printed its address, and is killed on drop.
pub(crate) struct Running {
    child: Child,
    /// Keeps the pipe open, so that later output does not fail.
    _out: BufReader<ChildStdout>,
    /// The line of output that contains the address.
    pub(crate) line: String,
}

impl Running {
    /// Starts a process and waits for a line of output with `word`.
    fn start(command: &mut Command, word: &str) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a program that starts");
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

    /// Starts the service on a free port.
    pub(crate) fn service(more: &[&str]) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0"];
        let arguments = arguments.iter().chain(more);
        Self::start(&mut cocoon(arguments), "http://")
    }

    pub(crate) fn url(&self) -> &str {
        let word = self.line.split_whitespace();
        let mut urls = word.filter(|word| word.starts_with("http://"));
        urls.next().expect("where it listens")
    }

    /// Kills the process with `SIGKILL`, as a power cut would end it.
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

/// Keys as the W3C protocol names them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const RIGHT: &str = "\u{e014}";

/// A browser, driven by the commands of the W3C protocol.
pub(crate) struct Browser {
    /// The address of the driver and the path of the session.
    address: String,
    session: String,
    // Fields are dropped in this order: the browser ends before its folder is removed.
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = CHROMEDRIVER.command();
        let driver = Running::start(command.arg("--port=0"), "successfully on port ");
        let port = driver.line.rsplit(' ').next().expect("a port");
        let port = port.trim().trim_end_matches('.');
        let address = format!("127.0.0.1:{port}");
        let mut arguments: Vec<_> = [
            // Inside a container the browser's own sandbox is unavailable, and unnecessary
            // here.
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
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": TIMEOUT.as_millis(), "pageLoad": TIMEOUT.as_millis() },
        } } });
        let opened = send_command(&address, Method::POST, "/session", Some(&wanted)).await;
        let opened = opened.unwrap_or_else(|error| {
            panic!(
                "expected a browser, got: {error}; run `.ci/tools` or `apt-get install chromium`"
            )
        });
        let id = opened["sessionId"].as_str().expect("a session");
        let browser = Self {
            session: format!("/session/{id}"),
            address,
            _driver: driver,
            _profile: profile,
        };
        browser.go_to(url).await;
        browser
    }

    pub(crate) async fn go_to(&self, url: &str) {
        self.post("url", &json!({ "url": url })).await;
    }

    /// The address of the page.
    pub(crate) async fn url(&self) -> String {
        text(self.get("url").await)
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("{element}/click"), &json!({})).await;
    }

    /// Replaces the value of a field by typing `text`.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        self.post(&format!("{field}/clear"), &json!({})).await;
        let typed = json!({ "text": text });
        self.post(&format!("{field}/value"), &typed).await;
    }

    /// Sends key presses to the focused element.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = path_of(&self.get("element/active").await);
        let typed = json!({ "text": keys });
        self.post(&format!("{focused}/value"), &typed).await;
    }

    /// Runs a script, which may use `return`, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
            .await
    }

    /// Returns whether a user can operate a button or a field.
    pub(crate) async fn is_enabled(&self, selector: &str) -> bool {
        let element = self.find(selector).await;
        self.get(&format!("{element}/enabled")).await == json!(true)
    }

    /// An attribute of an element.
    pub(crate) async fn attribute(&self, selector: &str, name: &str) -> String {
        let element = self.find(selector).await;
        text(self.get(&format!("{element}/attribute/{name}")).await)
    }

    /// A property of an element's computed style.
    pub(crate) async fn style(&self, selector: &str, name: &str) -> String {
        let element = self.find(selector).await;
        text(self.get(&format!("{element}/css/{name}")).await)
    }

    /// The width of an element in pixels.
    pub(crate) async fn width(&self, selector: &str) -> f64 {
        let element = self.find(selector).await;
        let place = self.get(&format!("{element}/rect")).await;
        place["width"].as_f64().expect("a width")
    }

    /// The visible text of an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        text(self.get(&format!("{element}/text")).await)
    }

    /// Waits until the script `condition` is true, and evaluates it once for each frame.
    pub(crate) async fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => {condition} ? done(true) : requestAnimationFrame(look);
             look();"
        );
        let script = json!({ "script": script, "args": [] });
        let path = format!("{}/execute/async", self.session);
        let waited = send_command(&self.address, Method::POST, &path, Some(&script)).await;
        if let Err(error) = waited {
            let seen = self.text("main").await;
            panic!("never {condition} ({error}): {seen}");
        }
    }

    /// Waits until the element of the number has the state `state`.
    pub(crate) async fn number_is(&self, state: &str) {
        let condition = format!("document.querySelector('#result').dataset.state === '{state}'");
        self.until(&condition).await;
    }

    /// Sends a `DevTools` command, for features that the driver's protocol lacks.
    pub(crate) async fn devtools(&self, command: &str, parameters: &Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", &body).await;
    }

    /// Returns the path of the first element that matches a CSS selector.
    async fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        path_of(&self.post("element", &wanted).await)
    }

    async fn get(&self, path: &str) -> Value {
        self.command(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.command(Method::POST, path, Some(body)).await
    }

    async fn command(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let path = format!("{}/{path}", self.session);
        let answer = send_command(&self.address, method, &path, body).await;
        answer.unwrap_or_else(|error| panic!("{path} {body:?}: {error}"))
    }

    /// Ends the browser. Its console must be empty except for failed requests, which are
    /// allowed if `meant` is set: no script errors, no violated policy.
    pub(crate) async fn close(self, meant: bool) {
        let log = self.post("se/log", &json!({ "type": "browser" })).await;
        for line in log.as_array().expect("lines") {
            assert!(meant && line["source"] == "network", "{line}");
        }
    }
}

impl Drop for Browser {
    /// A driver that ends leaves its browser running, so the browser ends first, also after a
    /// failed test.
    fn drop(&mut self) {
        let end = || -> io::Result<()> {
            let mut driver = TcpStream::connect(&self.address)?;
            driver.set_read_timeout(Some(TIMEOUT))?;
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

/// Sends a command to a driver and returns its result, or its error with the browser's message.
async fn send_command(
    address: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Value> {
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = hyper::Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body))
        .expect("a request");
    let answer = client
        .build_http()
        .request(request)
        .await
        .expect("an answer");
    let good = answer.status().is_success();
    let body = answer.into_body().collect().await.expect("a body");
    let mut answer: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    let value = answer["value"].take();
    if good { Ok(value) } else { Err(value) }
}

/// Returns the path of an element, whose reference is a JSON object with one member.
fn path_of(reference: &Value) -> String {
    let id = reference.as_object().and_then(|pair| pair.values().next());
    let id = id.and_then(Value::as_str);
    format!(
        "element/{}",
        id.unwrap_or_else(|| panic!("no element: {reference}"))
    )
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("no text: {other}"),
    }
}
