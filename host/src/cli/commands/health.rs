//! `cocoon health`: probes a service, for images without `curl`.
//!
//! It sends one request and reads the status of the response, within one timeout.

use std::error::Error as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::http::uri::Scheme;
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use clap::Args;
use cocoon::limits::HEALTH_TIMEOUT;
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::cli::failure::Failure;
use crate::cli::values::address;

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// URL to request [default: /healthz at the address of --admin-listen, or else of --listen]
    #[arg(value_name = "URL", value_parser = url)]
    url: Option<Uri>,
    /// Address of the service: IP:PORT, localhost:PORT, :PORT or PORT
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        value_parser = address,
        env = "COCOON_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,
    /// Address of the service for health and metrics, if it is another than that of --listen
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        env = "COCOON_ADMIN_LISTEN",
        hide_env_values = true
    )]
    admin_listen: Option<SocketAddr>,
    /// Time to wait for the response
    #[arg(long, default_value = HEALTH_TIMEOUT, value_name = "TIME", value_parser = time)]
    timeout: Duration,
}

impl Health {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        let (address, url) = if let Some(url) = &self.url {
            (host(url), url.to_string())
        } else {
            let address = reachable(self.admin_listen.unwrap_or(self.listen), deadline)
                .await
                .to_string();
            let url = format!("http://{address}/healthz");
            (address, url)
        };
        let unwell = |why: String| Failure::Programs(format!("{url} is unhealthy: {why}"));
        let status = match timeout_at(deadline, ask(&address, &url)).await {
            Ok(Ok(status)) => status,
            Ok(Err(why)) => return Err(unwell(why)),
            Err(_) => {
                return Err(unwell(format!(
                    "expected a response within {}, got none; use --timeout to raise the limit",
                    humantime::format_duration(self.timeout)
                )));
            }
        };
        if !status.is_success() {
            return Err(unwell(format!("expected a 2xx status, got {status}")));
        }
        // `Output` starts a thread, which the container may not allow.
        match writeln!(io::stdout(), "{url} is healthy: {status}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(Failure::Io {
                what: "cannot write standard output".to_owned(),
                error,
            }),
            Ok(()) => Ok(()),
        }
    }
}

/// Sends one `GET` and returns the status of the response.
async fn ask(address: &str, url: &str) -> Result<StatusCode, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let broken = |error: hyper::Error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        let cause = cause.unwrap_or_default();
        if error.is_parse() {
            format!("expected a response in HTTP/1.1, got other bytes: {error}{cause}")
        } else {
            format!("connection failed: {error}{cause}")
        }
    };
    let (mut requests, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", address)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    tokio::select! {
        answer = requests.send_request(request) => Ok(answer.map_err(broken)?.status()),
        result = connection => match result {
            Ok(()) => Err("expected a response, got a closed connection".to_owned()),
            Err(error) => Err(broken(error)),
        },
    }
}

/// Returns the address to connect to for a service that listens on `address`: a loopback address
/// for one that stands for all addresses of this machine.
async fn reachable(address: SocketAddr, deadline: Instant) -> SocketAddr {
    let local = |ip: IpAddr| SocketAddr::new(ip, address.port());
    let ipv4 = local(Ipv4Addr::LOCALHOST.into());
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => ipv4,
        IpAddr::V6(ip) if ip.is_unspecified() => {
            // Many containers have no IPv6 loopback address.
            let ipv6 = local(Ipv6Addr::LOCALHOST.into());
            match timeout_at(deadline, TcpStream::connect(ipv6)).await {
                Ok(Err(_)) => ipv4,
                Ok(Ok(_)) | Err(_) => ipv6,
            }
        }
        _ => address,
    }
}

/// Returns the host and port of a URL.
fn host(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(HTTP_PORT);
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// Parses a URL of plain HTTP.
fn url(text: &str) -> Result<Uri, String> {
    const SUCH_AS: &str = "such as http://127.0.0.1:8080/readyz";
    let url: Uri = text
        .parse()
        .map_err(|error| format!("expected a URL {SUCH_AS}, got an invalid one: {error}"))?;
    if url.scheme() != Some(&Scheme::HTTP) {
        return Err(format!("expected a URL with http://, {SUCH_AS}"));
    }
    match url.authority() {
        Some(it) if it.as_str().contains('@') => {
            Err(format!("expected a URL without a user name, {SUCH_AS}"))
        }
        Some(it) if !it.host().is_empty() => Ok(url),
        _ => Err(format!("expected a URL with a host, {SUCH_AS}")),
    }
}

/// Parses a time.
fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text);
    let time = time.ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| "expected a time above 0, such as 500ms or 3s".to_owned())
}
