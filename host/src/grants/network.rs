//! The network of one sandbox: which addresses it may use, and which names it may look up.
//!
//! A guest looks names up through the host, and connects to addresses. The sandbox remembers the
//! addresses of the granted names that it looked up, at most [`ADDRESSES_REMEMBERED`] of them, as
//! long as it lives. A name therefore opens the addresses that this look-up returned, and what
//! its owner answers later opens no other. An address that is not public needs its own grant.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::sockets::SocketAddrUse;

use super::addresses::{guard, is_inside};
use super::denials::Denials;
use super::destination::{Destination, Port, normal};
use crate::limits::ADDRESSES_REMEMBERED;

/// The granted network of a component. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Whether every destination is granted, except link-local and metadata addresses, and
    /// listening as well.
    pub everything: bool,
    /// Destinations, among them such addresses.
    pub destinations: Vec<Destination>,
}

impl Network {
    /// Whether no destination is granted.
    pub fn is_none(&self) -> bool {
        !self.everything && self.destinations.is_empty()
    }
}

/// The network of one sandbox.
pub(super) struct SandboxNetwork {
    granted: Network,
    denials: Denials,
    /// Addresses of granted names, each with the ports of its name, the oldest first.
    resolved: Mutex<VecDeque<(IpAddr, Port)>>,
}

/// A use of the network that no flag grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The function and its argument: `wasi:sockets connect (192.0.2.1:80)`.
    pub(super) function: String,
    /// The flag that grants it.
    pub(super) flag: String,
}

impl SandboxNetwork {
    pub(super) fn new(granted: Network, denials: Denials) -> Self {
        Self {
            granted,
            denials,
            resolved: Mutex::default(),
        }
    }

    /// Whether every destination is granted.
    pub(super) fn is_everything(&self) -> bool {
        self.granted.everything
    }

    /// As [`SandboxNetwork::check`], and reports a refusal.
    pub(super) fn permits(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        let checked = self.check(address, usage);
        checked.inspect_err(|refusal| self.report(refusal)).is_ok()
    }

    /// Reports a refusal, which the program sees as `access-denied`.
    pub(super) fn report(&self, refusal: &Refusal) {
        let Refusal { function, flag } = refusal.clone();
        self.denials.report(function, Some(flag));
    }

    /// Decides whether the sandbox may use `address` for `usage`.
    ///
    /// # Errors
    ///
    /// The flag that would grant it.
    pub(super) fn check(&self, address: SocketAddr, usage: SocketAddrUse) -> Result<(), Refusal> {
        let refusal = |function, flag| {
            let function = format!("wasi:sockets {function} ({})", canonical(address));
            Err(Refusal { function, flag })
        };
        match usage {
            _ if self.granted.everything && !is_outgoing(usage) => Ok(()),
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                if self.is_granted(address) {
                    return Ok(());
                }
                let function = match usage {
                    SocketAddrUse::TcpConnect => "connect",
                    SocketAddrUse::UdpSend => "send",
                    _ => "receive",
                };
                refusal(function, format!("--allow-net {}", canonical(address)))
            }
            // A client's socket has a port that the system chooses.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if address.port() == 0 => Ok(()),
            SocketAddrUse::TcpBind
            | SocketAddrUse::UdpBind
            | SocketAddrUse::TcpListen
            | SocketAddrUse::TcpAccept => refusal("listen", "--network".to_owned()),
        }
    }

    fn is_granted(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let listed = |destination: &Destination| {
            destination
                .of_address(ip)
                .is_some_and(|ports| ports.permits(port))
        };
        if self.granted.destinations.iter().any(listed) {
            return true;
        }
        if self.granted.everything {
            return guard(ip).is_none();
        }
        let resolved = self.resolved();
        resolved
            .iter()
            .any(|&(known, ports)| known == ip && ports.permits(port))
    }

    /// Decides whether the sandbox may look `name` up.
    ///
    /// # Errors
    ///
    /// The flag that would grant it.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Refusal> {
        if self.granted.everything || self.ports(&normal(name)).next().is_some() {
            return Ok(());
        }
        Err(Refusal {
            function: format!("wasi:sockets/ip-name-lookup.resolve-addresses ({name})"),
            flag: format!("--allow-net {name}"),
        })
    }

    /// Returns those of the addresses of `name` that the sandbox may use, and remembers them.
    ///
    /// # Errors
    ///
    /// The flag that would grant the first address, if it may use none.
    pub(super) fn keep(&self, name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refusal> {
        self.check_name(name)?;
        let found: Vec<_> = found.into_iter().map(|it| it.to_canonical()).collect();
        let first = found.first().copied();
        let is_listed = |ip: IpAddr| {
            let mut destinations = self.granted.destinations.iter();
            destinations.any(|destination| destination.of_address(ip).is_some())
        };
        let is_refused = |ip: IpAddr| {
            if self.granted.everything {
                guard(ip).is_some()
            } else {
                is_inside(ip)
            }
        };
        let mut kept = found;
        kept.retain(|&ip| !is_refused(ip) || is_listed(ip));
        if let (Some(first), true) = (first, kept.is_empty()) {
            return Err(Refusal {
                function: format!(
                    "wasi:sockets/ip-name-lookup.resolve-addresses ({name}, {first})"
                ),
                flag: format!("--allow-net {first}"),
            });
        }
        let mut resolved = self.resolved();
        for &ip in kept.iter().filter(|&&ip| !is_refused(ip)) {
            for ports in self.ports(&normal(name)) {
                resolved.retain(|known| *known != (ip, ports));
                resolved.push_back((ip, ports));
            }
        }
        while resolved.len() > ADDRESSES_REMEMBERED {
            resolved.pop_front();
        }
        Ok(kept)
    }

    /// The ports of each destination that is `name`.
    fn ports(&self, name: &str) -> impl Iterator<Item = Port> {
        let destinations = self.granted.destinations.iter();
        destinations.filter_map(move |destination| destination.of_name(name))
    }

    /// A panic leaves the addresses whole.
    fn resolved(&self) -> MutexGuard<'_, VecDeque<(IpAddr, Port)>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `address`, as an address of IPv4 if it is mapped.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether the address of this use is a destination.
fn is_outgoing(usage: SocketAddrUse) -> bool {
    match usage {
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => true,
        SocketAddrUse::TcpBind
        | SocketAddrUse::TcpListen
        | SocketAddrUse::TcpAccept
        | SocketAddrUse::UdpBind
        | SocketAddrUse::UdpReceive => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(everything: bool, destinations: &[&str]) -> SandboxNetwork {
        let parse = |text: &&str| text.parse().expect("a destination");
        let granted = Network {
            everything,
            destinations: destinations.iter().map(parse).collect(),
        };
        SandboxNetwork::new(granted, Denials::default())
    }

    fn connects(network: &SandboxNetwork, address: &str) -> bool {
        let address = address.parse().expect(address);
        network.check(address, SocketAddrUse::TcpConnect).is_ok()
    }

    fn looks_up(network: &SandboxNetwork, name: &str, found: &[&str]) -> Result<usize, Refusal> {
        let parse = |text: &&str| text.parse().expect("an address");
        let kept = network.keep(name, found.iter().map(parse).collect());
        kept.map(|kept| kept.len())
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let network = network(false, &[]);
        assert!(!connects(&network, "192.0.2.1:80"));
        assert!(network.check_name("example.com").is_err());
        let address = "0.0.0.0:80".parse().expect("an address");
        for usage in [
            SocketAddrUse::TcpListen,
            SocketAddrUse::TcpBind,
            SocketAddrUse::UdpBind,
        ] {
            let refusal = network.check(address, usage).expect_err("a refusal");
            assert_eq!(refusal.flag, "--network");
        }
    }

    #[test]
    fn everything_but_guarded_addresses() {
        let everything = network(true, &[]);
        for address in ["192.0.2.1:80", "127.0.0.1:80", "10.0.0.1:80", "[::1]:80"] {
            assert!(connects(&everything, address), "{address}");
        }
        for address in [
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(!connects(&everything, address), "{address}");
        }
        let named = network(true, &["169.254.169.254:80"]);
        assert!(connects(&named, "169.254.169.254:80"));
        assert!(!connects(&named, "169.254.169.254:81"));
        assert!(looks_up(&everything, "metadata.example", &["169.254.169.254"]).is_err());
        assert_eq!(
            looks_up(&named, "metadata.example", &["169.254.169.254"]),
            Ok(1)
        );
    }

    #[test]
    fn a_name_opens_the_addresses_that_it_was_resolved_to() {
        let network = network(false, &["example.com:443", "*.example.org"]);
        assert!(!connects(&network, "192.0.2.1:443"));
        assert_eq!(
            looks_up(&network, "Example.COM.", &["192.0.2.1", "2001:db8::1"]),
            Ok(2)
        );
        assert!(connects(&network, "192.0.2.1:443"));
        assert!(connects(&network, "[2001:db8::1]:443"));
        assert!(!connects(&network, "192.0.2.1:80"));
        assert!(!connects(&network, "192.0.2.2:443"));
        assert_eq!(looks_up(&network, "www.example.org", &["192.0.2.1"]), Ok(1));
        assert!(connects(&network, "192.0.2.1:80"));
        let refusal = looks_up(&network, "example.net", &["192.0.2.1"]).expect_err("no grant");
        assert_eq!(refusal.flag, "--allow-net example.net");
    }

    #[test]
    fn a_name_does_not_lead_inside() {
        let inside = [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ];
        for address in inside {
            let network = network(false, &["example.com"]);
            let refusal = looks_up(&network, "example.com", &[address]).expect_err(address);
            assert!(refusal.flag.starts_with("--allow-net "), "{refusal:?}");
        }
        let mixed = network(false, &["example.com"]);
        assert_eq!(
            looks_up(&mixed, "example.com", &["10.0.0.1", "192.0.2.1"]),
            Ok(1)
        );
        assert!(!connects(&mixed, "10.0.0.1:80"));
        let listed = network(false, &["example.com", "10.0.0.0/8:80"]);
        assert_eq!(looks_up(&listed, "example.com", &["10.0.0.1"]), Ok(1));
        assert!(connects(&listed, "10.0.0.1:80"));
        assert!(!connects(&listed, "10.0.0.1:81"));
    }

    #[test]
    fn remembered_addresses_are_bounded() {
        let network = network(false, &["*.example.com"]);
        for host in 0..=u32::try_from(ADDRESSES_REMEMBERED).expect("a number") {
            let address = std::net::Ipv4Addr::from_bits(0xc000_0200 + host);
            let name = format!("h{host}.example.com");
            network
                .keep(&name, vec![address.into()])
                .expect("a granted name");
        }
        assert_eq!(network.resolved().len(), ADDRESSES_REMEMBERED);
        assert!(!connects(&network, "192.0.2.0:80"));
        assert!(connects(&network, "192.0.2.1:80"));
    }

    #[test]
    fn a_list_permits_clients_only() {
        let network = network(false, &["127.0.0.1"]);
        let check = |address: &str, usage| network.check(address.parse().expect(address), usage);
        assert!(check("0.0.0.0:0", SocketAddrUse::TcpBind).is_ok());
        assert!(check("127.0.0.1:0", SocketAddrUse::UdpBind).is_ok());
        assert!(check("127.0.0.1:53", SocketAddrUse::UdpSend).is_ok());
        assert!(check("127.0.0.1:53", SocketAddrUse::UdpReceive).is_ok());
        assert!(check("192.0.2.1:53", SocketAddrUse::UdpSend).is_err());
        assert!(check("192.0.2.1:53", SocketAddrUse::UdpReceive).is_err());
        assert!(check("127.0.0.1:53", SocketAddrUse::UdpBind).is_err());
        assert!(check("0.0.0.0:0", SocketAddrUse::TcpListen).is_err());
        assert!(check("127.0.0.1:53", SocketAddrUse::TcpAccept).is_err());
    }
}
