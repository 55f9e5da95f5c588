//! A hostile component behind the service: every request gets its status, and concurrent honest
//! requests succeed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cocoon_test_guests::hostile;

use crate::harness::wait_for;
use crate::service::{Server, get, post, with};

/// Requests that the deadline stops.
const SLOW: [u64; 4] = [
    hostile::COST_SPINS,
    hostile::SPIN,
    hostile::WAIT_FIRST,
    hostile::RESOLVE_EARLY,
];

/// Requests that fail before the first digit, with the limit that they exceed.
const BROKEN: [(u64, Option<&str>); 11] = [
    (hostile::COST_TAKES, Some("sandbox-memory")),
    (hostile::COST_PANICS, None),
    (hostile::TAKE_ALL, Some("sandbox-memory")),
    (hostile::TAKE_MORE, Some("sandbox-memory")),
    (hostile::TAKE_MUCH_MORE, Some("sandbox-memory")),
    (hostile::RECURSE, Some("stack")),
    (hostile::PANIC, None),
    (hostile::OVERLONG_REPLY, None),
    (hostile::LONG_REPLY, Some("output")),
    (hostile::INVALID_REPLY, None),
    (hostile::SAY_FAILED, None),
];

/// Requests that fail after the head of the response was sent.
const MIDWAY: [u64; 4] = [
    hostile::TRAP_MIDSTREAM,
    hostile::FAIL_MIDSTREAM,
    hostile::TAKE_MIDSTREAM,
    hostile::FLOOD,
];

#[tokio::test]
async fn every_harm_has_its_status_and_honest_requests_succeed() {
    let flags = ["--sandbox-memory", "8MiB", "--output", "30KB"];
    let server = Server::hostile(&[&flags[..], &["--deadline", "20s"]].concat());
    let (over, honest_count) = (AtomicBool::new(false), AtomicU32::new(0));
    let neighbours = (0..4_u64).map(async |client| {
        let mut connection = server.client().await;
        let mut n = hostile::HONEST + client;
        while !over.load(Ordering::Relaxed) {
            let answer = connection.send(get(&format!("/factorial/{n}"))).await;
            let answer = answer.expect("an answer");
            assert_eq!((answer.status, answer.text()), (200, &*n.to_string()));
            honest_count.fetch_add(1, Ordering::Relaxed);
            n += 4;
        }
    });
    let harm = async {
        for _ in 0..3 {
            for (n, limit) in BROKEN {
                let path = format!("/factorial/{n}");
                let problem = server.get(&path).await.problem(502);
                assert_eq!(problem["limit"].as_str(), limit, "{n}: {problem}");
                let json = server.get_as(&path, "application/json").await;
                json.problem(502);
            }
            for n in SLOW {
                let path = format!("/factorial/{n}?timeout=50ms");
                let problem = server.get(&path).await.problem(504);
                assert_eq!(problem["limit"], "deadline", "{n}: {problem}");
                assert_eq!(problem["value"], 50, "{n}: {problem}");
            }
            let path = format!("/factorial/{}", hostile::REFUSE_DIGITS);
            server.get(&path).await.problem(422);
            // Its announced length exceeds the output limit.
            let path = format!("/factorial/{}", hostile::FLOOD_PROMISED);
            assert_eq!(server.get(&path).await.problem(422)["limit"], "output");
            for n in MIDWAY {
                let response = server.open(get(&format!("/factorial/{n}"))).await;
                // The output limit may be exceeded before the first chunk.
                assert!(matches!(response.status().as_u16(), 200 | 502), "{n}");
            }
        }
        over.store(true, Ordering::Relaxed);
    };
    let all = async { tokio::join!(harm, futures::future::join_all(neighbours)) };
    wait_for("the end of all harm", all).await;
    assert!(honest_count.load(Ordering::Relaxed) > 100);
}

#[tokio::test]
async fn other_routes_report_harm_in_their_documents() {
    let server = Server::hostile(&["--deadline", "3s"]);
    let problem = server.get(&format!("/info/{}", hostile::SPIN)).await;
    problem.problem(504);
    server.get("/info/1000").await.problem(502);
    let kinds = server
        .get(&format!("/kinds/{}", hostile::PANIC))
        .await
        .json();
    for kind in kinds.as_array().expect("a list") {
        assert_eq!(kind["problem"]["status"], 502, "{kind}");
    }
    // The first number of the listing spins.
    let listing = server.get(&format!("/factorials/{}", hostile::PANIC)).await;
    let lines = listing.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["failed"]["status"], 504, "{lines:?}");
    let path = format!("/factorials/{}", hostile::PANIC);
    let events = server.send(with(get(&path), "accept", "text/event-stream"));
    let events = events.await;
    let (_, last) = events
        .text()
        .trim_end()
        .rsplit_once("\n\n")
        .expect("events");
    assert!(last.starts_with("event: failed\n"), "{last}");
    let lines = [
        1000,
        hostile::PANIC,
        1001,
        hostile::SPIN,
        hostile::REFUSE_DIGITS,
        1002,
    ]
    .map(|n| format!("{{\"n\":{n}}}\n"));
    let answers = server.send(post("/batch", lines.concat())).await.lines();
    assert_eq!(answers.len(), 6);
    for (index, value) in [(0, "1000"), (2, "1001"), (5, "1002")] {
        assert_eq!(answers[index]["value"], value, "{index}");
    }
    for (index, status) in [(1, 502), (3, 504), (4, 422)] {
        assert_eq!(answers[index]["problem"]["status"], status, "{index}");
    }
}

#[tokio::test]
async fn a_batch_is_cut_by_a_failed_long_answer() {
    let server = Server::hostile(&[]);
    let lines = [1000, hostile::TRAP_MIDSTREAM, 1001].map(|n| format!("{{\"n\":{n}}}\n"));
    let mut client = server.client().await;
    let answer = client.send(post("/batch", lines.concat())).await;
    assert!(answer.is_err(), "it looks whole: {answer:?}");
    let mut client = server.client2().await;
    let answer = client.send(post("/batch", lines.concat())).await;
    assert!(answer.is_err(), "it looks whole: {answer:?}");
}
