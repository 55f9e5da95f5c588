//! Addresses that a name must not lead to, and addresses that only their own grant opens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks within which an address has to be granted itself, even if all others are: link-local
/// addresses, and the metadata services of clouds, which hand out credentials.
const GUARDED: [IpNet; 7] = [
    v4([169, 254, 0, 0], 16),
    // Alibaba, Oracle, Azure.
    v4([100, 100, 100, 200], 32),
    v4([192, 0, 0, 192], 32),
    v4([168, 63, 129, 16], 32),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // All services of an Amazon instance, Google.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

/// Networks that are not reached through the Internet (RFC 6890 and its registries), apart from
/// those for documentation.
const INSIDE: [IpNet; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    // Multicast, reserved and broadcast.
    v4([224, 0, 0, 0], 3),
    // Unspecified, loopback and IPv4-compatible.
    v6([0; 8], 96),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(s: [u16; 8], prefix: u8) -> IpNet {
    let address = Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    IpNet::V6(Ipv6Net::new_assert(address, prefix))
}

/// The guarded network that `address` is in, if it is in one.
pub(super) fn guard(address: IpAddr) -> Option<IpNet> {
    let embedded = embedded(address);
    GUARDED
        .into_iter()
        .find(|net| net.contains(&address) || embedded.is_some_and(|v4| net.contains(&v4)))
}

/// Whether a name must not lead to `address`: it is guarded, private, loopback, multicast or
/// reserved.
pub(super) fn is_inside(address: IpAddr) -> bool {
    let embedded = embedded(address);
    let is_in =
        |net: &IpNet| net.contains(&address) || embedded.is_some_and(|v4| net.contains(&v4));
    INSIDE.iter().any(is_in) || guard(address).is_some()
}

/// The IPv4 address that a gateway takes out of an IPv6 address, of NAT64 (RFC 6052) or of 6to4
/// (RFC 3056). `to_canonical` handles mapped addresses.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let ([0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..]) = address.segments()
    else {
        return None;
    };
    let bits = u32::from(high) << 16 | u32::from(low);
    Some(Ipv4Addr::from_bits(bits).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_should() {
        let inside = [
            "0.0.0.0",
            "10.255.255.255",
            "100.127.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "64:ff9b:1::1",
        ];
        for address in inside {
            assert!(is_inside(address.parse().expect(address)), "{address}");
        }
        let outside = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.128.0.1",
            "128.0.0.1",
            "172.32.0.1",
            "169.253.255.255",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2000::1",
        ];
        for address in outside {
            assert!(!is_inside(address.parse().expect(address)), "{address}");
        }
    }

    #[test]
    fn link_local_and_metadata_addresses_are_guarded() {
        let guarded = [
            "169.254.0.1",
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            // The credentials of a pod.
            "fd00:ec2::23",
            "fd20:ce::254",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "64:ff9b::169.254.169.254",
        ];
        for address in guarded {
            assert!(
                guard(address.parse().expect(address)).is_some(),
                "{address}"
            );
        }
        for address in ["127.0.0.1", "10.0.0.1", "::1", "fd00:ec3::23", "1.1.1.1"] {
            assert_eq!(guard(address.parse().expect(address)), None, "{address}");
        }
    }
}
