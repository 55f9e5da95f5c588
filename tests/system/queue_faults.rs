//! Queues whose Redis, network or content fails.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{assert_fails, json_lines};
use crate::redis::{Redis, Worker, wait_until};
use crate::redis_proxy::Proxy;

const PROGRAM: &str = HOSTILE_PROGRAM;

/// Starts a batch of 600 instances and reads the first results. Returns the rest of the output and the
/// errors after `fault`.
fn run_through(
    redis: &mut Redis,
    url: Option<&str>,
    fault: impl FnOnce(&mut Redis),
) -> (usize, String) {
    let mut command = redis.command(&["exec", "-n", "600", PROGRAM, "square-slowly", "{i}", "2"]);
    if let Some(url) = url {
        command.env("COCOON_QUEUE_URL", url);
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("a submitter");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a result");
    fault(redis);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("results");
    let output = child.wait_with_output().expect("its end");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let all = first + &rest;
    let mut all: Vec<_> = all.lines().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a result twice");
    for line in all {
        let (number, square) = line.split_once("] ").expect("a prefix");
        let number: u64 = number[1..].parse().expect("a number");
        assert_eq!(square.parse(), Ok(number * number));
    }
    (count, errors)
}

#[test]
#[ignore = "needs redis-server"]
fn redis_restarts() {
    let mut redis = Redis::start();
    let worker = redis.worker(&[]);
    let (count, errors) = run_through(&mut redis, None, |redis| {
        redis.kill();
        std::thread::sleep(Duration::from_millis(300));
        redis.restart();
    });
    assert_eq!(count, 600);
    for log in [errors, worker.drain()] {
        let count = |what: &str| log.matches(what).count();
        assert_eq!(
            count("queue unavailable, waiting"),
            count("queue is back"),
            "{log}"
        );
        assert!((1..3).contains(&count("queue is back")), "{log}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn redis_is_full_or_read_only_for_a_while() {
    let mut redis = Redis::start();
    let _worker = redis.worker(&[]);
    let pause = Duration::from_millis(500);
    let (count, _) = run_through(&mut redis, None, |redis| {
        redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        std::thread::sleep(pause);
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    });
    assert_eq!(count, 600);
    let (count, _) = run_through(&mut redis, None, |redis| {
        redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
        std::thread::sleep(pause);
        redis.cli(&["REPLICAOF", "NO", "ONE"]);
    });
    assert_eq!(count, 600);
}

#[test]
#[ignore = "needs redis-server"]
fn a_batch_goes_on_without_its_submitter() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let mut command = redis.command(&[
        "exec",
        "-n",
        "600",
        "--name",
        "x",
        PROGRAM,
        "square-slowly",
        "{i}",
        "2",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a submitter");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut printed = String::new();
    lines.read_line(&mut printed).expect("a result");
    child.kill().expect("a process");
    lines.read_to_string(&mut printed).expect("results");
    child.wait().expect("its end");
    let rest = redis.run(&["queue", "results", "x"]);
    assert_eq!(rest.code, Some(0), "{}", rest.err);
    let mut once: Vec<_> = rest.out.lines().collect();
    let count = once.len();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), count, "a result twice from one reader");
    let mut all: Vec<_> = printed.lines().chain(once).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 600);
    let shown = json_lines(&redis.run(&["queue", "show", "x", "--json"]).out);
    assert_eq!(
        (shown[0]["published"].as_u64(), shown[0]["read"].as_u64()),
        (Some(600), Some(600))
    );
}

#[test]
#[ignore = "needs redis-server"]
fn a_later_reader_replaces_an_earlier_one() {
    let redis = Redis::start();
    let mut command = redis.command(&["exec", "-n", "2", "--name", "x", PROGRAM, "say", "a"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a submitter");
    wait_until("a reader", || {
        !redis
            .cli(&["HGET", "cocoon:{cocoon}:b:x", "reader"])
            .is_empty()
    });
    let mut second = redis.command(&["queue", "results", "x"]);
    let second = second
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a reader");
    let first = child.wait_with_output().expect("its end");
    assert_eq!(first.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&first.stderr).contains("another reader"));
    let _worker = redis.worker(&[]);
    let second = second.wait_with_output().expect("its end");
    assert_eq!(String::from_utf8_lossy(&second.stdout).lines().count(), 2);
}

#[test]
#[ignore = "needs redis-server"]
fn a_long_result_appears_whole_or_not_at_all() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let run = redis.run(&[
        "exec",
        "-n",
        "3",
        "--queue-results",
        "3MiB",
        PROGRAM,
        "long-output",
        "{i}",
        "30000",
    ]);
    assert_eq!(
        (run.code, run.out.lines().count()),
        (Some(0), 90_000),
        "{}",
        run.err
    );
    let run = redis.run(&[
        "exec",
        "-n",
        "3",
        "--queue-results",
        "1MiB",
        "--json",
        PROGRAM,
        "long-output",
        "{i}",
        "30000",
    ]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.err.contains("unread results of a batch (1 MiB)")
            && run.err.contains("--queue-results"),
        "{}",
        run.err
    );
    let ends = json_lines(&run.out);
    let ends = ends
        .iter()
        .filter(|record| record["limit"] == "queue-results");
    assert_eq!(ends.count(), 3);
}

#[test]
#[ignore = "needs redis-server"]
fn rubbish_in_the_queue_harms_no_other_batch() {
    let redis = Redis::start();
    let key = |name: &str, part: &str| format!("cocoon:{{cocoon}}:b:{name}{part}");
    for name in ["a", "b", "c", "d", "e", "f"] {
        let run = redis.run(&[
            "exec", "-n", "3", "--name", name, "--detach", PROGRAM, "say", name,
        ]);
        assert_eq!(run.code, Some(0));
    }
    redis.cli(&["HSET", &key("a", ""), "protocol", "99"]);
    redis.cli(&["HSET", &key("b", ""), "json", "{"]);
    redis.cli(&["SET", &key("c", ""), "text"]);
    redis.cli(&["XADD", &key("d", ":ranges"), "*", "rub", "bish"]);
    redis.cli(&["XADD", &key("e", ":results"), "*", "rub", "bish"]);
    redis.cli(&["HSET", &key("f", ""), "made", "x"]);
    redis.cli(&["RPUSH", "cocoon:{cocoon}:turns", "nothing"]);
    let worker = redis.worker(&[]);
    let sound = redis.run(&["exec", "-n", "5", PROGRAM, "say", "{i}"]);
    assert_eq!(
        (sound.code, sound.out.lines().count()),
        (Some(0), 5),
        "{}",
        sound.err
    );
    assert_fails(
        &redis.run(&["queue", "results", "a"]),
        125,
        &["protocol 1", "99", "same version"],
    );
    let results = redis.run(&["queue", "results", "e"]);
    assert_eq!(
        (results.code, results.out.lines().count()),
        (Some(0), 3),
        "{}",
        results.err
    );
    assert!(
        results.err.contains("expected results in message"),
        "{}",
        results.err
    );
    let log = worker.drain();
    assert_eq!(log.matches("another version").count(), 1, "{log}");
    assert!(
        log.contains("batch cancelled") && log.contains("invalid record"),
        "{log}"
    );
    assert_eq!(
        log.matches("expected the fields of a batch").count(),
        3,
        "{log}"
    );
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(redis.run(&["queue", "purge", name]).code, Some(0), "{name}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_component_that_lies_about_its_digest_does_not_run() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let wasm = std::fs::read(PROGRAM).expect("a component");
    let key = format!(
        "cocoon:{{cocoon}}:c:{}",
        cocoon::component::Digest::of(&wasm).hex()
    );
    let lie = "redis.call('HSET', KEYS[1], 'size', ARGV[1]) local at = 0 local left = tonumber(ARGV[1]) \
               while left > 0 do redis.call('HSET', KEYS[1], at, string.rep('x', math.min(left, 524288))) \
               at, left = at + 1, left - 524288 end";
    redis.cli(&["EVAL", lie, "1", &key, &wasm.len().to_string()]);
    let refused = redis.run(&["exec", PROGRAM, "say", "a"]);
    assert_fails(&refused, 125, &["expected the bytes of sha256:", "got"]);
    redis.cli(&["DEL", &key]);
    assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
    // What is no component is one line, too.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.wasm");
    std::fs::write(&file, b"\0asm\x0d\0\x01\0rubbish").expect("a file");
    let refused = redis.run(&["exec", file.to_str().expect("text"), "a"]);
    assert_fails(&refused, 125, &["batch bad-"]);
}

#[test]
#[ignore = "needs redis-server"]
fn the_network_is_slow_cut_or_half_open() {
    let mut redis = Redis::start();
    let proxy = Proxy::start(&redis);
    let worker = Worker::start(&mut {
        let mut command = redis.command(&["worker", "--concurrency", "4"]);
        command.env("COCOON_QUEUE_URL", proxy.url());
        command
    });
    proxy.delay_ms.store(10, Ordering::Relaxed);
    let (count, _) = run_through(&mut redis, Some(&proxy.url()), |_| {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            proxy.cuts.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(count, 600);
    proxy.delay_ms.store(0, Ordering::Relaxed);
    // Only the time for an answer ends a half-open connection.
    let (count, _) = run_through(&mut redis, None, |_| {
        proxy.is_stuck.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(100));
        proxy.is_stuck.store(false, Ordering::Relaxed);
    });
    assert_eq!(count, 600);
    worker.drain();
}
