//! Faulty registries with false, slow or endless responses: one line names the fault, and the
//! cache stays empty.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use cocoon::component::Digest;

use crate::harness::assert_fails;
use crate::registries::{CONFIG, Home, LAYER, manifest, reply, start_faulty_registry};

fn factor() -> Vec<u8> {
    fs::read(cocoon_test_guests::FOREIGN_FACTOR).expect("a component")
}

fn honest_manifest() -> String {
    let factor = factor();
    manifest(CONFIG, LAYER, Digest::of(&factor), factor.len())
}

/// Starts a registry with `manifest`, and with `layer` for every layer.
fn start_registry(manifest: &str, layer: &[u8]) -> String {
    start_with_layer(manifest, reply("200 OK", "", layer))
}

/// Starts a registry with `manifest`, and with `layer` as the whole response for every layer.
fn start_with_layer(manifest: &str, layer: Vec<u8>) -> String {
    let manifest = reply("200 OK", "", manifest.as_bytes());
    start_faulty_registry(move |head, stream| {
        send(
            stream,
            if head.contains("/manifests/") {
                &manifest
            } else {
                &layer
            },
        );
    })
}

/// Starts a registry that responds with `answer` to every request.
fn start_with_response(answer: Vec<u8>) -> String {
    start_faulty_registry(move |_, stream| send(stream, &answer))
}

/// Sends as much as the client accepts; the client may disconnect early.
fn send(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.write_all(answer);
}

/// Asserts that a pull fails with these words and leaves nothing behind.
fn assert_pull_fails(name: &str, more: &[&str], words: &[&str]) {
    let home = Home::new();
    let reference = format!("oci://{name}");
    let outcome = home.run(&[&["exec", &reference], more].concat());
    assert_fails(&outcome, 125, words);
    assert_eq!(home.kept(), Vec::<std::path::PathBuf>::new(), "{name}");
}

#[test]
fn an_honest_registry_succeeds() {
    let address = start_registry(&honest_manifest(), &factor());
    let output = Home::new().stdout_of(&["exec", &format!("oci://{address}/tool"), "--", "12"]);
    assert_eq!(output, "12: 2 2 3\n");
}

#[test]
fn a_wrong_digest_is_refused() {
    let manifest = honest_manifest();
    let (found, pinned) = (
        Digest::of(manifest.as_bytes()).to_string(),
        Digest::of(b"other").to_string(),
    );
    let address = start_registry(&manifest, &factor());
    assert_pull_fails(
        &format!("{address}/tool@{pinned}"),
        &[],
        &[&found, &pinned, "digest"],
    );
    assert_pull_fails(
        &format!("{address}/tool:1@{pinned}"),
        &[],
        &[&found, &pinned, "digest"],
    );

    // Without a requested digest, the registry's own header gives the expected one.
    let header = format!("Docker-Content-Digest: {pinned}\r\n");
    let address = start_with_response(reply("200 OK", &header, manifest.as_bytes()));
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &[&found, &pinned, "digest"],
    );

    // Both of two headers count.
    let header = format!("Docker-Content-Digest: {found}\r\nDocker-Content-Digest: {pinned}\r\n");
    let address = start_with_response(reply("200 OK", &header, manifest.as_bytes()));
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &[&found, &pinned, "digest"],
    );

    let mut other = factor();
    *other.last_mut().expect("a byte") ^= 1;
    let (found, wanted) = (
        Digest::of(&other).to_string(),
        Digest::of(&factor()).to_string(),
    );
    let address = start_registry(&manifest, &other);
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &[&found, &wanted, "digest"],
    );
}

#[test]
fn a_wrong_length_is_refused() {
    let (manifest, factor) = (honest_manifest(), factor());
    for layer in [&factor[1..], &[&factor[..], b"\0"].concat(), &[]] {
        let address = start_registry(&manifest, layer);
        assert_pull_fails(
            &format!("{address}/tool"),
            &[],
            &["length", &factor.len().to_string()],
        );
    }
    // A response that breaks off.
    let mut half = reply("200 OK", "", &factor);
    half.truncate(half.len() / 2);
    let address = start_with_layer(&manifest, half);
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &[&address, "layer sha256:"],
    );
}

#[test]
fn an_endless_response_is_not_read_to_its_end() {
    let endless = |kind: &'static str| {
        let manifest = reply("200 OK", "", honest_manifest().as_bytes());
        start_faulty_registry(move |head, mut stream| {
            if !head.contains(kind) {
                return send(stream, &manifest);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let piece = [&b"10000\r\n"[..], &vec![b' '; 0x10000], b"\r\n"].concat();
            while stream.write_all(&piece).is_ok() {}
        })
    };
    assert_pull_fails(
        &format!("{}/tool", endless("/manifests/")),
        &[],
        &["at most 4 MiB"],
    );
    assert_pull_fails(
        &format!("{}/tool", endless("/blobs/")),
        &[],
        &["another length"],
    );
    // A body of excessive announced length is not read at all.
    let manifest = manifest(CONFIG, LAYER, Digest::of(b""), 1 << 40);
    assert_pull_fails(
        &format!("{}/tool", start_registry(&manifest, b"")),
        &[],
        &["--component-size", "64 MiB", "1024 GiB"],
    );
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    assert_pull_fails(
        &format!("{}/tool", start_with_response(long)),
        &[],
        &["at most 4 MiB"],
    );
}

#[test]
fn a_slow_pull_times_out() {
    // A listener with a backlog that never accepts.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address");
    let limit = ["--pull-time", "300ms"];
    assert_pull_fails(
        &format!("{address}/tool"),
        &limit,
        &["300ms", "--pull-time", "tool"],
    );

    // A response that advances slowly and never finishes.
    let manifest = reply("200 OK", "", honest_manifest().as_bytes());
    let factor = reply("200 OK", "", &factor());
    let held = Mutex::new(Vec::new());
    let address = start_faulty_registry(move |head, mut stream| {
        if head.contains("/manifests/") {
            return send(stream, &manifest);
        }
        let _ = stream.write_all(&factor[..factor.len() - 1]);
        held.lock().expect("no panic").push(stream);
    });
    assert_pull_fails(
        &format!("{address}/tool"),
        &limit,
        &["300ms", "--pull-time", "tool"],
    );
}

#[test]
fn an_error_response_is_reported() {
    for (status, words) in [
        ("403 Forbidden", &["refused", "403"][..]),
        ("404 Not Found", &["has no", "404"]),
        ("429 Too Many Requests", &["429 Too Many Requests"]),
        ("500 Internal Server Error", &["500 Internal Server Error"]),
        ("204 No Content", &["204 No Content"]),
        ("401 Unauthorized", &["401", "a Basic or Bearer challenge"]),
    ] {
        let address = start_with_response(reply(status, "", b"\x1b[31mred\x1b[0m\n"));
        assert_pull_fails(&format!("{address}/tool"), &[], words);
    }
    for (answer, words) in [
        (&b""[..], &["invalid answer of the registry"][..]),
        (
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            &["invalid answer of the registry"],
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            &["an image or another artifact", "config"],
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<!doctype",
            &["expected a component", "manifest"],
        ),
    ] {
        assert_pull_fails(
            &format!("{}/tool", start_with_response(answer.to_vec())),
            &[],
            words,
        );
    }
}

#[test]
fn redirects_never_leave_tls_or_loop() {
    let address = start_with_response(reply(
        "307 Temporary Redirect",
        "Location: http://0.0.0.0:9/\r\n",
        b"",
    ));
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &["http://0.0.0.0:9/", "a redirect to https://"],
    );
    let address = start_with_response(reply("307 Temporary Redirect", "Location: /again\r\n", b""));
    assert_pull_fails(&format!("{address}/tool"), &[], &["at most 5 redirects"]);
    let token = "WWW-Authenticate: Bearer realm=\"http://0.0.0.0:9/token\"\r\n";
    let address = start_with_response(reply("401 Unauthorized", token, b""));
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &["http://0.0.0.0:9/token", "tokens"],
    );
    // Another port of this machine is allowed.
    let layers = start_with_response(reply("200 OK", "", &factor()));
    let location = format!("Location: http://{layers}/layer\r\n");
    let (manifest, elsewhere) = (
        reply("200 OK", "", honest_manifest().as_bytes()),
        reply("302 Found", &location, b""),
    );
    let address = start_faulty_registry(move |head, stream| {
        send(
            stream,
            if head.contains("/manifests/") {
                &manifest
            } else {
                &elsewhere
            },
        );
    });
    let output = Home::new().stdout_of(&["exec", &format!("oci://{address}/tool"), "--", "12"]);
    assert_eq!(output, "12: 2 2 3\n");
}

/// Starts a registry that requires a token for everything, and issues `token` if the request
/// for one contains `wanted`.
fn start_with_tokens(
    wanted: &'static str,
    token: &'static str,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let (manifest, layer) = (
        reply("200 OK", "", honest_manifest().as_bytes()),
        reply("200 OK", "", &factor()),
    );
    let address = start_faulty_registry(move |head, stream| {
        log.lock().expect("no panic").push(head.to_owned());
        let host = head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .expect("a host");
        if head.contains(" /token") {
            if head.contains(wanted) {
                return send(stream, &reply("200 OK", "", token.as_bytes()));
            }
            return send(stream, &reply("401 Unauthorized", "", b""));
        }
        if !head.contains("authorization: Bearer abc\r\n") {
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token?x=1\",service=\"the, shop\",scope=\"any\"\r\n"
            );
            return send(stream, &reply("401 Unauthorized", &challenge, b""));
        }
        send(
            stream,
            if head.contains("/manifests/") {
                &manifest
            } else {
                &layer
            },
        );
    });
    (address, heads)
}

#[test]
fn a_token_is_requested_with_and_without_credentials() {
    let right = r#"{"token":"abc"}"#;
    let old = r#"{"access_token":"abc","expires_in":1}"#;
    let password = "authorization: Basic YWxpOm9wZW4gc2VzYW1l\r\n";
    let identity = "grant_type=refresh_token&client_id=cocoon&refresh_token=long%2Flived";
    for (wanted, config, token) in [
        (
            "scope=repository%3Atool%3Apull&service=the%2C+shop",
            "{}",
            right,
        ),
        (
            password,
            r#"{"auths":{"HOST":{"auth":"YWxpOm9wZW4gc2VzYW1l"}}}"#,
            old,
        ),
        (
            identity,
            r#"{"auths":{"HOST":{"identitytoken":"long/lived"}}}"#,
            right,
        ),
    ] {
        let (address, heads) = start_with_tokens(wanted, token);
        let home = Home::new();
        home.configure(&config.replace("HOST", &address));
        let output = home.stdout_of(&["exec", &format!("oci://{address}/tool"), "--", "12"]);
        assert_eq!(output, "12: 2 2 3\n");
        // The refused request, the token, the manifest and the layer.
        assert_eq!(heads.lock().expect("no panic").len(), 4);
    }
}

#[test]
fn an_invalid_token_is_refused() {
    let (address, _) = start_with_tokens("never requested", "");
    assert_pull_fails(
        &format!("{address}/tool"),
        &[],
        &["expected credentials", "docker login"],
    );
    for (token, word) in [
        (r#"{"token":"other"}"#, "expected credentials"),
        ("{}", "expected a token"),
        (r#"["abc"]"#, "expected a token"),
        (r#"["abc",null]"#, "expected a token"),
        (r#"{"token":"abc","token":"abc"}"#, "expected a token"),
        ("<html>", "expected a token"),
        // A token that would end a header.
        (
            r#"{"token":"abc\r\nHost: elsewhere"}"#,
            "invalid answer of the registry",
        ),
        (r#"{"token":"\u0000"}"#, "invalid answer of the registry"),
    ] {
        let (address, _) = start_with_tokens("/token", token);
        assert_pull_fails(&format!("{address}/tool"), &[], &[word]);
    }
}
