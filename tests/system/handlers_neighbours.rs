//! Hostile handlers of every kind beside honest ones: statuses by the table of the documentation,
//! right answers, and memory that is bounded in bytes.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use http_body_util::BodyExt as _;

use crate::handlers::serve;
use crate::handlers_hostile::{memory_kib, metric, wait_for_no_sandbox};
use crate::harness::wait_for;
use crate::service::{Answer, Server, get, post};

/// The flags of the service: 8 sandboxes of 16 MiB.
const FLAGS: [&str; 10] = [
    "--deadline",
    "1s",
    "--sandbox-memory",
    "16MiB",
    "--sandboxes",
    "8",
    "--queue",
    "1000",
    "--stall",
    "2s",
];

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Whole(u16),
    Cut,
}

use End::{Cut, Whole};

/// Hostile requests, and how their answers may end: a handler that ends within a tick has a
/// status, and a later one breaks off.
const HOSTILE: [(&str, &[End]); 21] = [
    ("/spin", &[Whole(504)]),
    ("/wait", &[Whole(504)]),
    ("/take", &[Whole(502)]),
    ("/trap", &[Whole(502)]),
    ("/silent", &[Whole(502)]),
    ("/error", &[Whole(502)]),
    ("/twice", &[Whole(502), Whole(200), Cut]),
    ("/status?100", &[Whole(502)]),
    ("/leave-body", &[Whole(502), Cut]),
    ("/short?20", &[Whole(502), Cut]),
    ("/long?20", &[Whole(502), Cut]),
    ("/hold", &[Cut]),
    ("/drop-body?0", &[Cut]),
    ("/drop-body?5000", &[Cut]),
    ("/spin-after", &[Cut]),
    ("/spin-after-answer", &[Whole(200)]),
    ("/trap-after?10", &[Cut]),
    ("/trap-after?3000000", &[Cut]),
    ("/fields?100000", &[Whole(502)]),
    ("/flood-log?1000000", &[Whole(200), Whole(504)]),
    ("/stream?4000000000", &[Cut]),
];

async fn end_of(server: &Server, path: &str, is_new: bool) -> End {
    let answer = if is_new {
        server.client2().await.send(get(path)).await
    } else {
        server.client().await.send(get(path)).await
    };
    match answer {
        Ok(answer) if answer.status >= 500 => {
            answer.problem(answer.status);
            Whole(answer.status)
        }
        Ok(answer) => Whole(answer.status),
        Err(_) => Cut,
    }
}

/// Reads some of an answer without end.
async fn read_some(server: &Server, path: &str) -> End {
    let mut body = server.open(get(path)).await.into_body();
    for _ in 0..100 {
        let frame = wait_for("a piece", body.frame()).await;
        frame.expect("more").expect("no error");
    }
    Cut
}

/// Sends honest requests until `ending`. Returns how many were answered.
async fn ask_honestly(server: &Server, ending: &AtomicBool) -> u32 {
    let mut client = server.client().await;
    let body = vec![b'b'; 100_000];
    let mut answered = 0;
    while !ending.load(Ordering::SeqCst) {
        let answer = client.send(get("/hello")).await.expect("an answer");
        if answer.status == 503 || answer.status == 504 {
            // The queue is full of others, or too long for the deadline.
            answer.problem(answer.status);
            continue;
        }
        assert_eq!((answer.status, answer.text()), (200, "hello\n"));
        let sent = client.send(post("/echo", body.clone())).await;
        match sent {
            Ok(answer) if answer.status == 200 => {
                assert!(answer.body == body, "a wrong body");
                answered += 1;
            }
            Ok(answer) => drop(answer.problem(504)),
            Err(error) => panic!("{error}"),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_handlers_harm_only_themselves() {
    let server = serve(&FLAGS);
    server.get("/hello").await;
    let before = memory_kib(&server);
    let ending = AtomicBool::new(false);
    let hostile = async {
        for is_new in [false, true] {
            let ends = HOSTILE.map(|(path, expected)| {
                let server = &server;
                async move {
                    let end = if path.starts_with("/stream") {
                        read_some(server, path).await
                    } else {
                        end_of(server, path, is_new).await
                    };
                    // It waited in the queue for its whole deadline.
                    let is_late = end == Whole(504);
                    assert!(expected.contains(&end) || is_late, "{path}: {end:?}");
                    end
                }
            });
            // All at once, beyond the number of sandboxes.
            let ends = join_all(ends).await;
            let late = ends.iter().filter(|end| **end == Whole(504)).count();
            assert!(late < HOSTILE.len(), "{ends:?}");
        }
        ending.store(true, Ordering::SeqCst);
    };
    let honest = (0..2).map(|_| ask_honestly(&server, &ending));
    let ((), answered) = tokio::join!(hostile, join_all(honest));
    assert!(answered.iter().sum::<u32>() > 0, "{answered:?}");
    wait_for_no_sandbox(&server).await;
    let after = memory_kib(&server);
    // Eight sandboxes of 16 MiB may keep their pages, and the rest is small.
    let allowed = (8 * 16 + 32) << 10;
    assert!(after < before + allowed, "{before} KiB, then {after} KiB");
}

#[tokio::test]
async fn each_hostile_handler_has_its_status() {
    let server = serve(&FLAGS);
    for is_new in [false, true] {
        for (path, expected) in HOSTILE {
            if path.starts_with("/stream") {
                continue;
            }
            let end = end_of(&server, path, is_new).await;
            assert!(expected.contains(&end), "{path}: {end:?}");
            assert_eq!(server.get("/hello").await.text(), "hello\n");
        }
    }
    wait_for_no_sandbox(&server).await;
    assert_eq!(metric(&server, "cocoon_queue_length").await, 0);
}

#[tokio::test]
async fn redirects_do_not_lead_inside() {
    let (inside, outside) = (serve(&[]), serve(&[]));
    let port = outside
        .url("")
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let server = serve(&["--allow-http", &format!("127.0.0.1:{port}")]);
    let redirect = |target: &str| outside.url(&format!("/redirect?{target}"));
    let plain = server
        .get(&format!("/fetch?{}", redirect("http://a/")))
        .await;
    assert_eq!((plain.status, plain.header("location")), (302, ""));
    let own = format!("/follow?{}", redirect(&outside.url("/hello")));
    assert_eq!(server.get(&own).await.text(), "hello\n");
    for target in [
        inside.url("/hello"),
        format!("http://localhost:{port}/hello"),
        "http://169.254.169.254/".to_owned(),
        format!("http://[::1]:{port}/hello"),
        inside
            .url("/hello")
            .replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        format!("http://2130706433:{port}/hello"),
        format!("https://0.0.0.0:{port}/hello"),
    ] {
        let answer = server.get(&format!("/follow?{}", redirect(&target))).await;
        assert_eq!(answer.status, 502, "{target}: {answer:?}");
        assert_eq!(answer.text(), "ErrorCode::HttpRequestDenied", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_outgoing_requests_are_bounded() {
    let upstream = serve(&["--queue", "2000", "--deadline", "3s"]);
    let port = upstream
        .url("")
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let server = serve(&[
        "--allow-http",
        &format!("127.0.0.1:{port}"),
        "--deadline",
        "3s",
    ]);
    server.get("/hello").await;
    let before = memory_kib(&server);
    let path = format!("/fetch-many?1000:{}", upstream.url("/wait"));
    let asking = async { server.client().await.send(get(&path)).await };
    let honest = async {
        for _ in 0..100 {
            assert_eq!(server.get("/hello").await.text(), "hello\n");
        }
    };
    let (answer, ()) = tokio::join!(asking, honest);
    let answer: Answer = answer.expect("an answer");
    // It meets a limit of its own, or its deadline.
    assert!(matches!(answer.status, 200 | 502 | 504), "{answer:?}");
    wait_for_no_sandbox(&server).await;
    wait_for_no_sandbox(&upstream).await;
    let after = memory_kib(&server);
    assert!(
        after < before + (64 << 10),
        "{before} KiB, then {after} KiB"
    );
}
