//! `cocoon health`: whether a service is well, for images that have no `curl`.
//!
//! One request and its status, within one timeout.

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

/// The port of URLs that name none.
const HTTP_PORT: u16 = 80;

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// What to ask [default: /healthz where --listen says]
    #[arg(value_name = "URL", value_parser = url)]
    url: Option<Uri>,
    /// The address that the service was told to listen on
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        env = "COCOON_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,
    /// Time in which it has to answer
    #[arg(long, default_value = HEALTH_TIMEOUT, value_name = "TIME", value_parser = time)]
    timeout: Duration,
}

impl Health {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        let (address, url) = if let Some(url) = &self.url {
            (host(url), url.to_string())
        } else {
            let address = reachable(self.listen, deadline).await.to_string();
            let url = format!("http://{address}/healthz");
            (address, url)
        };
        let unwell = |why: String| Failure::Programs(format!("{url} is not well: {why}"));
        let status = match timeout_at(deadline, ask(&address, &url)).await {
            Ok(Ok(status)) => status,
            Ok(Err(why)) => return Err(unwell(why)),
            Err(_) => {
                return Err(unwell(format!(
                    "no answer within {}; --timeout raises this limit",
                    humantime::format_duration(self.timeout)
                )));
            }
        };
        if !status.is_success() {
            return Err(unwell(format!("it answers {status}")));
        }
        // Without a thread of its own, as there may be none.
        match writeln!(io::stdout(), "{url} is well: it answers {status}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(Failure::Io {
                what: "cannot write to standard output".to_owned(),
                error,
            }),
            Ok(()) => Ok(()),
        }
    }
}

/// The status of the answer to one `GET`, or what went wrong.
async fn ask(address: &str, url: &str) -> Result<StatusCode, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let broken = |error: hyper::Error| format!("it does not speak HTTP/1.1: {error}");
    let (mut requests, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", address)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    tokio::select! {
        answer = requests.send_request(request) => Ok(answer.map_err(broken)?.status()),
        ended = connection => match ended {
            Ok(()) => Err("it closed the connection without an answer".to_owned()),
            Err(error) => Err(broken(error)),
        },
    }
}

/// Where a service can be reached that listens on `address`, which may stand for
/// all addresses of this machine.
async fn reachable(address: SocketAddr, deadline: Instant) -> SocketAddr {
    let local = |ip: IpAddr| SocketAddr::new(ip, address.port());
    let ipv4 = local(Ipv4Addr::LOCALHOST.into());
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => ipv4,
        IpAddr::V6(ip) if ip.is_unspecified() => {
            // Many containers have no address of version 6, not even for themselves.
            let ipv6 = local(Ipv6Addr::LOCALHOST.into());
            match timeout_at(deadline, TcpStream::connect(ipv6)).await {
                Ok(Err(_)) => ipv4,
                Ok(Ok(_)) | Err(_) => ipv6,
            }
        }
        _ => address,
    }
}

/// The host and port of a URL.
fn host(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(HTTP_PORT);
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// A URL as it is typed.
fn url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok();
    url.filter(|url| url.scheme() == Some(&Scheme::HTTP))
        .filter(|url| url.host().is_some_and(|host| !host.is_empty()))
        .filter(|url| url.authority().is_some_and(|it| !it.as_str().contains('@')))
        .ok_or_else(|| "a URL is written as http://127.0.0.1:8080/readyz".to_owned())
}

/// A time as it is typed.
fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("`{text}` is not a time; write it as 500ms or 3s"))
}
