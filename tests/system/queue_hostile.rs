//! Queues under attack: keys that others change, memory that runs out, readers that are killed.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{assert_fails, names};
use crate::redis::{Redis, wait_until};

const PROGRAM: &str = HOSTILE_PROGRAM;

fn key(name: &str, part: &str) -> String {
    format!("cocoon:{{cocoon}}:b:{name}{part}")
}

#[test]
#[ignore = "needs redis-server"]
fn ranges_and_results_that_others_remove_are_missed() {
    let redis = Redis::start();
    let mut lines = redis.command(&["exec", "--lines", "--detach", "--name", "ranges"]);
    let mut lines = lines
        .args([PROGRAM, "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a submitter");
    let mut input = lines.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, b"a\nb\nc\n").expect("sent");
    drop(input);
    assert!(lines.wait().expect("its end").success());
    redis.cli(&["XTRIM", &key("ranges", ":ranges"), "MAXLEN", "0"]);
    redis.submit("results", &["-n", "30", PROGRAM, "say", "{i}"]);
    let worker = redis.worker(&[]);
    wait_until("results", || redis.count("results", "published") == 30);
    redis.cli(&["XTRIM", &key("results", ":results"), "MAXLEN", "1"]);
    let read = redis.run(&["queue", "results", "ranges"]);
    assert_fails(&read, 125, &["batch ranges: ", "others have removed them"]);
    let read = redis.run(&["queue", "results", "results"]);
    assert_eq!(read.code, Some(125));
    assert!(
        read.err.contains("expected 30 results in the queue") && read.err.contains("removed"),
        "{}",
        read.err
    );
    assert!(!read.out.is_empty());
    // Others go on.
    assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
    worker.drain();
    assert_eq!(redis.cli(&["HLEN", "cocoon:{cocoon}:open"]), "0");
}

#[test]
#[ignore = "needs redis-server"]
fn a_redis_that_unread_results_fill_is_emptied_by_their_reader() {
    let redis = Redis::start();
    let worker = redis.worker(&[]);
    let used: u64 = {
        let info = redis.cli(&["INFO", "memory"]);
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok())
            .expect("bytes")
    };
    let most = (used + (3 << 20)).to_string();
    redis.cli(&["CONFIG", "SET", "maxmemory", &most]);
    redis.submit("x", &["-n", "100", PROGRAM, "long-output", "{i}", "2000"]);
    // Long commands are refused before short ones.
    let is_full = || redis.cli(&["INFO", "errorstats"]).contains("errorstat_OOM");
    wait_until("a full Redis", is_full);
    let read = redis.run(&["queue", "results", "x", "--quiet"]);
    assert_eq!(read.code, Some(0), "{}", read.err);
    assert_eq!(read.out.lines().count(), 200_000);
    assert_eq!(redis.run(&["queue", "purge", "x"]).code, Some(0));
    worker.drain();
}

#[test]
#[ignore = "needs redis-server"]
fn unread_outputs_do_not_keep_workers_from_other_batches() {
    let redis = Redis::start();
    // More than the memory that a worker has for outputs.
    let arguments = ["-n", "10000", "--queue-results", "64KiB"];
    let program = [PROGRAM, "long-output", "{i}", "600"];
    redis.submit("x", &[&arguments[..], &program].concat());
    // Later ranges are long.
    redis.cli(&["HSET", &key("x", ""), "made", "6400"]);
    let worker = redis.worker(&["--concurrency", "8"]);
    wait_until("a full batch", || {
        redis.cli(&["HGET", &key("x", ""), "full"]) == "1"
    });
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..5 {
        assert_eq!(redis.run(&["exec", PROGRAM, "say", "a"]).out, "a\n");
    }
    assert!(redis.count("x", "unread_bytes") <= 64 << 10);
    assert_eq!(redis.run(&["queue", "purge", "x"]).code, Some(0));
    worker.drain();
}

#[test]
#[ignore = "needs redis-server"]
fn a_batch_is_removed_under_its_workers_and_its_name_used_again() {
    let redis = Redis::start();
    let workers = [redis.worker(&[]), redis.worker(&[])];
    for round in 0..10 {
        let old = ["-n", "3000", PROGRAM, "square-slowly", "{i}", "2"];
        redis.submit("x", &old);
        wait_until("results", || redis.count("x", "published") > round * 10);
        assert_eq!(redis.run(&["queue", "purge", "x"]).code, Some(0));
        let new = redis.run(&["exec", "-n", "40", "--name", "x", PROGRAM, "say", "new"]);
        assert_eq!(new.code, Some(0), "{}", new.err);
        assert_eq!(new.out.matches("] new\n").count(), 40);
        assert_eq!(new.out.lines().count(), 40);
    }
    for worker in workers {
        worker.drain();
    }
    assert_eq!(redis.cli(&["KEYS", "cocoon:{cocoon}:b:*"]), "");
    assert_eq!(redis.cli(&["HLEN", "cocoon:{cocoon}:open"]), "0");
}

#[test]
#[ignore = "needs redis-server"]
fn one_of_two_submitters_with_one_name_wins() {
    let redis = Redis::start();
    let submitters: Vec<_> = (0..6)
        .map(|number| {
            let mut command = redis.command(&["exec", "-n", "5", "--name", "x", "--detach"]);
            let number = number.to_string();
            command.args([PROGRAM, "say", &number]);
            let child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            child.expect("a submitter")
        })
        .collect();
    let mut winners = 0;
    for submitter in submitters {
        let output = submitter.wait_with_output().expect("its end");
        if output.status.success() {
            winners += 1;
        } else {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(errors.contains("expected a new name"), "{errors}");
        }
    }
    assert_eq!(winners, 1);
    let _worker = redis.worker(&[]);
    let read = redis.run(&["queue", "results", "x", "--quiet"]);
    let mut texts: Vec<_> = read
        .out
        .lines()
        .filter_map(|it| it.split_once("] "))
        .collect();
    assert_eq!(texts.len(), 5);
    texts.dedup_by_key(|(_, text)| *text);
    assert_eq!(texts.len(), 1);
}

#[test]
#[ignore = "needs redis-server"]
fn files_are_whole_although_their_readers_are_killed() {
    const INSTANCES: u64 = 400;
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let all = INSTANCES.to_string();
    redis.submit("x", &["-n", &all, PROGRAM, "long-output", "{i}", "200"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let arguments = ["queue", "results", "x", "--quiet", "--output-dir", path];
    let mut kills = 0;
    for _ in 0..15 {
        let before = redis.count("x", "read");
        let mut reader = redis.command(&arguments).spawn().expect("a reader");
        wait_until("progress", || {
            let read = redis.cli(&["HGET", &key("x", ""), "read"]).parse::<u64>();
            before == INSTANCES || read.is_ok_and(|read| read > before)
        });
        reader.kill().expect("a process");
        kills += u32::from(!reader.wait().expect("its end").success());
    }
    assert!(kills > 0);
    let last = redis.run(&arguments);
    assert_eq!(
        (last.code, last.out.as_str()),
        (Some(0), ""),
        "{}",
        last.err
    );
    for number in 1..=INSTANCES {
        let output = fs::read_to_string(folder.path().join(format!("{number}.out")));
        assert!(
            output.expect("an output") == long_output(number, 200),
            "instance {number}"
        );
    }
    // A file without an end never has its name.
    let mut names = names(folder.path());
    names.retain(|name| !name.starts_with(".cocoon-"));
    assert_eq!(names.len() as u64, 2 * INSTANCES, "{names:?}");
}

/// The output of `long-output`.
fn long_output(number: u64, lines: u64) -> String {
    let end = "x".repeat(80);
    let lines: Vec<_> = (0..lines)
        .map(|line| format!("{number} {line} {end}\n"))
        .collect();
    lines.concat()
}
