//! Calls that no flag granted fail as their interface defines, and name the flag once.

use std::fs;
use std::net::UdpSocket;

use crate::harness::{run, stdout_of};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Sends a request. The result is 0 if it was denied.
const SEND: &str = r"
        (local $request i32)
        (local.set $request (call $new-request (call $new-fields)))
        (drop (call $authority (local.get $request) (i32.const 1) (i32.const 200) (i32.const 9)))
        (drop (call $path (local.get $request) (i32.const 1) (i32.const 220) (i32.const 1)))
        (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 1))))
        (call $block (call $subscribe (i32.load (i32.const 72))))
        (call $get (i32.load (i32.const 72)) (i32.const 128))
        ;; some(ok(err(HTTP-request-denied)))
        (i32.eqz (i32.and
            (i32.and (i32.load8_u (i32.const 128)) (i32.eqz (i32.load8_u (i32.const 136))))
            (i32.and (i32.load8_u (i32.const 144)) (i32.eq (i32.load8_u (i32.const 152)) (i32.const 15)))))";
/// Composes requests without an end.
const FLOOD: &str = r"
        (loop $again (drop (call $new-request (call $new-fields))) (br $again))
        (i32.const 0)";
/// Gives a request a path of 4 KiB. The result is 0 if that was refused.
const LONG_PATH: &str = r"
        (i32.eqz (call $path (call $new-request (call $new-fields)) (i32.const 1) (i32.const 4096) (i32.const 4096)))";

/// A program that imports `wasi:http` as those of `componentize-js` do, and whose function is
/// `body`.
#[expect(clippy::too_many_lines, reason = "the text of one component")]
fn http_program(body: &str) -> tempfile::NamedTempFile {
    let text = format!(
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance $poll
                (export "pollable" (type $pollable (sub resource)))
                (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:http/types@0.2.0" (instance $types
                (alias outer 1 $pollable (type $p'))
                (export "pollable" (type $p (eq $p')))
                (export "fields" (type $fields (sub resource)))
                (export "[constructor]fields" (func (result (own $fields))))
                (export "outgoing-request" (type $request (sub resource)))
                (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
                (export "[method]outgoing-request.set-authority" (func
                    (param "self" (borrow $request)) (param "authority" (option string)) (result (result))))
                (export "[method]outgoing-request.set-path-with-query" (func
                    (param "self" (borrow $request)) (param "path-with-query" (option string)) (result (result))))
                (export "request-options" (type $options (sub resource)))
                (export "incoming-response" (type $response (sub resource)))
                (export "future-incoming-response" (type $future (sub resource)))
                (export "[method]future-incoming-response.subscribe" (func (param "self" (borrow $future)) (result (own $p))))
                (type $dns' (record (field "rcode" (option string)) (field "info-code" (option u16))))
                (export "DNS-error-payload" (type $dns (eq $dns')))
                (type $tls' (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
                (export "TLS-alert-received-payload" (type $tls (eq $tls')))
                (type $size' (record (field "field-name" (option string)) (field "field-size" (option u32))))
                (export "field-size-payload" (type $size (eq $size')))
                (type $code' (variant
                    (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found")
                    (case "destination-unavailable") (case "destination-IP-prohibited")
                    (case "destination-IP-unroutable") (case "connection-refused") (case "connection-terminated")
                    (case "connection-timeout") (case "connection-read-timeout") (case "connection-write-timeout")
                    (case "connection-limit-reached") (case "TLS-protocol-error") (case "TLS-certificate-error")
                    (case "TLS-alert-received" $tls) (case "HTTP-request-denied") (case "HTTP-request-length-required")
                    (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
                    (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
                    (case "HTTP-request-header-section-size" (option u32))
                    (case "HTTP-request-header-size" (option $size))
                    (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size)
                    (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
                    (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
                    (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
                    (case "HTTP-response-transfer-coding" (option string))
                    (case "HTTP-response-content-coding" (option string)) (case "HTTP-response-timeout")
                    (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
                    (case "configuration-error") (case "internal-error" (option string))))
                (export "error-code" (type $code (eq $code')))
                (export "[method]future-incoming-response.get" (func (param "self" (borrow $future))
                    (result (option (result (result (own $response) (error $code)))))))))
            (alias export $types "outgoing-request" (type $request))
            (alias export $types "request-options" (type $options))
            (alias export $types "future-incoming-response" (type $future))
            (alias export $types "error-code" (type $code))
            (import "wasi:http/outgoing-handler@0.2.0" (instance $handler
                (alias outer 1 $request (type $request'))
                (export "outgoing-request" (type $r (eq $request')))
                (alias outer 1 $options (type $options'))
                (export "request-options" (type $o (eq $options')))
                (alias outer 1 $future (type $future'))
                (export "future-incoming-response" (type $f (eq $future')))
                (alias outer 1 $code (type $code'))
                (export "error-code" (type $c (eq $code')))
                (export "handle" (func (param "request" (own $r)) (param "options" (option (own $o)))
                    (result (result (own $f) (error $c)))))))
            (core module $memory
                (memory (export "memory") 1)
                (data (i32.const 200) "localhost")
                (data (i32.const 220) "/")
                (global $next (mut i32) (i32.const 1024))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $next)
                    (global.set $next (i32.add (global.get $next) (i32.const 64)))))
            (core instance $m (instantiate $memory))
            (core func $new-fields (canon lower (func $types "[constructor]fields")))
            (core func $new-request (canon lower (func $types "[constructor]outgoing-request")))
            (core func $authority (canon lower (func $types "[method]outgoing-request.set-authority")
                (memory $m "memory")))
            (core func $path (canon lower (func $types "[method]outgoing-request.set-path-with-query")
                (memory $m "memory")))
            (core func $handle (canon lower (func $handler "handle") (memory $m "memory") (realloc (func $m "realloc"))))
            (core func $subscribe (canon lower (func $types "[method]future-incoming-response.subscribe")))
            (core func $get (canon lower (func $types "[method]future-incoming-response.get")
                (memory $m "memory") (realloc (func $m "realloc"))))
            (core func $block (canon lower (func $poll "[method]pollable.block")))
            (core module $main
                (import "m" "memory" (memory 1))
                (import "f" "new-fields" (func $new-fields (result i32)))
                (import "f" "new-request" (func $new-request (param i32) (result i32)))
                (import "f" "authority" (func $authority (param i32 i32 i32 i32) (result i32)))
                (import "f" "path" (func $path (param i32 i32 i32 i32) (result i32)))
                (import "f" "handle" (func $handle (param i32 i32 i32 i32)))
                (import "f" "subscribe" (func $subscribe (param i32) (result i32)))
                (import "f" "get" (func $get (param i32 i32)))
                (import "f" "block" (func $block (param i32)))
                (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $main
                (with "m" (instance $m))
                (with "f" (instance
                    (export "new-fields" (func $new-fields)) (export "new-request" (func $new-request))
                    (export "authority" (func $authority)) (export "path" (func $path))
                    (export "handle" (func $handle)) (export "subscribe" (func $subscribe))
                    (export "get" (func $get)) (export "block" (func $block))))))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), wat::parse_str(text).expect("a component")).expect("a file");
    file
}

#[test]
fn a_program_that_imports_http_runs() {
    let file = http_program("(i32.const 0)");
    let path = file.path().to_str().expect("text");
    let outcome = run(["exec", path]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

#[test]
fn an_http_request_is_denied() {
    let file = http_program(SEND);
    let path = file.path().to_str().expect("text");
    for grants in [&[][..], &["--network"]] {
        let outcome = run(["exec", path].into_iter().chain(grants.iter().copied()));
        assert_eq!(
            outcome.err,
            "cocoon: the program called wasi:http/outgoing-handler.handle without a grant; use --allow-http localhost to grant it\n"
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    }
}

#[test]
fn requests_are_bounded() {
    let file = http_program(FLOOD);
    let path = file.path().to_str().expect("text");
    let outcome = run(["exec", path]);
    assert!(
        outcome.err.contains("at most 64 requests and fields"),
        "{}",
        outcome.err
    );
    let file = http_program(LONG_PATH);
    let path = file.path().to_str().expect("text");
    assert_eq!(run(["exec", path]).code, Some(0));
}

#[test]
fn a_socket_is_denied_and_its_flag_is_named_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of our own");
    let address = socket.local_addr().expect("an address").to_string();
    let outcome = run(["exec", PROGRAM, "-n", "20", "--", "connect", &address]);
    let denied = outcome.err.matches("without a grant").count();
    assert_eq!(denied, 1, "{}", outcome.err);
    assert!(
        outcome.err.contains(
            "cocoon: the program called wasi:sockets/tcp-create-socket.create-tcp-socket without a grant; \
             use --network to grant it"
        ),
        "{}",
        outcome.err
    );
    assert!(outcome.out.contains("PermissionDenied"), "{}", outcome.out);
    let granted = run(["exec", PROGRAM, "--network", "--", "connect", &address]);
    assert!(!granted.err.contains("without a grant"), "{}", granted.err);
    assert!(granted.out.contains("ConnectionRefused"), "{}", granted.out);
}

#[test]
fn a_denied_lookup_names_its_flag() {
    let outcome = run(["exec", PROGRAM, "--", "connect", "localhost:9"]);
    assert!(
        outcome
            .err
            .contains("wasi:sockets/ip-name-lookup.resolve-addresses")
            && outcome.err.contains("--allow-net localhost"),
        "{}",
        outcome.err
    );
}

#[test]
fn the_message_is_json_where_messages_are() {
    let outcome = run([
        "exec",
        PROGRAM,
        "--log-format",
        "json",
        "--",
        "connect",
        "127.0.0.1:9",
    ]);
    let line = outcome
        .err
        .lines()
        .find(|line| line.contains("without a grant"))
        .expect("a message");
    let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert!(object.to_string().contains("--network"), "{object}");
}

#[test]
fn a_program_without_denied_calls_prints_no_message() {
    assert_eq!(stdout_of(["exec", PROGRAM, "--", "environment"]), "");
}
