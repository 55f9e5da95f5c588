//! Requests that handlers send, by `--allow-http`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{Request, Response};
use bytes::Bytes;
use cocoon_test_guests::HANDLER;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::export::{certify, server};
use crate::handlers::serve;
use crate::service::{Answer, Server, get, with};

/// The path that makes a handler send a request to `upstream` for `path`.
fn fetch(upstream: &Server, path: &str) -> String {
    format!("/fetch?{}", upstream.url(path))
}

/// The port of a server.
fn port(server: &Server) -> String {
    let url = server.url("");
    url.rsplit(':').next().expect("a port").to_owned()
}

#[tokio::test]
async fn requests_are_denied_without_a_grant() {
    let (upstream, server) = (serve(&[]), serve(&[]));
    for _ in 0..2 {
        let answer = server.get(&fetch(&upstream, "/hello")).await;
        assert_eq!(answer.text(), "ErrorCode::HttpRequestDenied");
    }
    let flag = "flag=\"--allow-http 127.0.0.1\"";
    let log = server.stderr_with(flag).await;
    assert_eq!(log.matches(flag).count(), 1, "{log}");
}

#[tokio::test]
async fn answers_pass_through_a_handler() {
    let upstream = serve(&[]);
    let server = serve(&["--allow-http", &format!("127.0.0.1:{}", port(&upstream))]);
    for _ in 0..3 {
        let answer = server.get(&fetch(&upstream, "/hello")).await;
        assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    }
    let answer = server.get(&fetch(&upstream, "/status?404")).await;
    assert_eq!((answer.status, answer.text()), (404, "body"));
    let answer = server.get(&fetch(&upstream, "/stream?3000000")).await;
    assert_eq!(answer.body.len(), 3_000_000);
    let traced = with(
        get(&fetch(&upstream, "/header?traceparent")),
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let answer = server.send(traced).await;
    assert!(
        answer.text().contains("0af7651916cd43dd8448eb211c80319c"),
        "{answer:?}"
    );
    // A broken answer breaks off at every hop.
    let cut = Answer::read(
        server
            .open(get(&fetch(&upstream, "/trap-after?100000")))
            .await,
    )
    .await;
    assert!(cut.is_err(), "it looks whole: {cut:?}");
    let other = server.get("/fetch?http://127.0.0.1:1/").await;
    assert_eq!(other.text(), "ErrorCode::HttpRequestDenied");
}

#[tokio::test]
async fn a_name_does_not_lead_inside() {
    let upstream = serve(&[]);
    let port = port(&upstream);
    let local = format!("/fetch?http://localhost:{port}/hello");
    let named = serve(&["--allow-http", "localhost"]);
    assert_eq!(named.get(&local).await.text(), "hello\n");
    let public = serve(&["--allow-http", "*"]);
    let answer = public.get(&local).await;
    assert_eq!(answer.text(), "ErrorCode::DestinationIpProhibited");
    public.stderr_with("--allow-http").await;
    for inside in [
        "127.0.0.1",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        let answer = public
            .get(&format!("/fetch?http://{inside}:{port}/hello"))
            .await;
        assert_eq!(answer.text(), "ErrorCode::HttpRequestDenied", "{inside}");
    }
    for strange in ["user@localhost", "localhost@127.0.0.1"] {
        let answer = named
            .get(&format!("/fetch?http://{strange}:{port}/hello"))
            .await;
        assert!(
            answer.text().starts_with("ErrorCode::"),
            "{strange}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn requests_at_once_are_bounded() {
    let upstream = serve(&[]);
    let server = serve(&["--allow-http", "127.0.0.1"]);
    let slow = upstream.url("/slow?300");
    let answer = server.get(&format!("/fetch-many?40:{slow}")).await;
    assert_eq!(
        answer.text(),
        "32 answered, [\"ErrorCode::ConnectionLimitReached\"]"
    );
}

#[tokio::test]
async fn failures_have_their_codes() {
    let server = serve(&["--allow-http", "127.0.0.1,nowhere.invalid"]);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let answer = server.get(&format!("/fetch?http://{address}/")).await;
    assert_eq!(answer.text(), "ErrorCode::ConnectionRefused");
    for port in ["65536", "99999", "-1", "x"] {
        let answer = server
            .get(&format!("/fetch?http://127.0.0.1:{port}/"))
            .await;
        assert_ne!(answer.text(), "ErrorCode::ConnectionRefused", "{port}");
    }
    let answer = server.get("/fetch?http://127.0.0.1:65536/").await;
    assert_eq!(answer.text(), "ErrorCode::HttpRequestUriInvalid");
    let answer = server.get("/fetch?http://nowhere.invalid/").await;
    assert!(
        answer.text().starts_with("ErrorCode::DnsError"),
        "{answer:?}"
    );
    let upstream = serve(&[]);
    let answer = server
        .get(&fetch(&upstream, "/hello").replace("http:", "https:"))
        .await;
    assert_eq!(answer.text(), "ErrorCode::TlsProtocolError");
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn https_trusts_the_authorities_of_the_system() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let authority = folder.path().join("authority.pem");
    let authority = authority.display().to_string();
    for protocol in ["http/1.1", "h2"] {
        let upstream = https_upstream(server(folder.path(), false, &[protocol])).await;
        let flags = [HANDLER, "--allow-http", "127.0.0.1"];
        let path = format!("/fetch?https://{upstream}/x");
        let trusting = Server::start_with(&flags, &[("SSL_CERT_FILE", &authority)]);
        let answer = trusting.get(&path).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "encrypted"),
            "{protocol}"
        );
        let doubting = Server::start(&flags);
        let answer = doubting.get(&path).await;
        assert_eq!(answer.text(), "ErrorCode::TlsCertificateError");
    }
}

/// Starts a server over TLS, and returns its address.
async fn https_upstream(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tls = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else {
                    return;
                };
                let answer = service_fn(async |_: Request<Incoming>| {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("encrypted"))))
                });
                let served = Builder::new(TokioExecutor::new());
                let _ = served.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    address
}
