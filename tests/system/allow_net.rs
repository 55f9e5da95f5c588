//! `--allow-net`: a program connects to listed destinations and to no others.

use std::net::{TcpListener, ToSocketAddrs as _, UdpSocket};

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{assert_one_line, run, stdout_of};

fn exec<'a>(flags: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", HOSTILE_PROGRAM], flags, &["--"], arguments].concat()
}

/// Runs `arguments` with `--allow-net` and returns the output.
fn allowing(destinations: &str, arguments: &[&str]) -> String {
    let outcome = run(exec(&["--allow-net", destinations], arguments));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    outcome.out
}

#[test]
fn addresses_networks_and_ports_are_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let port = listener.local_addr().expect("an address").port();
    let other = format!("127.0.0.1:{}", if port == 1 { 2 } else { port - 1 });
    for (destinations, is_granted) in [
        ("127.0.0.1", true),
        (address.as_str(), true),
        ("127.0.0.0/8", true),
        ("example.com,127.0.0.0/30", true),
        ("localhost", true),
        ("[::ffff:127.0.0.1]", true),
        ("127.0.0.2", false),
        (other.as_str(), false),
        ("10.0.0.0/8,::/0", false),
        ("example.com", false),
    ] {
        let connected = allowing(destinations, &["connect", &address]);
        assert_eq!(
            connected.starts_with("Ok("),
            is_granted,
            "{destinations}: {connected}"
        );
        if !is_granted {
            assert!(connected.contains("PermissionDenied"), "{connected}");
        }
    }
}

#[test]
fn names_are_resolved_and_their_addresses_remembered() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let target = format!("localhost:{port}");
    let connected = allowing(&target, &["connect", &target]);
    assert!(connected.starts_with("Ok("), "{connected}");
    let found = allowing("localhost", &["lookup", "LOCALHOST"]);
    assert!(found.contains("127.0.0.1"), "{found}");
    for name in ["example.com", "localhost.example.com", "sub.localhost"] {
        let found = allowing("localhost", &["lookup", name]);
        assert!(found.contains("PermissionDenied"), "{name}: {found}");
    }
}

/// The machine's own name leads inside. Without an address it leads nowhere, which fails as well.
#[test]
fn a_name_does_not_lead_inside() {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().expect("text");
    let found: Vec<_> = (name, 0).to_socket_addrs().into_iter().flatten().collect();
    let is_inside = found
        .iter()
        .all(|address| match address.ip().to_canonical() {
            std::net::IpAddr::V4(address) => address.is_private() || address.is_loopback(),
            std::net::IpAddr::V6(address) => {
                address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        });
    if name != "localhost" && is_inside {
        let refused = allowing(name, &["lookup", name]);
        assert!(refused.starts_with("Err("), "{refused}");
        assert_eq!(
            refused.contains("PermissionDenied"),
            !found.is_empty(),
            "{refused}"
        );
        if let Some(address) = found.first() {
            let listed = format!("{name},{}", address.ip());
            let granted = allowing(&listed, &["lookup", name]);
            assert!(granted.starts_with("Ok("), "{granted}");
        }
    }
}

#[test]
fn a_refused_destination_names_its_flag_once() {
    let flags = ["-n", "3", "--allow-net", "127.0.0.2"];
    let refused = run(exec(&flags, &["connect", "127.0.0.1:9"]));
    let named = "connect (127.0.0.1:9) without a grant; use --allow-net 127.0.0.1:9 to grant it";
    assert_eq!(refused.err.matches(named).count(), 1, "{}", refused.err);
}

#[test]
fn link_local_addresses_need_their_own_grant() {
    for flags in [&["--network"][..], &["--allow-net", "0.0.0.0/0,::/0"]] {
        let refused = run(exec(flags, &["connect", "169.254.169.254:80"]));
        assert!(refused.out.contains("PermissionDenied"), "{}", refused.out);
    }
}

#[test]
fn a_list_grants_datagrams_and_no_listening() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    let send = ["send-datagram", &address, "127.0.0.1:0"];
    assert_eq!(allowing(&address, &send), "Ok(8)\n");
    let mut datagram = [0; 9];
    assert_eq!(socket.recv(&mut datagram).expect("a datagram"), 8);
    assert!(allowing("127.0.0.2", &send).contains("PermissionDenied"));

    let listen = ["listen", "127.0.0.1:0"];
    assert!(allowing("127.0.0.1", &listen).contains("PermissionDenied"));
    assert_eq!(stdout_of(exec(&["--network"], &listen)), "Ok(())\n");
}

#[test]
fn invalid_destinations_are_refused() {
    for destination in ["*", "https://example.com", "example.com:0", "10.0.0.0/33"] {
        let refused = run(exec(&["--allow-net", destination], &["say"]));
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        let text = format!("`{destination}`");
        assert!(refused.err.contains(&text), "{}", refused.err);
        assert_one_line(&refused.err, &["--allow-net"]);
    }
}
