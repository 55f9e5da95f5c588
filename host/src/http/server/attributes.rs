//! The attributes of a request's span, as OpenTelemetry's stable conventions for HTTP
//! servers define them.

use std::cell::LazyCell;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use axum::extract::Request;
use axum::http::header::{FORWARDED, HOST, USER_AGENT};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Version};
use tokio::net::TcpStream;
use tracing::Span;
use tracing::field::Empty;

use super::field::{Item, split};
use super::found_route::RouteName;

/// The addresses of both ends of a connection, which its requests carry as an extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

impl Ends {
    /// The ends of a connection that is open.
    pub(super) fn of(stream: &TcpStream) -> Self {
        Self {
            peer: stream.peer_addr().ok(),
            local: stream.local_addr().ok(),
        }
    }

    /// The address of the client, or of a proxy before it.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

/// The span of a request.
pub(super) fn span(request: &Request, route: Option<&RouteName>) -> Span {
    let method = request.method();
    // Read only if there is a span.
    let names = LazyCell::new(|| Names::of(request));
    let found = match route {
        Some(RouteName::Found(route)) => Some(&*route.name),
        Some(RouteName::Matched(_)) | None => None,
    };
    let route = route.map(RouteName::path);
    tracing::debug_span!(
        "request",
        otel.name = name(method, route),
        otel.kind = "server",
        otel.status_code = Empty,
        otel.status_description = Empty,
        http.request.method = if is_known(method) { method.as_str() } else { "_OTHER" },
        http.request.method_original = (!is_known(method)).then(|| method.as_str()),
        http.route = route,
        cocoon.route = found,
        http.response.status_code = Empty,
        http.response.body.size = Empty,
        url.path = request.uri().path(),
        url.query = request.uri().query(),
        url.scheme = "http",
        server.address = names.server.as_deref(),
        server.port = names.server_port,
        client.address = names.client.as_deref(),
        network.peer.address = names.peer.as_deref(),
        network.peer.port = names.peer_port,
        network.protocol.version = version(request.version()),
        user_agent.original = agent(request),
        error.type = Empty,
        request_id = Empty,
        trace_id = Empty,
    )
}

/// Both sides of a request by name.
struct Names {
    server: Option<String>,
    server_port: Option<i64>,
    client: Option<String>,
    peer: Option<String>,
    peer_port: Option<i64>,
}

impl Names {
    fn of(request: &Request) -> Self {
        let ends = request.extensions().get::<Ends>();
        let peer = ends.and_then(|ends| ends.peer);
        let (server, server_port) = server(request, ends.and_then(|ends| ends.local));
        let address = peer.map(|peer| peer.ip().to_canonical().to_string());
        let client = forwarded_for(request.headers()).map(|client| client.to_string());
        Self {
            server,
            server_port,
            client: client.or_else(|| address.clone()),
            peer: address,
            peer_port: peer.map(|peer| i64::from(peer.port())),
        }
    }
}

/// Whether the conventions know a method: those of RFC 9110, and PATCH.
fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::CONNECT
            | Method::OPTIONS
            | Method::TRACE
            | Method::PATCH
    )
}

/// The method and the route, both from a small set.
fn name(method: &Method, route: Option<&str>) -> String {
    let method = if is_known(method) {
        method.as_str()
    } else {
        "HTTP"
    };
    match route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    }
}

/// The host and port that the client asked for, or else the address that it reached. A host
/// without a port has none: a proxy's differs from this service's.
fn server(request: &Request, local: Option<SocketAddr>) -> (Option<String>, Option<i64>) {
    let in_header = || {
        let host = request.headers().get(HOST)?.to_str().ok()?;
        Authority::from_str(host).ok()
    };
    let authority = request.uri().authority().cloned().or_else(in_header);
    let Some(authority) = authority else {
        let address = local.map(|local| local.ip().to_string());
        return (address, local.map(|local| i64::from(local.port())));
    };
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = bare.unwrap_or(host).to_owned();
    (Some(host), authority.port_u16().map(i64::from))
}

/// The client that the first proxy named, if it is an address: `Forwarded` (RFC 7239), or
/// else `X-Forwarded-For`.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let first = |name: &HeaderName| {
        let line = headers.get(name)?.as_bytes();
        split(line, b',').next()
    };
    if let Some(element) = first(&FORWARDED) {
        // Its pairs are written as parameters of nothing.
        let element = [b"x;", element].concat();
        let item = Item::read(&element)?;
        let mut parameters = item.parameters.iter();
        let (_, node) = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"for"))?;
        return address(node);
    }
    address(first(&X_FORWARDED_FOR)?)
}

/// Reads an address with or without a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// The version of HTTP as OpenTelemetry writes it.
fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn agent(request: &Request) -> Option<&str> {
    request.headers().get(USER_AGENT)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(axum::body::Body::empty()).expect("a request")
    }

    #[test]
    fn names_come_from_a_small_set() {
        let of = |method: &str, route| name(request(method, "/x", &[]).method(), route);
        assert_eq!(of("GET", Some("/a/{n}")), "GET /a/{n}");
        assert_eq!(of("PATCH", None), "PATCH");
        assert_eq!(of("get", Some("/a/{n}")), "HTTP /a/{n}");
        assert_eq!(of("BREW", None), "HTTP");
    }

    #[test]
    fn the_server_is_the_one_that_was_asked_for() {
        let local = "10.0.0.1:8080".parse().ok();
        for (uri, host, address, port) in [
            ("/x", Some("a.example"), "a.example", None),
            ("/x", Some("a.example:81"), "a.example", Some(81)),
            ("/x", Some("[::1]:81"), "::1", Some(81)),
            ("http://b:82/x", Some("a:81"), "b", Some(82)),
            ("/x", None, "10.0.0.1", Some(8080)),
        ] {
            let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            let request = request("GET", uri, &headers);
            let found = server(&request, local);
            assert_eq!(found, (Some(address.to_owned()), port), "{uri} {host:?}");
        }
    }

    #[test]
    fn the_client_is_the_one_that_the_first_proxy_names() {
        let client = |headers: &[(&str, &str)]| {
            let request = request("GET", "/", headers);
            forwarded_for(request.headers()).map(|address| address.to_string())
        };
        for (name, value, address) in [
            ("x-forwarded-for", "192.0.2.1, 10.0.0.1", Some("192.0.2.1")),
            ("x-forwarded-for", "[2001:db8::1]:4711", Some("2001:db8::1")),
            ("x-forwarded-for", "somebody", None),
            (
                "forwarded",
                "proto=http;For=\"[2001:db8::1]:1\"",
                Some("2001:db8::1"),
            ),
            (
                "forwarded",
                "for=192.0.2.1;by=x, for=10.0.0.1",
                Some("192.0.2.1"),
            ),
            ("forwarded", "for=_hidden", None),
            ("forwarded", "=", None),
        ] {
            assert_eq!(client(&[(name, value)]).as_deref(), address, "{value}");
        }
    }
}
