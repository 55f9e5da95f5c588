//! The start of a service of handlers: probes learn that its components are loaded, and when it is
//! ready.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cocoon::component::Digest;
use cocoon_test_guests::HANDLER;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{TIMEOUT, assert_fails, kill, run};
use crate::registries::{CONFIG, Home, LAYER, manifest, reply, start_faulty_registry};

/// A service that loads its route from a registry, which answers when the test lets it.
struct Starting {
    child: Child,
    admin: String,
    registry: Sender<()>,
    _home: Home,
}

impl Starting {
    fn new() -> Self {
        let component = fs::read(HANDLER).expect("a component");
        let layer = Digest::of(&component);
        let manifest = manifest(CONFIG, LAYER, layer, component.len());
        let (registry, permission) = channel();
        let permission = Arc::new(Mutex::new(permission));
        let address = start_faulty_registry(move |head, mut stream| {
            let body = if head.contains("/manifests/") {
                manifest.as_bytes()
            } else {
                // The test that does not let it answer has ended.
                let permission = permission.lock().expect("no panic");
                if permission.recv_timeout(TIMEOUT).is_err() {
                    return;
                }
                &component
            };
            // A client that has ended reads nothing.
            let _ = stream.write_all(&reply("200 OK", "", body));
        });
        let home = Home::new();
        let config = home.folder.path().join("cocoon.toml");
        let route =
            format!("[[serve.route]]\npath = \"/\"\ncomponent = \"oci://{address}/handler:1\"\n");
        fs::write(&config, route).expect("a file");
        let mut command = home.cocoon(&["serve", "--listen=127.0.0.1:0"]);
        command.args(["--admin-listen=127.0.0.1:0", "--sandboxes=4"]);
        command
            .args(["--total-memory=256MiB", "--config"])
            .arg(config);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().expect("a program that starts");
        let admin = listener_of(child.id());
        Self {
            child,
            admin,
            registry,
            _home: home,
        }
    }

    fn get(&self, path: &str) -> String {
        get(&self.admin, path)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // It has already ended if the test succeeded.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process listens, and returns the address of its only listener.
fn listener_of(process: u32) -> String {
    let folder = format!("/proc/{process}/fd");
    loop {
        let sockets: Vec<_> = fs::read_dir(&folder)
            .expect("a process")
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| {
                let link = link.to_string_lossy().into_owned();
                let inode = link.strip_prefix("socket:[")?.strip_suffix(']');
                inode.map(str::to_owned)
            })
            .collect();
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
        let port = table.lines().find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_own = *fields.get(3)? == "0A" && sockets.iter().any(|own| own == fields[9]);
            let port = fields[1].split_once(':')?.1;
            is_own.then(|| u16::from_str_radix(port, 16).expect("a port"))
        });
        if let Some(port) = port {
            return format!("127.0.0.1:{port}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .expect("a reader");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_service_is_unready_until_every_route_is_loaded() {
    let mut service = Starting::new();
    let answer = service.get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("is compiling its components"), "{answer}");
    assert!(service.get("/healthz").ends_with("\r\n\r\nok\n"));
    assert!(service.get("/metrics").contains("cocoon_build_info"));
    assert!(service.get("/routes.json").ends_with("\r\n\r\n[]"));

    service.registry.send(()).expect("a registry that waits");
    let mut line = String::new();
    let out = service.child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    assert!(line.contains(&service.admin), "{line}");
    assert!(service.get("/readyz").ends_with("\r\n\r\nready\n"));
    let address = line
        .split_once("http://")
        .and_then(|(_, rest)| rest.split_once(' '));
    let (address, _) = address.expect("an address");
    // The length is unknown, and the body chunked, if the handler outlasts a tick.
    let answer = get(address, "/hello");
    assert!(answer.contains("hello\n"), "{answer}");
}

#[test]
fn sigterm_ends_a_service_that_is_starting() {
    let mut service = Starting::new();
    assert!(service.get("/readyz").starts_with("HTTP/1.1 503 "));
    kill(service.child.id(), Signal::TERM);
    let code = service.child.wait().expect("its end").code();
    assert_eq!(code, Some(130));
}

#[test]
fn a_taken_admin_address_is_reported_before_components_are_loaded() {
    let folder = TempDir::new().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    // A component that is compiled would be reported first.
    let absent = folder.path().join("absent.wasm");
    let absent = absent.to_str().expect("text");
    let outcome = run(["serve", absent, "--admin-listen", &taken]);
    assert_fails(&outcome, 1, &["cannot listen on", &taken]);
}
