//! The service under test: the binary on its own port, and clients of it.
//!
//! A [`Server`] is killed on drop, which then asserts that it has not panicked. Every wait has
//! a timeout.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use num_bigint::BigUint;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::harness::{Outcome, cocoon, kill, wait_for};

/// `cocoon serve` on a free port.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Its standard error so far.
    stderr: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
    over: Option<oneshot::Receiver<()>>,
}

impl Server {
    /// Starts a server with `flags`, of a size that lets many tests run at once.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_with(flags, &[])
    }

    /// As [`Server::start`], with variables of the environment.
    pub(crate) fn start_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = cocoon(["serve", "--listen", "127.0.0.1:0"]);
        command.args(flags);
        // As variables, so that a test's flags take precedence.
        command.env("COCOON_SANDBOXES", "64");
        command.env("COCOON_TOTAL_MEMORY", "1GiB");
        command.envs(variables.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("a program that starts");
        let mut first = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut first).expect("a line");
        let mut err = child.stderr.take().expect("it is piped");
        let (stderr, (tell, over)) = (Arc::new(Mutex::new(String::new())), oneshot::channel());
        let writer = Arc::clone(&stderr);
        let listening = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = err.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]);
                writer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
            }
            // The receiver may be gone.
            let _ = tell.send(());
        });
        let address = first
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once(' '))
            .and_then(|(address, _)| address.parse().ok());
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            stderr,
            listening: Some(listening),
            over: Some(over),
        };
        server.address = address.unwrap_or_else(|| panic!("{first:?}, and {}", server.stderr()));
        server
    }

    /// Starts a server with the hostile factorial as its component.
    pub(crate) fn hostile(flags: &[&str]) -> Self {
        let component = ["--component", cocoon_test_guests::HOSTILE_FACTORIAL];
        Self::start(&[&component, flags].concat())
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        stderr.clone()
    }

    /// Its standard error once `text` is in it. It may arrive after the answer to its request.
    pub(crate) async fn stderr_with(&self, text: &str) -> String {
        let written = async {
            loop {
                let stderr = self.stderr();
                if stderr.contains(text) {
                    return stderr;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        wait_for(&format!("`{text}` on standard error"), written).await
    }

    /// Its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id(), signal);
    }

    /// Waits until the process has ended.
    pub(crate) async fn wait_for_exit(mut self) -> Outcome {
        let over = self.over.take().expect("it ends once");
        wait_for("the end of the server", over)
            .await
            .expect("a listener");
        let code = self.child.wait().expect("its end").code();
        Outcome {
            out: String::new(),
            err: self.stderr(),
            code,
        }
    }

    /// Opens an idle connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        let connected = wait_for("a connection", TcpStream::connect(self.address)).await;
        connected.expect("a connection")
    }

    /// Opens a connection with a small receive buffer.
    pub(crate) async fn connect_narrow(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let connected = wait_for("a connection", socket.connect(self.address)).await;
        connected.expect("a connection")
    }

    /// Sends `bytes` and returns the response bytes until the server closes the connection.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect().await;
        // The server may close the connection early.
        let _ = stream.write_all(bytes.as_ref()).await;
        rest(&mut stream).await
    }

    /// Opens a connection for a client of HTTP/1.1.
    pub(crate) async fn client(&self) -> Client {
        Client::over(self.connect().await).await
    }

    /// Opens a connection for a client of HTTP/2 with prior knowledge.
    pub(crate) async fn client2(&self) -> Client2 {
        let io = TokioIo::new(self.connect().await);
        let shaken = http2::handshake(TokioExecutor::new(), io).await;
        let (client, connection) = shaken.expect("HTTP/2");
        tokio::spawn(connection);
        Client2(client)
    }

    /// Sends `GET path` and returns the response.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// Sends `GET path` with `Accept: media` and returns the response.
    pub(crate) async fn get_as(&self, path: &str, media: &str) -> Answer {
        self.send(with(get(path), "accept", media)).await
    }

    /// Sends `request` and returns the response, which must be whole.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.client().await.send(request).await.expect("an answer")
    }

    /// Sends `request` and returns the response after its head, with an unread body.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let mut client = self.client().await;
        let opened = wait_for("an answer", client.0.send_request(request)).await;
        opened.expect("an answer")
    }

    /// Waits until the server has read every byte that clients have sent, and has accepted
    /// every connection.
    pub(crate) async fn wait_until_read(&self) {
        // Bytes in transit are in no queue yet.
        self.wait_while(|socket| socket.to_us && socket.unacknowledged)
            .await;
        self.wait_while(|socket| socket.ours && socket.unread).await;
    }

    /// Waits until it refuses new connections.
    pub(crate) async fn wait_until_closed(&self) {
        wait_for("the closing of the listener", async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the kernel lists no socket that `holds`.
    async fn wait_while(&self, holds: impl Fn(&Socket) -> bool) {
        let port = format!(":{:04X}", self.address.port());
        wait_for("the reading of all bytes", async {
            loop {
                let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
                let mut sockets = sockets.lines().map(|line| Socket::read(line, &port));
                if !sockets.any(|socket| holds(&socket)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// State of a socket from a line of `/proc/net/tcp`.
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of a line")]
struct Socket {
    ours: bool,
    to_us: bool,
    unacknowledged: bool,
    unread: bool,
}

impl Socket {
    /// Parses a line: number, local and remote address, state, queues.
    fn read(line: &str, port: &str) -> Self {
        let fields: Vec<_> = line.split_whitespace().collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        let queues = field(4).split_once(':').unwrap_or_default();
        Self {
            ours: field(1).ends_with(port),
            to_us: field(2).ends_with(port),
            unacknowledged: queues.0 != "00000000",
            unread: queues.1 != "00000000",
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        let stderr = self.stderr();
        if !std::thread::panicking() {
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
    }
}

/// A client of HTTP/1.1 on one persistent connection.
pub(crate) struct Client(pub(crate) http1::SendRequest<Full<Bytes>>);

impl Client {
    /// Creates a client on an existing connection.
    pub(crate) async fn over(stream: TcpStream) -> Self {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (client, connection) = shaken.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self(client)
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn closed(&self) {
        wait_for("the end of the connection", async {
            while !self.0.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Sends `request` and returns the response, or the error that cut it.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, hyper::Error> {
        wait_for("an answer", async {
            self.0.ready().await?;
            Answer::read(self.0.send_request(request).await?).await
        })
        .await
    }
}

/// A client of HTTP/2, whose clones share a connection.
#[derive(Clone)]
pub(crate) struct Client2(pub(crate) http2::SendRequest<Full<Bytes>>);

impl Client2 {
    /// Sends `request` and returns the response after its head, with an unread body.
    pub(crate) async fn open(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let whole = format!("http://localhost{}", request.uri());
        *request.uri_mut() = whole.parse().expect("an address");
        request.headers_mut().remove("host");
        wait_for("an answer", async {
            self.0.ready().await?;
            self.0.send_request(request).await
        })
        .await
    }

    /// Sends `request` and returns the response, or the error that cut it.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, hyper::Error> {
        Answer::read(self.open(request).await?).await
    }

    /// Sends `request` with `:authority: localhost` and a different `Host`.
    pub(crate) async fn send_with_host(
        &mut self,
        request: Request<Full<Bytes>>,
        host: &str,
    ) -> Result<Answer, hyper::Error> {
        let (mut head, body) = request.into_parts();
        let whole = format!("http://localhost{}", head.uri);
        head.uri = whole.parse().expect("an address");
        head.headers.insert("host", host.parse().expect("a header"));
        let request = Request::from_parts(head, body);
        let opened = wait_for("an answer", async {
            self.0.ready().await?;
            self.0.send_request(request).await
        });
        Answer::read(opened.await?).await
    }
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads the rest of `response`, or returns the error that cut it.
    pub(crate) async fn read(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let body = wait_for("the end of an answer", body.collect()).await?;
        Ok(Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    /// The value of a header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.map_or("", |value| value.expect("text"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let json = serde_json::from_slice(&self.body);
        json.unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The body as lines of JSON.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let lines = self.text().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}")))
            .collect()
    }

    /// Asserts that it is a problem with `status`, and returns its document.
    pub(crate) fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let busy = [429, 503].contains(&status);
        assert_eq!(self.headers.contains_key("retry-after"), busy, "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for text in ["type", "title", "detail"] {
            let text = problem[text].as_str().unwrap_or_default();
            assert!(!text.is_empty() && !text.contains('\n'), "{problem}");
        }
        problem
    }
}

/// A `GET` request for `path`.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("host", "localhost");
    request.body(Full::default()).expect("a request")
}

/// A `POST` request to `path` with lines of JSON.
pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/x-ndjson");
    request.body(Full::new(body.into())).expect("a request")
}

/// `request` with an additional header.
pub(crate) fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    let value = value.parse().expect("a header");
    request.headers_mut().append(name, value);
    request
}

/// Reads `stream` until it is closed or reset.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // Bytes before a reset are kept.
    let _ = wait_for("the end of a connection", stream.read_to_end(&mut all)).await;
    all
}

/// n! by another library, for sizes at which that library is fast.
pub(crate) fn factorial(n: u64) -> String {
    fn product(from: u64, to: u64) -> BigUint {
        match to.checked_sub(from) {
            None => 1_u32.into(),
            Some(0..8) => (from..=to).map(BigUint::from).product(),
            Some(_) => {
                let middle = u64::midpoint(from, to);
                product(from, middle) * product(middle + 1, to)
            }
        }
    }
    product(1, n).to_string()
}
