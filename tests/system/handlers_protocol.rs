//! Oddities of HTTP before a handler: smuggled requests, odd targets, and fields that would break
//! an answer.

use crate::handlers::serve;
use crate::service::{Answer, Server, get, with};

/// The responses to `bytes`, each with its status.
async fn statuses(server: &Server, bytes: &str) -> (Vec<u16>, String) {
    let answer = String::from_utf8_lossy(&server.raw(bytes).await).into_owned();
    let lines = answer.split("HTTP/1.1 ").skip(1);
    let statuses = lines.map(|it| it[..3].parse().expect("a status"));
    (statuses.collect(), answer.clone())
}

const HOST: &str = "host: localhost\r\n";

#[tokio::test]
async fn a_request_is_not_smuggled() {
    let server = serve(&[]);
    let hidden = format!("GET /status?299 HTTP/1.1\r\n{HOST}\r\n");
    let length = hidden.len();
    for head in [
        // Two lengths, or a length and chunks: hyper prefers chunks and closes the connection.
        format!("content-length: 0\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n"),
        "content-length: 0, 0\r\n".to_owned(),
        "content-length: +3\r\n".to_owned(),
        "content-length: 0x3\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
        "content-length: 99999999999999999999\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: chunked, gzip\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        "content-length : 3\r\n".to_owned(),
        "x-a: b\r\n content-length: 3\r\n".to_owned(),
        "x-a: b\r\n\tfolded\r\n".to_owned(),
        "content-length: 0\rcontent-length: 3\r\n".to_owned(),
        "x-a: a\0b\r\n".to_owned(),
    ] {
        let request = format!("POST /count HTTP/1.1\r\n{HOST}{head}\r\n{hidden}");
        let (seen, answer) = statuses(&server, &request).await;
        assert_eq!(seen.first(), Some(&400), "{head:?}: {answer}");
        assert!(!seen.contains(&299), "{head:?}: {answer}");
    }
    // A length beside chunks is an attempt to smuggle (RFC 9112, section 6.3).
    let both = [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 300\r\ntransfer-encoding: chunked\r\n",
    ];
    for head in both {
        let request = format!("POST /count HTTP/1.1\r\n{HOST}{head}\r\n0\r\n\r\n{hidden}");
        let (seen, answer) = statuses(&server, &request).await;
        assert!(matches!(seen[..], [400 | 200]), "{head:?}: {answer}");
        if seen == [200] {
            assert!(answer.contains("\r\n0 whole"), "{head:?}: {answer}");
        }
    }
    // Others may see the end of such a body elsewhere.
    for codings in [
        "chunked, chunked",
        "gzip, chunked",
        "x\r\ntransfer-encoding: chunked",
    ] {
        let head = format!("transfer-encoding: {codings}\r\n");
        let request = format!("POST /count HTTP/1.1\r\n{HOST}{head}\r\n0\r\n\r\n{hidden}");
        let (seen, answer) = statuses(&server, &request).await;
        assert_eq!(seen, [400], "{head:?}: {answer}");
    }
    let old =
        format!("POST /count HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let answer = String::from_utf8_lossy(&server.raw(&old).await).into_owned();
    assert!(
        answer.contains(" 400 ") && !answer.contains(" 299 "),
        "{answer}"
    );
}

#[tokio::test]
async fn a_bad_chunk_breaks_the_body() {
    let server = serve(&[]);
    for body in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "x\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
    ] {
        let hidden = format!("GET /status?299 HTTP/1.1\r\n{HOST}\r\n");
        let head = format!("POST /count HTTP/1.1\r\n{HOST}transfer-encoding: chunked\r\n\r\n");
        let (seen, answer) = statuses(&server, &format!("{head}{body}{hidden}")).await;
        assert!(!seen.contains(&299), "{body:?}: {answer}");
        assert!(!answer.contains(" whole"), "{body:?}: {answer}");
    }
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(100_000));
    let head = format!("POST /count HTTP/1.1\r\n{HOST}transfer-encoding: chunked\r\n\r\n");
    let (_, answer) = statuses(&server, &format!("{head}{long}")).await;
    assert!(!answer.contains(" whole"), "{answer}");
}

#[tokio::test]
async fn targets_reach_the_handler_unchanged() {
    let server = serve(&[]);
    let long = format!("/target?{}", "p".repeat(8000));
    for target in [
        "/target?",
        "/target?a=b?c=d&&&=",
        "/target?%00%ff%2e%2E/../.",
        "/target?//a//b",
        "/target?'()*;:@!$,[]{}|^`",
        "/target?\"<>\\",
        long.as_str(),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
        let (seen, answer) = statuses(&server, &request).await;
        if seen == [400] {
            // The grammar of `http::Uri` excludes it.
            assert!(
                target.contains(['"', '<', '\\', '^', '`', '{', '|']),
                "{target}: {answer}"
            );
            continue;
        }
        assert_eq!(seen, [200], "{target}: {answer}");
        assert!(
            answer.contains(&format!("\r\n{target}")),
            "{target}: {answer}"
        );
    }
    for path in [
        "/%68ello",
        "//hello",
        "/./hello",
        "/hello/",
        "/a/../hello",
        "/HELLO",
        "/hello%00",
    ] {
        assert_eq!(server.get(path).await.text(), "unknown path\n", "{path}");
    }
    for path in ["/%2e%2e/request", "/request/../request?"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    for (line, expected) in [
        ("GET http://localhost/hello", &[200][..]),
        ("GET http://other/hello", &[200]),
        ("GET ftp://localhost/hello", &[200, 400]),
        ("OPTIONS *", &[404, 200]),
        ("GET *", &[400, 404]),
        ("GET hello", &[400, 404]),
        ("CONNECT localhost:80", &[400, 404, 405, 501]),
        ("CONNECT /hello", &[200, 400, 404, 405, 501]),
        ("GET /hello#fragment", &[200, 400]),
    ] {
        let request = format!("{line} HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
        let (seen, answer) = statuses(&server, &request).await;
        assert!(
            seen.len() == 1 && expected.contains(&seen[0]),
            "{line}: {answer}"
        );
    }
    let absolute =
        format!("GET http://other:81/request?x HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
    let (_, answer) = statuses(&server, &absolute).await;
    let first = "Some(\"other:81\") Some(\"/request?x\")\n";
    assert!(answer.contains(first), "{answer}");
}

#[tokio::test]
async fn hosts_and_expectations_are_checked_before_the_handler() {
    let server = serve(&[]);
    for (fields, expected) in [
        ("", 400),
        ("host: a\r\nhost: a\r\n", 400),
        ("host: a\r\nhost: b\r\n", 400),
        ("host: user@a\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: a\r\nexpect: 200-ok\r\n", 417),
        ("host: a\r\nexpect: 100-continue\r\n", 200),
        (
            "host: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
            200,
        ),
        (
            "host: a\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\nconnection: upgrade, http2-settings\r\n",
            200,
        ),
    ] {
        let close = if fields.contains("connection") {
            ""
        } else {
            "connection: close\r\n"
        };
        let last = format!("GET /hello HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
        let last = if close.is_empty() {
            last
        } else {
            String::new()
        };
        let request = format!("GET /hello HTTP/1.1\r\n{fields}{close}\r\n{last}");
        let (seen, answer) = statuses(&server, &request).await;
        assert_eq!(seen.first(), Some(&expected), "{fields:?}: {answer}");
        assert!(!answer.contains("101 "), "{fields:?}: {answer}");
    }
    let answer = server
        .client2()
        .await
        .send_with_host(get("/hello"), "b")
        .await;
    answer.expect("an answer").problem(400);
}

#[tokio::test]
async fn fields_are_bounded_and_whole() {
    let server = serve(&["--headers", "32KiB"]);
    let many = (0..90).fold(get("/request"), |request, _| {
        with(request, "x-many", "value")
    });
    let answer = server.send(many.clone()).await;
    assert_eq!(
        answer.text().matches("x-many: value\n").count(),
        90,
        "{answer:?}"
    );
    let answer = server.client2().await.send(many).await.expect("an answer");
    assert_eq!(
        answer.text().matches("x-many: value\n").count(),
        90,
        "{answer:?}"
    );
    for (name, value) in [
        ("te", "trailers"),
        ("proxy-connection", "close"),
        ("keep-alive", "9"),
    ] {
        let answer = server.send(with(get("/request"), name, value)).await;
        assert_eq!(answer.status, 200, "{name}");
        if name != "te" {
            assert!(!answer.text().contains(name), "{name}: {}", answer.text());
        }
    }
    // A field that `Connection` names is for one hop.
    let request = format!(
        "GET /request HTTP/1.1\r\n{HOST}connection: close, x-hop\r\nx-hop: secret\r\nx-end: kept\r\n\r\n"
    );
    let (seen, answer) = statuses(&server, &request).await;
    assert_eq!(seen, [200]);
    assert!(answer.contains("x-end: kept"), "{answer}");
    // Octets beyond ASCII are passed on.
    let mut request =
        format!("GET /header?x-octets HTTP/1.1\r\n{HOST}connection: close\r\nx-octets: ")
            .into_bytes();
    request.extend_from_slice(b"\x80\xff\r\n\r\n");
    let answer = server.raw(request).await;
    let has_octets = answer.windows(4).any(|it| it == b"\r\n\x80\xff");
    assert!(has_octets, "{answer:?}");
    // More than a guest's set of fields holds.
    let long = server
        .send(with(get("/request"), "x-long", &"x".repeat(20_000)))
        .await;
    assert!(matches!(long.status, 200 | 431), "{long:?}");
    if long.status == 431 {
        long.problem(431);
    }
}

#[tokio::test]
async fn a_handler_cannot_break_the_head_of_its_answer() {
    let server = serve(&[]);
    let answer = server.get("/values").await;
    assert_eq!(answer.text().lines().count(), 11, "{}", answer.text());
    for line in answer.text().lines() {
        assert!(line.ends_with("Err(HeaderError::InvalidSyntax)"), "{line}");
    }
    for value in ["x", "-1", "4,4", "+4", "0x4", "99999999999999999999", ""] {
        let answer = server.get(&format!("/with?content-length={value}")).await;
        if answer.status == 200 {
            // The guest could not set it.
            assert_eq!(answer.text(), "body", "{value:?}");
        } else {
            answer.problem(502);
        }
    }
    // A length of another body: the head may have been sent.
    let open = server.open(get("/with?content-length=5")).await;
    if open.status() == 200 {
        let cut = Answer::read(open).await;
        assert!(cut.is_err(), "{cut:?}");
    } else {
        assert_eq!(open.status(), 502);
    }
    let answer = server.get("/with?content-length=4").await;
    assert_eq!((answer.status, answer.text()), (200, "body"));
    // Fields that look like those of the server pass through.
    for (name, value) in [
        ("date", "yesterday"),
        ("server", "mine"),
        ("content-encoding", "br"),
    ] {
        let answer = server.get(&format!("/with?{name}={value}")).await;
        assert_eq!((answer.status, answer.header(name)), (200, value));
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{answer:?}");
    }
    for (name, value) in [
        ("trailer", "x"),
        ("set-cookie", "a=b"),
        ("content-type", "x/y;z=w"),
    ] {
        let answer = server.get(&format!("/with?{name}={value}")).await;
        assert_eq!((answer.status, answer.text()), (200, "body"), "{name}");
    }
}
