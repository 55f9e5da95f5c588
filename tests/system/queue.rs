//! Batches in a queue: the same output as on one machine.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use cocoon_test_guests::HOSTILE_PROGRAM;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Outcome, assert_fails, cocoon, json_lines, kill, run_command};
use crate::redis::{Redis, wait_until};

/// Runs `exec` here and in a queue with the same arguments and input.
fn both(redis: &Redis, arguments: &[&str], input: &str) -> [Outcome; 2] {
    let arguments = [&["exec"], arguments].concat();
    let here = cocoon(&arguments);
    [here, redis.command(&arguments)].map(|mut command| {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(input.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut file).expect("a file");
        run_command(command.stdin(Stdio::from(file)))
    })
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
#[ignore = "needs redis-server"]
fn a_batch_prints_what_it_prints_on_one_machine() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let program = HOSTILE_PROGRAM;
    for (arguments, input) in [
        (vec!["-n", "1", program, "say", "a"], ""),
        (vec![program, "exit", "7"], ""),
        (vec![program, "both", "a"], ""),
        (vec!["-i", program, "cat"], "all\nof it"),
        (vec!["-n", "50", program, "say", "{i}"], ""),
        (vec!["-n", "50", "--ordered", program, "both", "{i}"], ""),
        (vec!["-n", "9", program, "exit-if-odd", "{i}"], ""),
        (vec!["-n", "3", "-i", program, "cat"], "a\nb"),
        (vec!["--lines", program, "cat"], "a\n\nb\r\nlast"),
        (
            vec!["--lines", "--ordered", program, "say", "{i}:{line}"],
            "a\nb\nc\n",
        ),
        (
            vec!["--lines", "--input", "3", program, "cat"],
            "abc\nab\nabcd\n",
        ),
        (vec!["--lines", program, "cat"], ""),
        (vec![program, "panic"], ""),
        (vec!["--deadline", "200ms", program, "spin"], ""),
        (vec!["-n", "2", "--output", "1KiB", program, "flood"], ""),
        (
            vec!["-n", "4", "--env", "A={i}", program, "environment"],
            "",
        ),
        (vec!["-n", "4", "--deterministic=3", program, "random"], ""),
        (
            vec![
                "-n",
                "3",
                "--ordered",
                program,
                "long-output",
                "{i}",
                "3000",
            ],
            "",
        ),
    ] {
        let [here, there] = both(&redis, &arguments, input);
        assert_eq!(
            here.code, there.code,
            "{arguments:?}: {} {}",
            here.err, there.err
        );
        if arguments.contains(&"--ordered") {
            assert!(
                here.out == there.out,
                "{arguments:?}: {} {}",
                here.out.len(),
                there.out.len()
            );
        }
        assert_eq!(sorted(&here.out), sorted(&there.out), "{arguments:?}");
        assert_eq!(sorted(&here.err), sorted(&there.err), "{arguments:?}");
    }
    // All of them are gone, with what was stored of them.
    assert_eq!(redis.run(&["queue", "list"]).out, "");
    assert_eq!(redis.cli(&["HLEN", "cocoon:{cocoon}:open"]), "0");
}

#[test]
#[ignore = "needs redis-server"]
fn records_are_the_same_as_on_one_machine() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let arguments = ["-n", "6", "--json", HOSTILE_PROGRAM, "exit-if-odd", "{i}"];
    let [here, there] = both(&redis, &arguments, "").map(|outcome| {
        let mut records = json_lines(&outcome.out);
        for record in &mut records {
            let record = record.as_object_mut().expect("an object");
            for unsteady in ["elapsed_us", "memory_bytes"] {
                assert!(record.remove(unsteady).is_some_and(|it| it.is_u64()));
            }
        }
        records.sort_by_key(Value::to_string);
        (outcome.code, records)
    });
    assert_eq!(here, there);
}

#[test]
#[ignore = "needs redis-server"]
fn files_are_the_same_as_on_one_machine() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    for (folder, is_there) in folders.iter().zip([false, true]) {
        fs::write(folder.path().join("7.out"), "old").expect("a file");
        let path = folder.path().to_str().expect("text");
        let arguments = [
            "exec",
            "-n",
            "5",
            "--output-dir",
            path,
            HOSTILE_PROGRAM,
            "both",
            "{i}",
        ];
        let mut command = if is_there {
            redis.command(&arguments)
        } else {
            cocoon(arguments)
        };
        assert_eq!(run_command(&mut command).code, Some(0));
    }
    let [here, there] = folders.map(|folder| {
        let mut files: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                (
                    path.file_name().map(ToOwned::to_owned),
                    fs::read(&path).expect("a file"),
                )
            })
            .collect();
        files.sort();
        files
    });
    assert_eq!(here, there);
    assert_eq!(here.len(), 10);
}

#[test]
#[ignore = "needs redis-server"]
fn a_detached_batch_is_read_later() {
    let redis = Redis::start();
    let submitted = redis.run(&[
        "exec",
        "-n",
        "40",
        "--name",
        "later",
        "--detach",
        HOSTILE_PROGRAM,
        "say",
        "{i}",
    ]);
    assert_eq!(
        (submitted.code, submitted.out.as_str()),
        (Some(0), "later\n")
    );
    let again = redis.run(&["exec", "--name", "later", HOSTILE_PROGRAM, "say"]);
    assert_fails(&again, 125, &["expected a new name, got the batch later"]);
    let show = json_lines(&redis.run(&["queue", "show", "later", "--json"]).out);
    assert_eq!(
        (&show[0]["instances"], &show[0]["published"]),
        (&40.into(), &0.into())
    );
    let _worker = redis.worker(&[]);
    let results = redis.run(&["queue", "results", "later"]);
    assert_eq!(
        (results.code, results.out.lines().count()),
        (Some(0), 40),
        "{}",
        results.err
    );
    assert_eq!(results.err, "cocoon: 40 of 40 instances succeeded\n");
    // They are read once.
    let results = redis.run(&["queue", "results", "later"]);
    assert_eq!((results.code, results.out.as_str()), (Some(0), ""));
    let list = redis.run(&["queue", "list"]).out;
    assert!(list.starts_with("later  read  40 of 40 done"), "{list}");
    assert_eq!(redis.run(&["queue", "purge", "later"]).code, Some(0));
    assert_fails(
        &redis.run(&["queue", "purge", "later"]),
        125,
        &["no batch", "later"],
    );
    assert_fails(
        &redis.run(&["queue", "show", "later"]),
        125,
        &["no batch", "later"],
    );
}

#[test]
#[ignore = "needs redis-server"]
fn detached_lines_fit_a_limit() {
    let redis = Redis::start();
    let line = format!("{}\n", "x".repeat(1000));
    let run = |lines: usize| {
        let mut command = redis.command(&[
            "exec",
            "--lines",
            "--detach",
            "--name",
            "x",
            "--queue-input",
            "64KiB",
            HOSTILE_PROGRAM,
            "cat",
        ]);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(line.repeat(lines).as_bytes())
            .expect("written");
        std::io::Seek::rewind(&mut file).expect("a file");
        run_command(command.stdin(Stdio::from(file)))
    };
    for lines in [100, 1000] {
        assert_fails(&run(lines), 125, &["--queue-input", "--detach"]);
    }
    assert_eq!(redis.run(&["queue", "list"]).out, "");
    assert_eq!(run(30).code, Some(0));
    let _worker = redis.worker(&[]);
    let results = redis.run(&["queue", "results", "x"]);
    assert_eq!(results.out.lines().count(), 30);
}

#[test]
#[ignore = "needs redis-server"]
fn an_interrupted_submission_ends_with_the_lines_so_far() {
    let redis = Redis::start();
    let mut command = redis.command(&["exec", "--lines", "--name", "x", HOSTILE_PROGRAM, "cat"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a submitter");
    let mut lines = child.stdin.take().expect("a pipe");
    lines.write_all(b"a\nb\nc\n").expect("written");
    let made = || redis.cli(&["HGET", "cocoon:{cocoon}:b:x", "made"]);
    wait_until("three lines", || made() == "3");
    kill(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    let _worker = redis.worker(&[]);
    let results = redis.run(&["queue", "results", "x"]);
    assert_eq!(results.code, Some(0), "{}", results.err);
    assert_eq!(results.out.lines().count(), 3);
}

#[test]
#[ignore = "needs redis-server"]
fn a_cancelled_batch_keeps_its_results() {
    let redis = Redis::start();
    let _worker = redis.worker(&[]);
    let arguments = [
        "exec",
        "-n",
        "9",
        "--name",
        "x",
        "--detach",
        "--retries",
        "0",
        HOSTILE_PROGRAM,
        "exit-if-odd",
        "{i}",
    ];
    assert_eq!(redis.run(&arguments).code, Some(0));
    let published =
        || json_lines(&redis.run(&["queue", "show", "x", "--json"]).out)[0]["published"].as_u64();
    wait_until("results", || published() == Some(9));
    assert_eq!(redis.run(&["queue", "cancel", "x"]).code, Some(0));
    let results = redis.run(&["queue", "results", "x", "--json"]);
    assert_eq!(
        (results.code, json_lines(&results.out).len()),
        (Some(125), 9)
    );
    assert!(
        results.err.contains("cancelled by `cocoon queue cancel`"),
        "{}",
        results.err
    );
    assert_fails(
        &redis.run(&["queue", "cancel", "y"]),
        125,
        &["no batch", "y"],
    );
}

#[test]
#[ignore = "needs redis-server"]
fn a_batch_is_removed_after_its_time() {
    let redis = Redis::start();
    let run = redis.run(&[
        "exec",
        "-n",
        "2",
        "--name",
        "x",
        "--detach",
        "--keep",
        "1s",
        HOSTILE_PROGRAM,
        "say",
    ]);
    assert_eq!(run.code, Some(0));
    wait_until("its end", || redis.run(&["queue", "list"]).out.is_empty());
    let _worker = redis.worker(&[]);
    // The worker removes the rest of it.
    wait_until("nothing to do", || {
        redis.cli(&["HLEN", "cocoon:{cocoon}:open"]) == "0"
    });
    assert_eq!(redis.cli(&["KEYS", "cocoon:{cocoon}:b:*"]), "");
}

#[test]
fn a_queue_is_needed_and_its_address_is_checked() {
    for (arguments, words) in [
        (vec!["worker"], vec!["--queue", "COCOON_QUEUE_URL"]),
        (vec!["queue", "list"], vec!["--queue"]),
        (
            vec!["exec", "--queue", "http://h", "x.wasm"],
            vec!["redis://HOST"],
        ),
        (vec!["exec", "--detach", "x.wasm"], vec!["--queue"]),
        (vec!["queue", "show", "--queue", "redis://h"], vec!["NAME"]),
        (
            vec!["queue", "show", "a b", "--queue", "redis://h"],
            vec!["letters"],
        ),
    ] {
        let outcome = run_command(&mut cocoon(&arguments));
        assert_fails(&outcome, 2, &words);
    }
}
