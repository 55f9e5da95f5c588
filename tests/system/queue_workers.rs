//! Workers of a queue: how they share batches, lose their leases, and are observed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use cocoon_test_guests::HOSTILE_PROGRAM;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{assert_fails, run_command};
use crate::redis::{Killed, Redis, Worker, wait_until};

const PROGRAM: &str = HOSTILE_PROGRAM;

#[test]
#[ignore = "needs redis-server"]
fn two_workers_share_a_batch() {
    let redis = Redis::start();
    let _workers = ["1", "2"].map(|who| redis.worker(&["--env", &format!("WHO={who}")]));
    let arguments = ["exec", "-n", "40", PROGRAM, "square-slowly", "{i}", "20"];
    let batch = redis.run(&arguments);
    assert_eq!(
        (batch.code, batch.out.lines().count()),
        (Some(0), 40),
        "{}",
        batch.err
    );
    let who = redis.run(&[
        "exec",
        "-n",
        "400",
        "--env",
        "WHO=3",
        PROGRAM,
        "environment",
    ]);
    for worker in ["WHO=1", "WHO=2"] {
        assert!(who.out.contains(worker), "{worker} ran no instance");
    }
    assert!(
        !who.out.contains("WHO=3"),
        "a worker's own variable takes precedence"
    );
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_that_pauses_beyond_its_lease_publishes_nothing() {
    let redis = Redis::start();
    redis.submit(
        "x",
        &["-n", "8", "--lease", "300ms", PROGRAM, "early-or-long", "1"],
    );
    let first = redis.worker(&[]);
    wait_until("leases", || redis.leased() >= 4);
    first.signal(Signal::STOP);
    let _second = redis.worker(&["--concurrency", "8"]);
    wait_until("results", || redis.count("x", "published") == 8);
    first.signal(Signal::CONT);
    first.drain();
    assert_eq!(redis.count("x", "published"), 8);
    assert!(redis.count("x", "redelivered") > 0);
    assert_eq!(redis.results("x"), vec!["1 early"; 8]);
}

#[test]
#[ignore = "needs redis-server"]
fn an_instance_that_kills_its_workers_is_given_up() {
    let redis = Redis::start();
    redis.submit(
        "x",
        &[
            "-n",
            "1",
            "--attempts",
            "2",
            "--lease",
            "200ms",
            PROGRAM,
            "spin",
        ],
    );
    for attempt in ["1|", "2|"] {
        let worker = redis.worker(&[]);
        wait_until("a lease", || {
            redis
                .cli(&["HVALS", "cocoon:{cocoon}:b:x:state"])
                .starts_with(attempt)
        });
        worker.signal(Signal::KILL);
        assert_eq!(worker.end().0, None);
    }
    let _worker = redis.worker(&[]);
    let given_up = redis.run(&["queue", "results", "x"]);
    assert_fails(
        &given_up,
        125,
        &["no result after 2 deliveries", "--attempts"],
    );
    // It blocks no other.
    assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_allows_no_more_than_its_flags() {
    let redis = Redis::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (allowed, other) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir_all(allowed.join("in")).expect("a folder");
    fs::create_dir(&other).expect("a folder");
    std::os::unix::fs::symlink(&other, allowed.join("link")).expect("a link");
    fs::write(allowed.join("in/file"), "read me").expect("a file");
    let text = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    let (allowed, other) = (text(&allowed), text(&other));
    let digest = {
        let wasm = fs::read(PROGRAM).expect("a component");
        cocoon::component::Digest::of(&wasm).to_string()
    };
    let worker = redis.worker(&[
        "--dir",
        &allowed,
        "--allow-net",
        "127.0.0.1:1",
        "--deadline",
        "1m",
        "--only",
        &digest,
    ]);
    let granted = format!("{allowed}/in:/d");
    let read = redis.run(&["exec", "--dir", &granted, PROGRAM, "read", "/d/file"]);
    assert_eq!(read.out.trim_end(), "read me", "{}", read.err);
    let linked = format!("{allowed}/link:/d");
    let above = format!("{allowed}/{{i}}/../../b:/d");
    let writable = format!("{allowed}/in:/d:rw");
    for (arguments, words) in [
        (vec!["--dir", &linked], vec!["--dir", "link"]),
        (vec!["--dir", &other], vec!["--dir", &other]),
        (vec!["--dir", &above], vec!["`..`"]),
        (vec!["--dir", &writable], vec!["--dir", ":rw"]),
        (vec!["--dir", "/none-there"], vec!["/none-there"]),
        (vec!["--network"], vec!["--network"]),
        (
            vec!["--allow-net", "127.0.0.1:2"],
            vec!["--allow-net 127.0.0.1/32:2"],
        ),
        (
            vec!["--deadline", "2m"],
            vec!["deadline", "at most 1m", "got 2m"],
        ),
    ] {
        let exec = ["exec", "--refusal", "0s"];
        let refused = redis.run(&[&exec, &arguments[..], &[PROGRAM, "say"]].concat());
        assert_fails(&refused, 125, &words);
    }
    let run = redis.run(&[
        "exec",
        "--allow-net",
        "127.0.0.1:1",
        "--deadline",
        "5s",
        PROGRAM,
        "say",
        "a",
    ]);
    assert_eq!(run.out, "a\n", "{}", run.err);
    let refused = redis.run(&[
        "exec",
        "--refusal",
        "0s",
        cocoon_test_guests::FOREIGN_FACTOR,
        "10",
    ]);
    assert_fails(&refused, 125, &["--only"]);
    let refused = redis.run(&[
        "exec",
        "--refusal",
        "0s",
        &format!("oci://localhost:1/a@{}", digest.replace('0', "1")),
        "10",
    ]);
    assert_fails(&refused, 125, &["--only"]);
    worker.drain();
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_leaves_what_it_may_not_run_to_another() {
    let redis = Redis::start();
    let lesser = redis.worker(&["--deadline", "1s"]);
    // The submitter reports the refusal of one worker, and waits for another.
    let mut command = redis.command(&["exec", "-n", "300", "--name", "x", "--deadline", "1m"]);
    command.args(["--refusal", "1h", PROGRAM, "say", "{i}"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("a submitter");
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("its errors"));
    let mut refusal = String::new();
    std::io::BufRead::read_line(&mut errors, &mut refusal).expect("a line");
    assert!(
        refusal.contains("waiting for another one") && refusal.contains("--deadline"),
        "{refusal}"
    );
    // Other batches go on meanwhile.
    assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
    let show = redis.run(&["queue", "show", "x"]).out;
    assert!(show.contains("refused:       deadline"), "{show}");
    let greater = redis.worker(&["--deadline", "1h"]);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 300);
    let log = lesser.drain();
    assert_eq!(log.matches("batch refused").count(), 1, "{log}");
    assert_eq!(greater.drain(), "");
}

#[test]
#[ignore = "needs redis-server"]
fn a_batch_that_one_worker_runs_outlives_the_refusal_of_another() {
    let redis = Redis::start();
    let greater = redis.worker(&["--concurrency", "1"]);
    let arguments = ["-n", "3", "--refusal", "0s", "--output", "1MiB"];
    let program = [PROGRAM, "square-slowly", "{i}", "1500"];
    redis.submit("x", &[&arguments[..], &program].concat());
    wait_until("a lease", || redis.leased() >= 1);
    // The lease of the greater one holds, although it has published nothing.
    let lesser = redis.worker(&["--output", "64KiB"]);
    assert_eq!(redis.results("x").len(), 3);
    greater.drain();
    lesser.drain();
}

#[test]
#[ignore = "needs redis-server"]
fn a_small_batch_does_not_wait_for_a_large_one() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    redis.submit(
        "large",
        &["-n", "100000", PROGRAM, "square-slowly", "{i}", "1"],
    );
    wait_until("results", || redis.count("large", "published") > 1000);
    let small = redis.run(&["exec", "-n", "10", PROGRAM, "say", "{i}"]);
    assert_eq!(small.out.lines().count(), 10);
    assert!(redis.count("large", "published") < 50_000);
}

#[test]
#[ignore = "needs redis-server"]
fn unread_results_hold_workers_back() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    redis.submit(
        "x",
        &[
            "-n",
            "2000",
            "--queue-results",
            "64KiB",
            PROGRAM,
            "long-output",
            "{i}",
            "10",
        ],
    );
    wait_until("a full queue", || {
        redis.cli(&["HGET", "cocoon:{cocoon}:b:x", "full"]) == "1"
    });
    assert!(redis.count("x", "unread_bytes") <= 64 << 10);
    assert!(redis.count("x", "published") < 200);
    // Another batch has its turn meanwhile.
    assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
    assert_eq!(redis.results("x").len(), 20_000);
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_with_little_memory_runs_as_many_instances_as_fit() {
    let redis = Redis::start();
    let little = ["--total-memory", "700MiB", "--concurrency", "1000"];
    let worker = redis.worker(&little);
    assert!(
        worker.line.contains("2 instances at once"),
        "{}",
        worker.line
    );
    let batch = redis.run(&["exec", "-n", "20", PROGRAM, "say", "a"]);
    assert_eq!((batch.code, batch.out.lines().count()), (Some(0), 20));
}

#[test]
#[ignore = "needs redis-server"]
fn a_worker_answers_probes_and_has_metrics() {
    let redis = Redis::start();
    let worker = redis.worker(&["--admin-listen", "127.0.0.1:0"]);
    let (_, address) = worker
        .line
        .trim_end()
        .split_once("http://")
        .expect("an address");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        response
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!(
        redis.run(&["exec", "-n", "7", PROGRAM, "say", "a"]).code,
        Some(0)
    );
    wait_until("metrics", || {
        let metrics = get("/metrics");
        [
            "cocoon_batch_results_total 7",
            "cocoon_batch_result_age_seconds_count 7",
            "cocoon_batch_redeliveries_total 0",
            "cocoon_batch_leased_ranges 0",
            "cocoon_batch_results_waiting 0",
            "cocoon_batch_open_ranges 0",
            "cocoon_batch_queue_up 1",
        ]
        .iter()
        .all(|line| metrics.contains(&format!("\n{line}\n")))
    });
    redis.submit("x", &["-n", "1", PROGRAM, "early-or-long", "1"]);
    wait_until("a lease", || {
        redis.cli(&["HLEN", "cocoon:{cocoon}:b:x:state"]) == "1"
    });
    worker.signal(Signal::TERM);
    wait_until("a drain", || get("/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(worker.end().0, Some(0));
}

#[test]
#[ignore = "needs redis-server"]
fn users_of_redis_reach_their_own_queue() {
    let redis = Redis::start();
    let rule = [
        "ACL",
        "SETUSER",
        "jobs",
        "on",
        ">secret",
        "resetkeys",
        "~cocoon:{a}:*",
        "+@all",
        "-@dangerous",
        "+info",
    ];
    assert_eq!(redis.cli(&rule), "OK");
    assert_eq!(
        redis.cli(&["ACL", "SETUSER", "default", "resetpass", "-@all", "+ping"]),
        "OK"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "secret\n").expect("a file");
    let command = |arguments: &[&str], queue: &str| {
        let mut command = redis.command(arguments);
        let url = format!("{}?user=jobs#{queue}", redis.url());
        command
            .env("COCOON_QUEUE_URL", url)
            .env("COCOON_QUEUE_PASSWORD_FILE", &file);
        command
    };
    let worker = Worker::start(&mut command(&["worker"], "a"));
    let run = run_command(&mut command(&["exec", PROGRAM, "say", "a"], "a"));
    assert_eq!(run.out, "a\n", "{}", run.err);
    let refused = run_command(&mut command(&["exec", PROGRAM, "say", "a"], "b"));
    assert_fails(&refused, 125, &["queue ", "ermission"]);
    fs::write(&file, "wrong\n").expect("a file");
    let refused = run_command(&mut command(&["worker"], "a"));
    assert_fails(&refused, 1, &["queue ", "#a"]);
    worker.drain();
}

#[test]
#[ignore = "needs redis-server"]
fn lines_are_run_as_they_come() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let mut command = redis.command(&["exec", "--lines", "--json", PROGRAM, "cat"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.expect("a submitter"));
    let mut lines = child.0.stdin.take().expect("its input");
    let mut output = std::io::BufReader::new(child.0.stdout.take().expect("its output"));
    for line in ["a", "b"] {
        writeln!(lines, "{line}").expect("sent");
        let mut record = String::new();
        std::io::BufRead::read_line(&mut output, &mut record).expect("a record");
        let record: Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!(record["text"], line);
        std::io::BufRead::read_line(&mut output, &mut String::new()).expect("its end");
    }
    drop(lines);
    assert!(child.0.wait().expect("its end").success());
}
