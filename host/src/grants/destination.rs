//! One destination of `--allow-net`: a name, an address or a network, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use url::Host;

use super::GrantError;
use super::addresses::guard;

/// A destination that a component may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    target: Target,
    /// `None` means every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Net(IpNet),
    /// A host name in lower case and ASCII, without a dot at its end.
    Name(String),
    /// The names below a domain, which starts with a dot.
    Subdomains(String),
}

impl Destination {
    /// The port rule, if the destination is the name `name` or a domain above it.
    pub(super) fn of_name(&self, name: &str) -> Option<Port> {
        let is_named = match &self.target {
            Target::Net(_) => false,
            Target::Name(own) => own == name,
            Target::Subdomains(domain) => name.len() > domain.len() && name.ends_with(domain),
        };
        is_named.then_some(Port(self.port))
    }

    /// The port rule, if the destination lists the canonical `address` itself.
    ///
    /// `localhost` lists the addresses that it always has. A network opens a guarded address only
    /// if it lies within the guarded network: `0.0.0.0/0` does not mean a metadata service.
    pub(super) fn of_address(&self, address: IpAddr) -> Option<Port> {
        let is_listed = match &self.target {
            Target::Net(net) => {
                net.contains(&address)
                    && guard(address).is_none_or(|guarded| {
                        net.prefix_len() == net.max_prefix_len() || guarded.contains(net)
                    })
            }
            Target::Name(name) => {
                name == "localhost"
                    && [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].contains(&address)
            }
            Target::Subdomains(_) => false,
        };
        is_listed.then_some(Port(self.port))
    }
}

/// A port, or every port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port(Option<u16>);

impl Port {
    pub(super) fn permits(self, port: u16) -> bool {
        self.0.is_none_or(|own| own == port)
    }
}

/// `name` in lower case and without a dot at its end, as destinations have it.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl fmt::Display for Destination {
    /// A text that parses as the same destination.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target, self.port) {
            (Target::Net(net @ IpNet::V6(_)), Some(_)) => write!(out, "[{net}]")?,
            (Target::Net(net), _) => write!(out, "{net}")?,
            (Target::Name(name), _) => out.write_str(name)?,
            (Target::Subdomains(domain), _) => write!(out, "*{domain}")?,
        }
        match self.port {
            Some(port) => write!(out, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Destination {
    type Err = GrantError;

    /// Parses `HOST[:PORT]`, where HOST is `example.com`, `*.example.com`, an IPv4 address, an
    /// IPv6 address in brackets if a port follows, or a network in CIDR notation.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let expected = |reason: &str| {
            GrantError::Destination(format!(
                "expected HOST[:PORT] with a name, an address or a network such as 192.0.2.0/24, got `{text}`{reason}"
            ))
        };
        if text == "*" {
            return Err(expected("; use --network for every destination"));
        }
        let (host, port) = split(text).ok_or_else(|| expected(""))?;
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => return Err(expected(", whose port is not from 1 to 65535")),
        };
        let target = target(host).ok_or_else(|| expected(""))?;
        Ok(Self { target, port })
    }
}

/// Splits HOST from PORT. The colons of an IPv6 address do not separate a port.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let is_v6 = host.contains(':');
        return match rest.strip_prefix(':') {
            Some(port) if is_v6 => Some((host, Some(port))),
            None if rest.is_empty() && is_v6 => Some((host, None)),
            _ => None,
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() || text.parse::<IpNet>().is_ok() {
        return Some((text, None));
    }
    Some(match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

/// A network of IPv4 addresses for a network of their mapped ones, since addresses are compared in
/// their canonical form.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let mapped = match net.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    let prefix = net.prefix_len().checked_sub(MAPPED);
    let v4 = mapped.zip(prefix);
    let v4 = v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    v4.map_or(net, IpNet::V4)
}

fn target(host: &str) -> Option<Target> {
    if let Ok(net) = host.parse::<IpNet>() {
        return Some(Target::Net(canonical(net.trunc())));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Target::Net(address.to_canonical().into()));
    }
    let (is_wildcard, name) = match host.strip_prefix("*.") {
        Some(domain) => (true, domain),
        None => (false, host),
    };
    match Host::parse(name).ok()? {
        Host::Domain(name) if is_wildcard => {
            Some(Target::Subdomains(format!(".{}", normal(&name))))
        }
        Host::Domain(name) if !normal(&name).is_empty() && !name.contains('*') => {
            Some(Target::Name(normal(&name)))
        }
        // Another notation of an address, such as 127.1.
        Host::Ipv4(address) if !is_wildcard => Some(Target::Net(IpAddr::from(address).into())),
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Destination {
        text.parse().expect(text)
    }

    fn lists(destination: &str, address: &str) -> bool {
        let address: IpAddr = address.parse().expect(address);
        parse(destination).of_address(address).is_some()
    }

    #[test]
    fn names_match_whole_labels() {
        for (destination, name, is_named) in [
            ("example.com", "example.com", true),
            ("EXAMPLE.com.", "example.com", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("10.0.0.1", "10.0.0.1", false),
        ] {
            assert_eq!(
                parse(destination).of_name(name).is_some(),
                is_named,
                "{destination} {name}"
            );
        }
    }

    #[test]
    fn networks_contain_addresses() {
        for (destination, address, is_listed) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7:80", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.9/24", "192.0.2.8", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("[2001:db8::/32]:80", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("::ffff:192.0.2.0/120", "192.0.2.7", true),
            ("::ffff:192.0.2.0/120", "192.0.3.7", false),
            ("0.0.0.0/0", "127.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("localhost", "127.0.0.2", false),
            ("example.com", "127.0.0.1", false),
        ] {
            assert_eq!(
                lists(destination, address),
                is_listed,
                "{destination} {address}"
            );
        }
    }

    #[test]
    fn a_wide_network_does_not_open_guarded_addresses() {
        for (destination, is_listed) in [
            ("0.0.0.0/0", false),
            ("169.0.0.0/8", false),
            ("169.254.0.0/16", true),
            ("169.254.169.0/24", true),
            ("169.254.169.254", true),
        ] {
            assert_eq!(
                lists(destination, "169.254.169.254"),
                is_listed,
                "{destination}"
            );
        }
        assert!(!lists("::/0", "fd00:ec2::254"));
        assert!(lists("fd00:ec2::254", "fd00:ec2::254"));
        assert!(lists("64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe"));
        assert!(!lists("64:ff9b::/96", "64:ff9b::a9fe:a9fe"));
    }

    #[test]
    fn ports_restrict() {
        let port = |text: &str| parse(text).port;
        assert_eq!(port("example.com"), None);
        assert_eq!(port("example.com:443"), Some(443));
        assert_eq!(port("[::1]:443"), Some(443));
        assert_eq!(port("10.0.0.0/8:443"), Some(443));
        assert_eq!(port("::1"), None);
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "*",
            ":80",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:http",
            "https://example.com",
            "[::1",
            "[::1]80",
            "[example.com]:80",
            "[10.0.0.1]:80",
            "10.0.0.0/33",
            "a b",
            "*.10.0.0.1",
            "www.*.com",
            "*.",
            ".",
            "10.0.0.0/8/8",
        ] {
            let error = text.parse::<Destination>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
