//! Workers of a queue that end: what they have not finished, others run at once.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Instant;

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::TIMEOUT;
use crate::redis::{Redis, Worker, wait_until};
use crate::redis_proxy::Proxy;

const PROGRAM: &str = HOSTILE_PROGRAM;

#[test]
#[ignore = "needs redis-server"]
fn a_worker_that_drains_finishes_what_runs_and_hands_back_the_rest() {
    let redis = Redis::start();
    redis.submit(
        "x",
        &["-n", "12", "--lease", "1h", PROGRAM, "early-or-long", "1"],
    );
    let first = redis.worker(&[]);
    wait_until("leases", || redis.leased() >= 4);
    let began = Instant::now();
    let log = first.drain();
    assert_eq!(log, "");
    assert!(began.elapsed().as_secs() < 10);
    let published = redis.count("x", "published");
    assert!((4..12).contains(&published), "{published}");
    let _second = redis.worker(&["--concurrency", "8"]);
    assert_eq!(redis.results("x"), vec!["1 early"; 12]);
    assert_eq!(redis.count("x", "redelivered"), 0);
}

#[test]
#[ignore = "needs redis-server"]
fn instances_beyond_the_drain_timeout_are_handed_back_at_once() {
    let redis = Redis::start();
    redis.submit(
        "x",
        &["-n", "3", "--lease", "1h", PROGRAM, "early-or-long", "1"],
    );
    let first = redis.worker(&["--drain-timeout", "10ms"]);
    wait_until("leases", || {
        redis.cli(&["HLEN", "cocoon:{cocoon}:b:x:state"]) == "3"
    });
    assert!(first.drain().contains("--drain-timeout"));
    let _second = redis.worker(&[]);
    assert_eq!(redis.results("x"), vec!["1 early"; 3]);
}

#[test]
#[ignore = "needs redis-server"]
fn a_range_whose_lease_is_on_its_way_is_handed_back() {
    for timeout in ["10ms", "1m"] {
        let redis = Redis::start();
        let slow = Proxy::start(&redis);
        slow.delay_ms.store(50, Ordering::Relaxed);
        redis.submit("x", &["-n", "1", "--lease", "1h", PROGRAM, "say", "a"]);
        let first = Worker::start(
            redis
                .command(&["worker", "--drain-timeout", timeout])
                .env("COCOON_QUEUE_URL", slow.url()),
        );
        wait_until("a lease", || redis.lease() == Some(1));
        first.drain();
        assert_eq!(redis.lease(), Some(2), "{timeout}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_that_drains_while_it_fetches_a_component_hands_the_range_back() {
    let redis = Redis::start();
    // It accepts connections, and never answers.
    let registry = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = registry.local_addr().expect("its address").port();
    let component = format!("oci://localhost:{port}/a@sha256:{}", "1".repeat(64));
    redis.submit("x", &["-n", "1", "--lease", "1h", &component]);
    let first = redis.worker(&[]);
    let (sender, accepted) = mpsc::channel();
    std::thread::spawn(move || sender.send(registry.accept()));
    let _connection = accepted.recv_timeout(TIMEOUT).expect("a request");
    assert_eq!(redis.lease(), Some(1));
    let began = Instant::now();
    assert_eq!(first.drain(), "");
    assert!(began.elapsed().as_secs() < 10);
    assert_eq!(redis.lease(), Some(2));
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_whose_own_files_fail_ends_and_hands_back_the_rest() {
    let redis = Redis::start();
    // Later instances need a file, and are in longer ranges.
    let program = [PROGRAM, "long-output", "{i}", "{i}0"];
    let batch = ["-n", "200", "--lease", "1h"];
    redis.submit("x", &[&batch[..], &program].concat());
    let mut command = redis.command(&["worker", "--concurrency", "1"]);
    let first = Worker::start(command.env("TMPDIR", "/nothing"));
    let (code, log) = first.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("temporary file"), "{log}");
    let _second = redis.worker(&[]);
    let lines = redis.results("x").len();
    assert_eq!(lines, 10 * (1..=200).sum::<usize>());
    assert_eq!(redis.count("x", "redelivered"), 0);
}
