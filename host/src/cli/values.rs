//! Parsers of flags' values.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use cocoon::component::Location;

/// Parses N or a seed.
pub(super) fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected an integer from 0 to {}", u64::MAX))
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
    let count = text.parse().ok().filter(|count| *count >= T::from(1));
    count.ok_or_else(|| format!("expected an integer from 1 to {}", T::MAX))
}

/// Parses an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
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
