//! `verify`: digits from elsewhere, checked while they are read.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::limits::{Limit, VERIFY_BYTES};
use cocoon::worlds::factorial::{Kind, Verdict};
use cocoon_test_guests::hostile;

use crate::harness::{
    FAIR_DEADLINE_MS, FEW, Outcome, assert_fails, cocoon, hostile, json_lines, run, run_command,
    wait_for,
};

/// Runs `verify` with the hostile component.
fn verify(n: u64, file: &str, more: &[&str]) -> Outcome {
    let n = n.to_string();
    let component = ["--component", cocoon_test_guests::HOSTILE_FACTORIAL];
    run([&["verify", &n, file], &component[..], more].concat())
}

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text).expect("room");
    file
}

#[test]
fn each_verdict_is_one_line() {
    let digits = file(b"3628800\n");
    let path = digits.path().to_str().expect("text");
    let right = verify(hostile::VERIFY_RIGHT, path, &["--seed", "88"]);
    assert_eq!(
        (right.code, right.out.as_str(), right.err.as_str()),
        (
            Some(0),
            "right: 7 digits, probability of a missed error below 2^-88\n",
            ""
        )
    );
    let wrong = verify(hostile::VERIFY_WRONG_EARLY, path, &[]);
    assert_eq!(
        (wrong.code, wrong.out.as_str(), wrong.err.as_str()),
        (Some(1), "wrong: it starts with Some(51)\n", "")
    );
    // One line of bounded length.
    let wordy = verify(hostile::VERIFY_WORDY, path, &[]);
    assert_eq!((wordy.code, wordy.out.lines().count()), (Some(1), 1));
    assert!(wordy.out.len() < 1100, "{} bytes", wordy.out.len());
}

#[test]
fn json_is_one_object() {
    let digits = file(b"3628800\n");
    let path = digits.path().to_str().expect("text");
    let right = verify(hostile::VERIFY_RIGHT, path, &["--json", "--seed", "88"]);
    let record = &json_lines(&right.out)[0];
    assert_eq!((right.code, &record["right"]), (Some(0), &true.into()));
    assert_eq!(record["miss_probability"], "2^-88");
    assert_eq!((&record["n"], &record["digits"]), (&400.into(), &7.into()));
    let wrong = verify(hostile::VERIFY_WRONG_EARLY, path, &["--json"]);
    let record = &json_lines(&wrong.out)[0];
    assert_eq!((wrong.code, &record["right"]), (Some(1), &false.into()));
    assert!(
        record["wrong"]
            .as_str()
            .is_some_and(|text| text.contains("51")),
        "{record}"
    );
}

/// A check of standard input whose first byte decides it.
fn wrong_early_from_stdin() -> Command {
    cocoon([
        "verify",
        &hostile::VERIFY_WRONG_EARLY.to_string(),
        "-",
        "--component",
        cocoon_test_guests::HOSTILE_FACTORIAL,
    ])
}

#[test]
fn standard_input_is_read_only_until_the_verdict() {
    let mut command = wrong_early_from_stdin();
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.expect("a process");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The loop ends only because of the verdict.
    let chunk = vec![b'7'; 1 << 20];
    let mut written: u64 = 0;
    while stdin.write_all(&chunk).is_ok() {
        written += 1;
        assert!(written < 1000, "it reads on");
    }
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "wrong: it starts with Some(55)\n"
    );
}

#[test]
fn a_verdict_does_not_wait_for_further_input() {
    let mut command = wrong_early_from_stdin();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"5").expect("a reader");
    let wrong = run_command(command.stdin(reader));
    assert_eq!((wrong.code, wrong.err.as_str()), (Some(1), ""));
    drop(writer);
}

#[test]
fn unreadable_input_is_reported_in_one_line() {
    assert_fails(
        &run(["verify", "10", "/no/such/file"]),
        1,
        &["cannot read /no/such/file"],
    );
    assert_fails(
        &verify(hostile::VERIFY_RIGHT, "/", &[]),
        1,
        &["cannot read /"],
    );
    assert_fails(&run(["verify", "10"]), 2, &["<FILE>"]);
    assert_fails(&run(["verify", "ten", "-"]), 2, &["ten"]);
    assert_fails(
        &run(["verify", "10", "-", "--kind", "tripel"]),
        2,
        &["tripel"],
    );
    assert_fails(&run(["verify", "10", "-", "--seed", "-1"]), 2, &["seed"]);
}

#[test]
fn a_file_may_exceed_the_input_limit_of_programs() {
    let digits = file(&b"7".repeat(10_000));
    let path = digits.path().to_str().expect("text");
    let right = verify(hostile::VERIFY_RIGHT, path, &["--input", "1KiB"]);
    assert_eq!(right.code, Some(0), "{}", right.err);
    assert!(
        right.out.starts_with("right: 10000 digits"),
        "{}",
        right.out
    );
}

#[tokio::test]
async fn a_failed_check_gives_no_verdict() {
    let factorial = hostile(&FEW.with(Limit::Deadline, FAIR_DEADLINE_MS)).await;
    for (n, expected) in [
        (hostile::VERIFY_PANICS, None),
        (
            hostile::VERIFY_SPINS,
            Some(RunError::Stopped {
                limit: Limit::Deadline,
                value: FAIR_DEADLINE_MS,
            }),
        ),
        (
            hostile::VERIFY_TAKES,
            Some(RunError::OverPromise {
                promised_bytes: VERIFY_BYTES,
            }),
        ),
        (
            hostile::VERIFY_FAILS,
            Some(RunError::Failed("no primes left".to_owned())),
        ),
    ] {
        let (writer, digits) = channel();
        writer.send(Bytes::from_static(b"1")).await.expect("room");
        writer.finish();
        let outcome = wait_for(
            "the verdict",
            factorial.verify(Kind::Factorial, n, digits, 0),
        )
        .await;
        match (outcome, expected) {
            (Err(error), Some(expected)) => assert_eq!(error, expected, "{n}"),
            (outcome, _) => assert!(
                matches!(outcome, Err(RunError::Trapped { .. })),
                "{outcome:?}"
            ),
        }
    }
}

#[tokio::test]
async fn truncated_digits_give_no_verdict() {
    let factorial = hostile(&FEW).await;
    let cause = RunError::Failed("the disk is gone".to_owned());
    let (writer, digits) = channel();
    writer.send(Bytes::from_static(b"1")).await.expect("room");
    writer.fail(cause.clone());
    let outcome = factorial
        .verify(Kind::Factorial, hostile::VERIFY_RIGHT, digits, 0)
        .await;
    assert_eq!(outcome, Err(RunError::Upstream(Box::new(cause))));
    let (writer, digits) = channel();
    writer.send(Bytes::from_static(b"1")).await.expect("room");
    writer.finish();
    let outcome = factorial
        .verify(Kind::Factorial, hostile::VERIFY_RIGHT, digits, 7)
        .await;
    assert_eq!(outcome, Ok(Verdict::Right(7)));
}
