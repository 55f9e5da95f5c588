//! Parsers of arguments' values.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use cocoon::component::Location;
use cocoon::limits::parse_integer;

/// Parses N or a seed.
pub(super) fn number(text: &str) -> Result<u64, String> {
    parse_integer(text).ok_or_else(|| format!("expected an integer from 0 to {}", u64::MAX))
}

/// Parses a count of 0 or more.
pub(super) fn number_u32(text: &str) -> Result<u32, String> {
    parse_integer(text).ok_or_else(|| format!("expected an integer from 0 to {}", u32::MAX))
}

/// An integer type with a greatest value.
pub(super) trait Integer: FromStr + Display + PartialOrd + From<u8> {
    const MAX: Self;
}

impl Integer for u32 {
    const MAX: Self = Self::MAX;
}

impl Integer for u64 {
    const MAX: Self = Self::MAX;
}

/// Parses a count of at least 1.
pub(super) fn positive<T: Integer>(text: &str) -> Result<T, String> {
    let count = parse_integer(text).filter(|count| *count >= T::from(1));
    count.ok_or_else(|| format!("expected an integer from 1 to {}", T::MAX))
}

/// Parses an address to listen on: `IP:PORT`, `localhost:PORT`, `:PORT` for all IPv4 addresses
/// of this machine, or `PORT` for 127.0.0.1.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = |ip: Ipv4Addr, port: &str| {
        let port = port.parse().ok().filter(|_| is_decimal(port));
        port.map(|port| SocketAddr::new(IpAddr::V4(ip), port))
    };
    let address = match text.rsplit_once(':') {
        None => with_port(Ipv4Addr::LOCALHOST, text),
        Some(("", port)) => with_port(Ipv4Addr::UNSPECIFIED, port),
        Some(("localhost", port)) => with_port(Ipv4Addr::LOCALHOST, port),
        Some(_) => text.parse().ok(),
    };
    address.ok_or_else(|| {
        "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080, or localhost:8080, \
         :8080 or 8080"
            .to_owned()
    })
}

fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A parser of components: a path, or a reference that starts with `oci://`.
pub(super) fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(|text: OsString| {
        if text.is_empty() {
            return Err("expected a file or oci://REFERENCE, got an empty string".to_owned());
        }
        Location::parse(text).map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_have_short_forms() {
        for (text, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
        ] {
            let expected = expected.parse().expect("an address");
            assert_eq!(address(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ":",
            "localhost",
            "localhost:",
            "localhost:65536",
            "example.org:80",
            "::1",
            "::1:80",
            "127.0.0.1",
            "+80",
            ":+80",
            "http://localhost:80",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
