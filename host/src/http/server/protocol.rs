//! The rules of HTTP for every request, and a problem for every error.
//!
//! This layer is written by hand, since `axum::middleware::from_fn` makes two more boxes for each
//! request.

use std::net::Ipv6Addr;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, EXPECT, HOST, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures::TryFutureExt as _;
use futures::future::{Either, MapOk, Ready, ready};
use tower::{Layer, Service};

use super::field::weighted;
use super::problem::{PROBLEM_JSON, Problem};

/// The one expectation of RFC 9110, section 10.1.1.
const CONTINUE: &[u8] = b"100-continue";

/// Which errors of routes are sent as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// Problems alone.
    Problems,
    /// All: they may be those of a handler.
    #[cfg_attr(
        not(feature = "compiler"),
        expect(dead_code, reason = "for handlers alone")
    )]
    All,
}

/// The detail of 431.
pub(super) const TOO_LARGE: &str = "expected a request head of at most 100 fields within the limit \
    of headers, got a larger one; use --headers to raise it";

/// Checks requests, and turns other errors into problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    pub(super) errors: Errors,
    /// The limit of the head of a request.
    pub(super) head_bytes: usize,
}

impl<S> Layer<S> for Protocol {
    type Service = ProtocolService<S>;

    fn layer(&self, inner: S) -> ProtocolService<S> {
        ProtocolService {
            inner,
            protocol: *self,
        }
    }
}

/// A service whose requests are checked.
#[derive(Clone, Debug)]
pub(super) struct ProtocolService<S> {
    inner: S,
    protocol: Protocol,
}

impl<S> Service<Request> for ProtocolService<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future =
        Either<Ready<Result<Response, S::Error>>, MapOk<S::Future, fn(Response) -> Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match check(&request, self.protocol.head_bytes) {
            Ok(()) => {
                let answered: fn(Response) -> Response = match self.protocol.errors {
                    Errors::Problems => as_problem,
                    Errors::All => |response| response,
                };
                Either::Right(self.inner.call(request).map_ok(answered))
            }
            Err(problem) => Either::Left(ready(Ok(refuse(&request, problem)))),
        }
    }
}

/// Refuses a request that no route should see.
fn check(request: &Request, head_bytes: usize) -> Result<(), Problem> {
    check_size(request, head_bytes)?;
    check_host(request)?;
    check_expect(request.headers())?;
    check_transfer(request.headers())
}

/// The answer to a request that no route should see. Others may see the end of its body elsewhere
/// if it names transfer codings, so that nothing may follow it.
fn refuse(request: &Request, problem: Problem) -> Response {
    let mut response = problem.into_response();
    if request.headers().contains_key(TRANSFER_ENCODING) && request.version() < Version::HTTP_2 {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// `response`, or a problem in place of an error with another body.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_problem = |response: &Response| {
        response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|it| it == PROBLEM_JSON)
    };
    if !is_error || is_problem(&response) {
        return response;
    }
    let reason = status.canonical_reason().unwrap_or("an error");
    let mut problem = Problem::plain(status, reason.to_ascii_lowercase()).into_response();
    // These tell the client what to send instead. Other fields describe the replaced body.
    for name in [ALLOW, CONNECTION, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE] {
        for value in response.headers().get_all(&name) {
            problem.headers_mut().append(&name, value.clone());
        }
    }
    problem
}

/// Refuses a head beyond the limit, which fitted into the connection's buffer.
fn check_size(request: &Request, most: usize) -> Result<(), Problem> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(1, |it| it.as_str().len());
    let line = request.method().as_str().len() + " ".len() + target + " HTTP/1.1\r\n".len();
    let field = |name: &HeaderName, value: &HeaderValue| {
        name.as_str().len() + ": ".len() + value.len() + "\r\n".len()
    };
    let fields = request.headers().iter();
    let fields: usize = fields.map(|(name, value)| field(name, value)).sum();
    if line + fields + "\r\n".len() > most {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Problem::plain(status, TOO_LARGE));
    }
    Ok(())
}

/// Refuses a request whose host is missing, ambiguous or not valid (RFC 9112,
/// section 3.2; RFC 9113, section 8.3.1).
fn check_host(request: &Request) -> Result<(), Problem> {
    let refused = |got: &str| {
        let detail =
            format!("expected one Host header with a name and an optional port, got {got}");
        Err(Problem::malformed(detail))
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return refused("several");
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return refused("an invalid one");
    }
    let target = request.uri().authority();
    if target.is_some_and(|target| !is_host(target.as_str().as_bytes())) {
        return Err(Problem::malformed(
            "expected a request target with a name and an optional port as authority, got another",
        ));
    }
    let scheme = request.uri().scheme_str();
    match (request.version(), host, target) {
        (Version::HTTP_11, None, _) | (Version::HTTP_2, None, None) => refused("none"),
        // HTTP/1.1 ignores the header where the target has a host.
        (Version::HTTP_2, Some(host), Some(target)) => {
            let host = without_default_port(host.as_bytes(), scheme);
            let target = without_default_port(target.as_str().as_bytes(), scheme);
            if host.eq_ignore_ascii_case(target) {
                Ok(())
            } else {
                refused("one that differs from :authority")
            }
        }
        _ => Ok(()),
    }
}

/// Whether that is `uri-host [ ":" port ]` (RFC 3986, section 3.2.2). A name may be
/// empty.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.iter().rposition(|&byte| byte == b':') {
        Some(at) if !value.ends_with(b"]") => (&value[..at], &value[at + 1..]),
        _ => (value, &[][..]),
    };
    let is_port = port.iter().all(u8::is_ascii_digit)
        && (port.is_empty() || str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok()));
    is_port && (is_ipv6(host) || is_name(host))
}

fn is_ipv6(host: &[u8]) -> bool {
    let inner = host
        .strip_prefix(b"[")
        .and_then(|host| host.strip_suffix(b"]"));
    let inner = inner.and_then(|inner| str::from_utf8(inner).ok());
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn is_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(byte) = bytes.next() {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        let fits = match byte {
            b'%' => is_digit(bytes.next()) && is_digit(bytes.next()),
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

fn without_default_port<'a>(host: &'a [u8], scheme: Option<&str>) -> &'a [u8] {
    let port: &[u8] = if scheme == Some("https") {
        b":443"
    } else {
        b":80"
    };
    host.strip_suffix(port).unwrap_or(host)
}

/// Refuses every expectation but `100-continue`.
fn check_expect(headers: &HeaderMap) -> Result<(), Problem> {
    let mut expected = headers.get_all(EXPECT).iter();
    if expected.all(|value| value.as_bytes().eq_ignore_ascii_case(CONTINUE)) {
        return Ok(());
    }
    Err(Problem::plain(
        StatusCode::EXPECTATION_FAILED,
        "expected 100-continue in the Expect header, got another expectation",
    ))
}

/// Refuses transfer codings that hyper leaves in the body (RFC 9112, section 6.1).
fn check_transfer(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut codings = weighted(headers, &TRANSFER_ENCODING).map(|coding| coding.value);
    let is_chunked = codings
        .next()
        .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if is_chunked && codings.next().is_none() {
        return Ok(());
    }
    Err(Problem::malformed(
        "expected chunked once in the Transfer-Encoding header, got another coding",
    ))
}

/// Whether the client waits for `100 Continue` before it sends its body. hyper sends
/// it when the body is polled, and then not after the head of the response.
pub(crate) fn awaits_continue(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && headers.contains_key(EXPECT)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::ETAG;

    use super::*;

    fn request(version: Version, target: &str, headers: &[(HeaderName, &str)]) -> Request {
        let mut request = Request::new(Body::empty());
        *request.version_mut() = version;
        *request.uri_mut() = target.parse().expect("a target");
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            request.headers_mut().append(name, value);
        }
        request
    }

    fn is_refused(version: Version, target: &str, hosts: &[&str]) -> bool {
        let hosts: Vec<_> = hosts.iter().map(|host| (HOST, *host)).collect();
        check_host(&request(version, target, &hosts)).is_err()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port() {
        for host in [
            "",
            "a",
            "A.b-c_d~e",
            "a:",
            "a:80",
            "a:65535",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "%41",
            "a,b;c=d",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b", "a:x", "a:65536", "a:-1", "a:+1", "a:1:2", "::1", "[::1", "::1]", "[]", "[a]",
            "[::1]x", "[::1]:x", "user@a", "user:1@a", "a/b", "a?b", "a#b", "a\\b", "<a>", "%4",
            "%zz", "\u{e9}", "a\tb", "http://a",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn every_version_has_its_rule_for_hosts() {
        const OLD: Version = Version::HTTP_10;
        const NOW: Version = Version::HTTP_11;
        const NEW: Version = Version::HTTP_2;
        for (version, target, hosts, expected) in [
            (OLD, "/", &[][..], false),
            (OLD, "/", &["a"], false),
            (OLD, "/", &["a", "a"], true),
            (OLD, "/", &["a b"], true),
            (NOW, "/", &[], true),
            (NOW, "/", &["a"], false),
            (NOW, "/", &[""], false),
            (NOW, "/", &["a", "a"], true),
            (NOW, "/", &["a", "b"], true),
            (NOW, "/", &["user@a"], true),
            (NOW, "http://a/", &[], true),
            (NOW, "http://a/", &["b"], false),
            (NOW, "http://a/", &["b c"], true),
            (NOW, "http://user@a/", &["a"], true),
            (NOW, "*", &["a"], false),
            (NEW, "/", &[], true),
            (NEW, "/", &["a"], false),
            (NEW, "http://a/", &[], false),
            (NEW, "http://a/", &["A"], false),
            (NEW, "http://a/", &["a:80"], false),
            (NEW, "https://a:443/", &["a"], false),
            (NEW, "http://a/", &["a:443"], true),
            (NEW, "http://a/", &["b"], true),
            (NEW, "http://a/", &["a", "a"], true),
            (NEW, "http://user@a/", &[], true),
        ] {
            let refused = is_refused(version, target, hosts);
            assert_eq!(refused, expected, "{version:?} {target} {hosts:?}");
        }
    }

    #[test]
    fn only_100_continue_is_supported() {
        for (values, expected) in [
            (&[][..], true),
            (&["100-continue"], true),
            (&["100-Continue"], true),
            (&["100-continue", "100-continue"], true),
            (&["200-ok"], false),
            (&["100-continue", "200-ok"], false),
            (&["100-continue, 200-ok"], false),
            (&["100-continue;x=y"], false),
            (&["\"100-continue\""], false),
        ] {
            let headers: Vec<_> = values.iter().map(|value| (EXPECT, *value)).collect();
            let request = request(Version::HTTP_11, "/", &headers);
            assert_eq!(
                check_expect(request.headers()).is_ok(),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn every_error_becomes_a_problem() {
        for (status, media, is_kept) in [
            (200, "text/plain", true),
            (304, "text/plain", true),
            (400, "text/plain", false),
            (404, "application/json", false),
            (405, PROBLEM_JSON, true),
            (500, "text/html", false),
        ] {
            let mut response = Response::new(Body::from("x"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            for (name, value) in [(CONTENT_TYPE, media), (ALLOW, "GET"), (ETAG, "\"a\"")] {
                let value = HeaderValue::from_str(value).expect("a value");
                response.headers_mut().insert(name, value);
            }
            let response = as_problem(response);
            assert_eq!(response.status().as_u16(), status);
            let expected = if is_kept { media } else { PROBLEM_JSON };
            assert_eq!(response.headers()[CONTENT_TYPE], expected, "{status}");
            assert_eq!(response.headers()[ALLOW], "GET", "{status}");
            assert_eq!(response.headers().contains_key(ETAG), is_kept, "{status}");
        }
    }
}
