//! One destination of `--allow-http`, and whether a set of them permits a request.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::GrantError;
use super::addresses::is_inside;
use super::destination::{Destination, normal};

/// A destination of HTTP requests that a component may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpDestination {
    /// Every public address, and every name that leads to one.
    Public,
    /// A name, an address or a network, and a port.
    One(Destination),
}

impl FromStr for HttpDestination {
    type Err = GrantError;

    /// Parses `*`, or `HOST[:PORT]` as [`Destination`] has it.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        if text == "*" {
            return Ok(Self::Public);
        }
        text.parse().map(Self::One)
    }
}

impl fmt::Display for HttpDestination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => out.write_str("*"),
            Self::One(destination) => destination.fmt(out),
        }
    }
}

/// Whether `name` at `port` is granted, as far as its addresses are public.
pub(super) fn permits_name(granted: &[HttpDestination], name: &str, port: u16) -> bool {
    let name = normal(name);
    granted.iter().any(|destination| match destination {
        HttpDestination::Public => true,
        HttpDestination::One(one) => one.of_name(&name).is_some_and(|it| it.permits(port)),
    })
}

/// Whether `address` at `port` is granted. An address that is not public, to which a granted name
/// leads, needs a grant of its own.
pub(super) fn permits_address(
    granted: &[HttpDestination],
    is_named: bool,
    address: IpAddr,
    port: u16,
) -> bool {
    let address = address.to_canonical();
    let is_public = !is_inside(address);
    (is_named && is_public)
        || granted.iter().any(|destination| match destination {
            HttpDestination::Public => is_public,
            HttpDestination::One(one) => one.of_address(address).is_some_and(|it| it.permits(port)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &[&str]) -> Vec<HttpDestination> {
        let parse = |text: &&str| text.parse().expect("a destination");
        list.iter().map(parse).collect()
    }

    fn opens(list: &[&str], is_named: bool, address: &str, port: u16) -> bool {
        let address = address.parse().expect(address);
        permits_address(&parse(list), is_named, address, port)
    }

    #[test]
    fn names_are_granted_with_their_ports() {
        let granted = parse(&["example.com:443", "*.example.org"]);
        assert!(permits_name(&granted, "Example.com.", 443));
        assert!(!permits_name(&granted, "example.com", 80));
        assert!(permits_name(&granted, "www.example.org", 80));
        assert!(!permits_name(&granted, "example.net", 443));
        assert!(permits_name(&parse(&["*"]), "example.net", 1));
        assert!(!permits_name(&[], "example.net", 443));
    }

    #[test]
    fn no_name_leads_inside() {
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!opens(&["*", "example.com"], true, inside, 80), "{inside}");
            assert!(opens(&["*", inside], true, inside, 80), "{inside}");
            assert!(opens(&[inside], false, inside, 80), "{inside}");
        }
        assert!(opens(&["example.com"], true, "192.0.2.1", 80));
        assert!(!opens(&["example.com"], false, "192.0.2.1", 80));
        assert!(opens(&["*"], false, "192.0.2.1", 80));
        assert!(opens(&["10.0.0.0/8:80"], true, "10.0.0.1", 80));
        assert!(!opens(&["10.0.0.0/8:80"], true, "10.0.0.1", 81));
    }
}
