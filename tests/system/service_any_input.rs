//! Random input to the service: every status is documented, every error is a problem, nothing
//! panics, and the service stays ready.

use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::service::{Server, rest};

const SEED: u64 = 4;
const REQUESTS: usize = 4000;

const METHODS: [&str; 10] = [
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "get", "PRI",
];
const ROUTES: [&str; 14] = [
    "/factorial/",
    "/factorial/",
    "/factorials/",
    "/kinds/",
    "/info/",
    "/batch",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/",
    "/metrics",
    "*",
    "http://a/factorial/",
    "",
];
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "20",
    "170",
    "1000",
    "20000",
    "30000",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1e3",
    "%32%30",
    "%",
    "..%2f",
];
const NAMES: [&str; 7] = ["kind", "format", "timeout", "proved", "colour", "%00", ""];
const VALUES: [&str; 20] = [
    "factorial",
    "double",
    "multi:3",
    "multi:0",
    "multi:99999999999",
    "subfactorial",
    "primorial",
    "superfactorial",
    "hyperfactorial",
    "alternating",
    "decimal",
    "scientific:7",
    "scientific:0",
    "scientific:1001",
    "1ms",
    "1s",
    "0s",
    "true",
    "%ff%fe",
    "9999999999999999999y",
];
const HEADERS: [&str; 22] = [
    "Accept: application/json",
    "Accept: text/event-stream",
    "Accept: */*;q=0.1",
    "Accept: ;;,/",
    "Accept: */*;q=NaN",
    "Accept-Encoding: gzip",
    "Accept-Encoding: br;q=9,\u{e9}",
    "If-None-Match: *",
    "If-None-Match: \"",
    "Content-Type: application/x-ndjson",
    "Content-Type: \u{1f}",
    "Content-Length: 3",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Connection: upgrade, HTTP2-Settings",
    "Range: bytes=0-1",
    "Host: \u{ff}",
    "traceparent: 00-zz-zz-01",
    ": x",
];
const LINES: [&str; 8] = [
    "{\"n\":20}\n",
    "{\"n\":30000,\"kind\":\"double\"}\n",
    "{\"n\":-1}\n",
    "[]\n",
    "\n",
    "null\n",
    "{\"n\":3,\"timeout\":\"1ms\"}\n",
    "{\"n\":",
];

/// Builds a request that is valid, or nearly so.
fn request(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut pick = |from: &[&'static str]| from[random.usize(..from.len())];
    let mut path = [pick(&ROUTES), pick(&NUMBERS)].concat();
    let queries = ["", "?", "&", "?"];
    for _ in 0..NUMBERS
        .iter()
        .position(|n| *n == pick(&NUMBERS))
        .unwrap_or(0)
        % 3
    {
        let query = format!("{}{}={}", pick(&queries[1..]), pick(&NAMES), pick(&VALUES));
        path += &query;
    }
    let version = pick(&[
        "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9",
    ]);
    let mut text = format!("{} {path} {version}\r\nHost: a\r\n", pick(&METHODS));
    for _ in 0..random.usize(..4) {
        text += HEADERS[random.usize(..HEADERS.len())];
        text += "\r\n";
    }
    let body: String = (0..random.usize(..4))
        .map(|_| LINES[random.usize(..LINES.len())])
        .collect();
    if random.bool() {
        let length = format!("Content-Length: {}\r\n", body.len());
        text += &length;
    }
    text += "Connection: close\r\n\r\n";
    text += &body;
    let mut bytes = text.into_bytes();
    // Every fourth request is damaged.
    if random.u8(..4) == 0 {
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.insert(at, random.u8(..)),
                _ => drop(bytes.drain(at..(at + random.usize(1..9)).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
    }
    bytes
}

/// Asserts that an error is a problem with `Cache-Control: no-store`.
fn assert_problem(request: &[u8], status: u16, answer: &str) {
    let is_problem = [
        "content-type: application/problem+json\r\n",
        "cache-control: no-store\r\n",
    ]
    .iter()
    .all(|line| answer.contains(line));
    assert!(
        status < 400 || is_problem,
        "{answer} for {}",
        String::from_utf8_lossy(request)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_input_gets_a_documented_status() {
    // Short timeouts for incomplete requests.
    let server = Server::start(&["--idle", "400ms", "--stall", "400ms", "--output", "1MiB"]);
    let mut random = fastrand::Rng::with_seed(SEED);
    let requests: Vec<_> = (0..REQUESTS).map(|_| request(&mut random)).collect();
    let server = &server;
    let statuses = futures::stream::iter(&requests)
        .map(|bytes| async move {
            let mut stream = server.connect().await;
            // The server may close the connection early.
            let _ = stream.write_all(bytes).await;
            let answer = rest(&mut stream).await;
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or(b"");
            let status = String::from_utf8_lossy(line).into_owned();
            let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
            let status = status.unwrap_or(0_u16);
            assert_problem(bytes, status, &String::from_utf8_lossy(&answer));
            (bytes, status)
        })
        .buffer_unordered(48)
        .collect::<Vec<_>>()
        .await;
    let count = |status| statuses.iter().filter(|(_, seen)| *seen == status).count();
    for (bytes, status) in &statuses {
        // The bundled component is honest, and there is room.
        let fits = matches!(status, 0 | 100 | 200 | 304 | 400..=431 | 504);
        assert!(fits, "{status} for {}", String::from_utf8_lossy(bytes));
    }
    // Guards against a generator that reaches too few statuses.
    for status in [200, 304, 400, 404, 405, 406, 422] {
        assert!(count(status) > 0, "no {status}");
    }
    assert!(count(200) > REQUESTS / 100, "{} of 200", count(200));
    assert_eq!(server.get("/factorial/5").await.text(), "120");
}

#[tokio::test]
async fn noise_over_http_2_does_not_affect_other_clients() {
    let server = Server::start(&["--idle", "400ms", "--stall", "400ms"]);
    let mut random = fastrand::Rng::with_seed(SEED);
    let server = &server;
    let noise: Vec<_> = (0..500)
        .map(|_| {
            let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
            for _ in 0..random.usize(1..6) {
                let length = random.u8(..40);
                let stream = random.u8(..4);
                let frame = [
                    0,
                    0,
                    length,
                    random.u8(..11),
                    random.u8(..),
                    0,
                    0,
                    0,
                    stream,
                ];
                bytes.extend(frame);
                bytes.extend((0..length).map(|_| random.u8(..)));
            }
            bytes
        })
        .collect();
    futures::stream::iter(noise)
        .for_each_concurrent(48, |bytes| async move {
            let mut stream = server.connect().await;
            let _ = stream.write_all(&bytes).await;
            rest(&mut stream).await;
        })
        .await;
    let mut client = server.client2().await;
    let answer = client.send(crate::service::get("/factorial/5")).await;
    assert_eq!(answer.expect("an answer").text(), "120");
}
