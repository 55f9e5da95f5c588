//! A campaign: a batch with known answers while workers, Redis and the submitter die.
//!
//! `COCOON_TEST_CAMPAIGN=INSTANCES,KILLS,STOPS,RESTARTS,MS` sets its size.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cocoon_test_guests::HOSTILE_PROGRAM;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::json_lines;
use crate::redis::{Killed, Redis, Worker, wait_until};

/// Instances, kills of workers, pauses of workers beyond their lease, restarts of Redis, and
/// milliseconds of an instance.
const SIZE: [u64; 5] = [2000, 10, 3, 2, 6];
const NAME: &str = "campaign";
const LEASE: Duration = Duration::from_secs(1);

fn size() -> [u64; 5] {
    let Ok(text) = std::env::var("COCOON_TEST_CAMPAIGN") else {
        return SIZE;
    };
    let numbers: Vec<_> = text
        .split(',')
        .map(|it| it.parse().expect("a number"))
        .collect();
    numbers.try_into().expect("five numbers")
}

/// The results of the records, each with how often it is there. Records after a cut line count not.
fn results(text: &str) -> BTreeMap<u64, u64> {
    let whole = text.rfind('\n').map_or("", |at| &text[..=at]);
    let mut counts = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    for record in json_lines(whole) {
        let number = record["instance"].as_u64().expect("a number");
        if let Some(text) = record["text"].as_str() {
            let square: u64 = text.parse().expect("a number");
            assert_eq!(square, number * number);
            *outputs.entry(number).or_insert(0) += 1;
        } else {
            assert_eq!(record["exit"], Value::from(0), "{record}");
            *counts.entry(number).or_insert(0) += 1;
        }
    }
    for (number, count) in &counts {
        assert!(
            outputs.get(number).is_some_and(|found| found >= count),
            "instance {number}"
        );
    }
    counts
}

#[test]
#[ignore = "needs redis-server"]
fn every_result_comes_once_whatever_dies() {
    let [instances, kills, stops, restarts, ms] = size();
    let mut random = fastrand::Rng::with_seed(21);
    let mut redis = Redis::start();
    let start = |redis: &Redis| redis.worker(&["--concurrency", "2"]);
    let mut workers: Vec<Worker> = (0..2).map(|_| start(&redis)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let first = folder.path().join("first");
    let (all, ms) = (instances.to_string(), ms.to_string());
    let arguments = [
        "exec",
        "-n",
        &all,
        "--name",
        NAME,
        "--lease",
        "1s",
        "--attempts",
        "100",
        "--json",
        HOSTILE_PROGRAM,
        "square-slowly",
        "{i}",
        &ms,
    ];
    let mut submitter = redis.command(&arguments);
    let submitter = submitter
        .stdout(File::create(&first).expect("a file"))
        .stderr(Stdio::null());
    let mut submitter = Killed(submitter.spawn().expect("a submitter"));
    let published = |redis: &Redis| {
        redis
            .cli(&["HGET", "cocoon:{cocoon}:b:campaign", "published"])
            .parse::<u64>()
    };
    wait_until("results", || published(&redis).is_ok_and(|count| count > 0));

    let mut events = Vec::new();
    events.extend((0..kills).map(|_| 'k'));
    events.extend((0..stops).map(|_| 's'));
    events.extend((0..restarts).map(|_| 'r'));
    random.shuffle(&mut events);
    let middle = events.len() / 2;
    let second = folder.path().join("second");
    let mut reader = None;
    let mut done_early = 0;
    for (number, event) in events.iter().enumerate() {
        // Something is to be published between two events.
        let before = published(&redis).unwrap_or(instances);
        let pause = Duration::from_millis(random.u64(20..120));
        std::thread::sleep(pause);
        if before < instances {
            wait_until("progress", || {
                published(&redis).is_ok_and(|count| count > before)
            });
        } else {
            done_early += 1;
        }
        let which = random.usize(..workers.len());
        match event {
            'k' => {
                workers[which].signal(Signal::KILL);
                workers[which] = start(&redis);
            }
            's' => {
                workers[which].signal(Signal::STOP);
                std::thread::sleep(LEASE + LEASE / 2);
                workers[which].signal(Signal::CONT);
            }
            _ => {
                redis.kill();
                redis.restart();
            }
        }
        if number == middle {
            submitter.0.kill().expect("a process");
            submitter.0.wait().expect("its end");
            let mut command = redis.command(&["queue", "results", NAME, "--json"]);
            let command = command
                .stdout(File::create(&second).expect("a file"))
                .stderr(Stdio::piped());
            reader = Some(command.spawn().expect("a reader"));
        }
    }
    let reader = reader
        .expect("a reader")
        .wait_with_output()
        .expect("its end");
    let errors = String::from_utf8_lossy(&reader.stderr);
    assert_eq!(reader.status.code(), Some(0), "{errors}");

    let [redelivered, both] = check(&redis, instances, &first, &second);
    eprintln!(
        "{instances} results, each published once; {kills} kills, {stops} stops, {restarts} restarts; \
         {redelivered} ranges redelivered; {both} printed by both readers; {done_early} events after the last result"
    );
    for worker in workers {
        worker.drain();
    }
    assert_eq!(redis.cli(&["HLEN", "cocoon:{cocoon}:open"]), "0");
}

/// Checks that two readers printed all results, each of them once. Returns the number of ranges that
/// were redelivered, and of results that both printed.
fn check(redis: &Redis, instances: u64, first: &Path, second: &Path) -> [u64; 2] {
    let read = |path: &Path| std::fs::read_to_string(path).expect("results");
    let (first, second) = (results(&read(first)), results(&read(second)));
    assert!(
        second.values().all(|count| *count == 1),
        "a result twice from one reader"
    );
    assert!(
        first.values().all(|count| *count == 1),
        "a result twice from one reader"
    );
    let both = first
        .keys()
        .filter(|number| second.contains_key(number))
        .count();
    let missing: Vec<_> = (1..=instances)
        .filter(|number| !first.contains_key(number) && !second.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "no results of {missing:?}");
    let shown = json_lines(&redis.run(&["queue", "show", NAME, "--json"]).out);
    let count = |field: &str| shown[0][field].as_u64().expect("a number");
    assert_eq!(
        (count("published"), count("read"), count("failed")),
        (instances, instances, 0)
    );
    [count("redelivered"), both as u64]
}
