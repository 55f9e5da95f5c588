//! Numbers from several sandboxes: a failed part fails the whole, and every place is released.

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Receiver, Sender, channel};
use cocoon::fanout::{FanOut, Plan, Progress, Width};
use cocoon::limits::{FAN_OUT_MAX, Limit, Limits, PLACE_BYTES};
use cocoon::worlds::factorial::{Factorial, Grade, Verification};
use cocoon_test_guests::hostile;
use futures::future::join_all;

use crate::harness::{
    FEW, SHORT_DEADLINE_MS, assert_fails, cocoon, drain, factorial_of, hostile, json_lines, run,
    run_command, run_request, sha256, stdout_of, wait_for, without_backtraces,
};

const SHORT: Limits = FEW.with(Limit::Deadline, SHORT_DEADLINE_MS);
const THREE: Width = Width::UpTo(3);
/// A seed, which the joiner reports as the exponent of its grade.
const SEED: u64 = 44;

/// Arguments that select the hostile component.
const HOSTILE: [&str; 2] = ["--component", cocoon_test_guests::HOSTILE_FACTORIAL];

/// The output of all parts, concatenated.
fn whole() -> Vec<u8> {
    let count = usize::try_from(hostile::PART_BYTES).expect("it fits");
    [vec![b'1'; count], vec![b'2'; count]].concat()
}

/// Runs a fan-out. Returns its grade and its bytes, and asserts that writer and reader agree on
/// the outcome.
async fn fan_out(
    factorial: &Factorial,
    n: u64,
    width: Width,
) -> Result<(Grade, Vec<u8>), RunError> {
    let work = FanOut::prepare(factorial, factorial_of(n), width).await?;
    let (sender, receiver) = channel();
    let (outcome, (all, seen)) = wait_for("the end of a fan-out", async {
        tokio::join!(work.send_to(sender, Some(SEED)), drain(receiver))
    })
    .await;
    assert_eq!(outcome.clone().map(|_| ()), seen, "both ends agree on {n}");
    outcome.map(|grade| (grade, all))
}

/// Asserts that every place was released: one job for each sandbox is admitted at once.
async fn assert_places_are_back(factorial: &Factorial) {
    let sandboxes = factorial.sandboxes();
    // A job that promises little memory.
    let one = factorial_of(hostile::PARTED);
    let held = join_all((0..sandboxes).map(|_| factorial.admit(one)));
    let held = wait_for("all places", held).await;
    assert!(held.iter().all(Result::is_ok), "a place is missing");
}

/// Returns the error of the fan-out of `n` under `limits`.
async fn failure(limits: &Limits, n: u64) -> RunError {
    // Without a queue, a place that was not released is noticed at once.
    let limits = limits
        .clone()
        .with(Limit::Queue, 0)
        .with(Limit::Sandboxes, 3);
    let factorial = hostile(&limits).await;
    let failed = fan_out(&factorial, n, THREE).await;
    assert_places_are_back(&factorial).await;
    failed.err().unwrap_or_else(|| panic!("{n} has a result"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_joined_in_order() {
    let factorial = hostile(&FEW).await;
    let verified = Grade::Verified(Verification {
        products: 3,
        repeated: 0,
        miss_exponent: 44,
    });
    for n in [hostile::PARTED, hostile::CROSSED, hostile::LARGE_PARTS] {
        for (width, expected) in [
            (Width::UpTo(1), Grade::Proved),
            (THREE, verified),
            (Width::UpTo(FAN_OUT_MAX), verified),
        ] {
            let (grade, all) = fan_out(&factorial, n, width).await.expect("an answer");
            assert!(all == whole(), "{n} with {width:?}: {} bytes", all.len());
            assert_eq!(grade, expected, "{n} with {width:?}");
        }
    }
    assert_places_are_back(&factorial).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_part_fails_the_whole_with_its_cause() {
    for n in [
        hostile::PART_TRAPS,
        hostile::PART_TRAPS_AT_ONCE,
        hostile::JOINER_TRAPS,
        hostile::JOINER_TRAPS_AT_ONCE,
    ] {
        let error = failure(&FEW, n).await;
        assert!(matches!(error, RunError::Trapped { .. }), "{n}: {error:?}");
    }
    let failed = RunError::Failed("it lost its part".to_owned());
    for n in [hostile::PART_SAYS_FAILED, hostile::PART_CLOSES_AND_FAILS] {
        assert_eq!(failure(&FEW, n).await, failed, "{n}");
    }
    let error = failure(&FEW, hostile::PART_WITHOUT_OUTPUT).await;
    assert!(
        matches!(&error, RunError::Failed(text) if text.contains("expected 1 stream from part 1, got 0")),
        "{error:?}"
    );
    let promised_bytes = hostile::LITTLE_BYTES;
    assert_eq!(
        failure(&FEW, hostile::PART_TAKES).await,
        RunError::OverPromise { promised_bytes }
    );
    let (limit, value) = (Limit::Output, 4 << 20);
    assert_eq!(
        failure(&FEW.with(limit, value), hostile::PART_FLOODS).await,
        RunError::Stopped { limit, value }
    );
    let (limit, value) = (Limit::Deadline, SHORT_DEADLINE_MS);
    for n in [
        hostile::PART_SPINS,
        hostile::PART_ENDS_SILENTLY,
        hostile::PARTS_WAIT,
    ] {
        assert_eq!(
            failure(&SHORT, n).await,
            RunError::Stopped { limit, value },
            "{n}"
        );
    }
}

#[tokio::test]
async fn an_invalid_plan_is_refused() {
    for (n, word) in [
        (hostile::PLAN_OF_ITSELF, "part 0 reads from itself"),
        (hostile::PLAN_EMPTY, "1 to 3 parts, got 0"),
        (hostile::PLAN_TOO_WIDE, "1 to 3 parts, got 4"),
    ] {
        let error = failure(&FEW, n).await;
        assert!(
            matches!(&error, RunError::Failed(text) if text.contains(word)),
            "{n}: {error:?}"
        );
    }
    let error = failure(&FEW, hostile::PLAN_PANICS).await;
    assert!(matches!(error, RunError::Trapped { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_joiner_may_leave_a_part_unread() {
    let factorial = hostile(&FEW).await;
    let left = fan_out(&factorial, hostile::JOINER_LEAVES, THREE).await;
    let (_, all) = left.expect("an answer");
    assert!(!all.is_empty() && all.iter().all(|&byte| byte == b'1'));
    assert_places_are_back(&factorial).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_reader_stops_all_parts() {
    // A deadline of an hour: only the dropped reader can end these parts.
    let factorial = hostile(&FEW.with(Limit::Sandboxes, 3).with(Limit::Queue, 0)).await;
    for n in [hostile::PARTED, hostile::PART_SPINS] {
        let work = FanOut::prepare(&factorial, factorial_of(n), THREE).await;
        let (sender, mut digits) = channel();
        let sending = tokio::spawn(work.expect("three places").send_to(sender, None));
        assert!(matches!(
            wait_for("a chunk", digits.recv()).await,
            Ok(Some(_))
        ));
        drop(digits);
        let outcome = wait_for("the parts' end", sending).await.expect("no panic");
        assert_eq!(outcome, Err(RunError::ReaderGone), "{n}");
        assert_places_are_back(&factorial).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_fan_out_stops_all_parts() {
    let factorial = hostile(&FEW.with(Limit::Sandboxes, 3)).await;
    let work = FanOut::prepare(&factorial, factorial_of(hostile::PART_SPINS), THREE).await;
    let (sender, mut digits) = channel();
    let sending = tokio::spawn(work.expect("three places").send_to(sender, None));
    assert!(matches!(
        wait_for("a chunk", digits.recv()).await,
        Ok(Some(_))
    ));
    sending.abort();
    loop {
        match wait_for("the end", digits.recv()).await {
            Ok(Some(_)) => {}
            // A stream whose writer was dropped has not ended successfully.
            outcome => break assert_eq!(outcome, Err(RunError::WriterGone)),
        }
    }
    assert_places_are_back(&factorial).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fan_outs_that_exceed_the_places_together_all_finish() {
    // Places and memory for one fan-out and a fraction.
    let large_bytes = 4 * hostile::MUCH_BYTES;
    for limits in [
        FEW.with(Limit::Sandboxes, 5),
        FEW.with(Limit::Sandboxes, 8)
            .with(Limit::TotalMemory, 8 * PLACE_BYTES + large_bytes),
    ] {
        let factorial = hostile(&limits).await;
        let jobs = (0..8).map(|job| {
            let factorial = factorial.clone();
            tokio::spawn(async move {
                if job % 2 == 0 {
                    let fanned = fan_out(&factorial, hostile::LARGE_PARTS, THREE).await;
                    fanned.map(|(_, all)| all.len() as u64)
                } else {
                    // Alternates small and large jobs.
                    let request = factorial_of(hostile::HONEST + job);
                    let outcome = run_request(&factorial, request).await;
                    outcome.map(|_| 2 * hostile::PART_BYTES)
                }
            })
        });
        for job in wait_for("all fan-outs", join_all(jobs)).await {
            assert_eq!(job.expect("no panic"), Ok(2 * hostile::PART_BYTES));
        }
        assert_places_are_back(&factorial).await;
        // Memory is released as well: that of four places, which is the whole budget in one
        // case.
        let one = factorial_of(hostile::HONEST);
        let held = join_all((0..4).map(|_| factorial.admit(one)));
        assert!(wait_for("all memory", held).await.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn an_oversized_plan_is_refused_or_runs_in_one_sandbox() {
    let memory_bytes = 8 * PLACE_BYTES + 2 * hostile::MUCH_BYTES;
    for (limits, limit, value, needed) in [
        (FEW.with(Limit::Sandboxes, 2), Limit::Sandboxes, 2, 3),
        (
            FEW.with(Limit::Sandboxes, 8)
                .with(Limit::TotalMemory, memory_bytes),
            Limit::TotalMemory,
            memory_bytes,
            3 * hostile::MUCH_BYTES,
        ),
        (
            FEW.with(Limit::SandboxMemory, hostile::MUCH_BYTES / 2),
            Limit::SandboxMemory,
            hostile::MUCH_BYTES / 2,
            hostile::MUCH_BYTES,
        ),
    ] {
        let factorial = hostile(&limits).await;
        let request = factorial_of(hostile::LARGE_PARTS);
        let refused = FanOut::prepare(&factorial, request, Width::UpTo(3)).await;
        let error = refused.err().expect("no room");
        match &error {
            RunError::TooLarge {
                limit: found,
                value: at,
                needed: all,
                ..
            } => assert_eq!((*found, *at, *all), (limit, value, needed)),
            other => panic!("{other:?}"),
        }
        let text = error.to_string();
        assert!(
            text.contains(&format!("--{} ", limit.spec().flag)),
            "{text}"
        );
    }
    if std::thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        let factorial = hostile(&FEW.with(Limit::Sandboxes, 1)).await;
        let request = factorial_of(hostile::CROSSED);
        let refused = FanOut::prepare(&factorial, request, Width::UpTo(2)).await;
        assert!(matches!(refused.err(), Some(RunError::TooLarge { .. })));
        let (grade, all) = fan_out(&factorial, hostile::CROSSED, Width::Auto)
            .await
            .expect("one sandbox is enough");
        assert_eq!(grade, Grade::Proved, "that is what one sandbox says");
        assert!(all == whole());
    }
}

#[tokio::test]
async fn progress_counts_the_parts() {
    let factorial = hostile(&FEW).await;
    let work = FanOut::prepare(&factorial, factorial_of(hostile::PARTED), THREE)
        .await
        .expect("places");
    let mut progress = work.progress();
    let first = *progress.borrow_and_update();
    assert_eq!(first, Progress { done: 0, all: 3 });
    let (sender, receiver) = channel();
    let counting = async {
        let mut last = 0;
        while progress.changed().await.is_ok() {
            let now = *progress.borrow_and_update();
            assert!(now.done > last && now.all == 3, "{now:?} after {last}");
            last = now.done;
        }
        last
    };
    let (outcome, _, done) = wait_for("the end", async {
        tokio::join!(work.send_to(sender, None), drain(receiver), counting)
    })
    .await;
    assert!(outcome.is_ok());
    assert_eq!(done, 3);
}

/// Forwards bytes from one sandbox to the next, and changes one of them.
async fn carry(mut from: Receiver<Bytes>, to: Sender<Bytes>, change_at: Option<usize>) {
    let mut carried = 0;
    loop {
        match from.recv().await {
            Ok(Some(chunk)) => {
                let mut chunk = chunk.to_vec();
                let at = change_at.and_then(|at| at.checked_sub(carried));
                carried += chunk.len();
                if let Some(byte) = at.and_then(|at| chunk.get_mut(at)) {
                    *byte ^= 1;
                }
                if to.send(chunk.into()).await.is_err() {
                    return;
                }
            }
            Ok(None) => return to.finish(),
            Err(error) => return to.fail(error),
        }
    }
}

/// Runs a plan of three parts without the library's fan-out, and changes a byte on the way from
/// part 0 to the last.
async fn by_hand(change_at: Option<usize>) -> (Result<Grade, RunError>, Vec<u8>) {
    let factorial = hostile(&FEW).await;
    let plan = Plan::make(&factorial, factorial_of(hostile::PARTED), 3).await;
    let plan = plan.expect("a plan");
    assert_eq!(plan.parts().len(), 3);
    let ((out0, from0), (to0, in0)) = (channel(), channel());
    let ((out1, in1), (out2, digits)) = (channel(), channel());
    let (_, _, outcome, (), (all, _)) = wait_for(
        "the end",
        Box::pin(async {
            tokio::join!(
                plan.run_part(0, SEED, vec![], vec![out0]),
                plan.run_part(1, SEED, vec![], vec![out1]),
                plan.run_part(2, SEED, vec![in0, in1], vec![out2]),
                carry(from0, to0, change_at),
                drain(digits),
            )
        }),
    )
    .await;
    (outcome, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_corrupted_between_sandboxes_is_detected() {
    let (outcome, all) = by_hand(None).await;
    assert!(outcome.is_ok() && all == whole(), "{outcome:?}");
    for at in [0, 1_000_000] {
        let (outcome, _) = by_hand(Some(at)).await;
        assert!(
            matches!(&outcome, Err(RunError::Failed(text)) if text.contains("damaged")),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_part_that_fails_by_itself_is_retried_once() {
    for (n, tried) in [
        (hostile::PART_TRAPS_AT_ONCE, Some(1)),
        (hostile::PART_SAYS_FAILED, Some(1)),
        // It waits for other parts, and has read nothing yet.
        (hostile::JOINER_TRAPS_AT_ONCE, Some(2)),
        // Its output was already read.
        (hostile::PART_TRAPS, None),
        // Its reader has seen the end of the stream.
        (hostile::PART_CLOSES_AND_FAILS, None),
        // A limit would stop it again.
        (hostile::PART_TAKES, None),
        // Its input was consumed.
        (hostile::JOINER_TRAPS, None),
    ] {
        let n = n.to_string();
        let failed = run([&["compute", &n, "--fan-out", "3"], &HOSTILE[..]].concat());
        assert_eq!(failed.code, Some(1), "{}", failed.err);
        let outcome: Vec<_> = failed.err.matches("part retried").collect();
        assert_eq!(
            outcome.len(),
            usize::from(tried.is_some()),
            "{n}: {}",
            failed.err
        );
        if let Some(part) = tried {
            let words = format!("part retried part={part} ");
            assert!(failed.err.contains(&words), "{n}: {}", failed.err);
        }
        assert_eq!(
            without_backtraces(&failed.err).lines().count(),
            outcome.len() + 1,
            "{}",
            failed.err
        );
    }
}

#[test]
fn json_reports_the_grade() {
    let parted = hostile::PARTED.to_string();
    let arguments = |more: &[&'static str]| {
        let mut all = vec!["compute".to_owned(), parted.clone(), "--json".to_owned()];
        all.extend(HOSTILE.iter().chain(more).map(|&word| word.to_owned()));
        all
    };
    let proved = &json_lines(&stdout_of(arguments(&["--fan-out", "1"])))[0];
    assert_eq!(proved["grade"], "proved");
    assert!(proved.get("miss_probability").is_none(), "{proved:.100}");
    let three = ["--fan-out", "3", "--seed", "44"];
    let verified = &json_lines(&stdout_of(arguments(&three)))[0];
    assert_eq!(verified["grade"], "verified");
    assert_eq!(verified["products_checked"], 3);
    assert_eq!(verified["products_repeated"], 0);
    assert_eq!(verified["miss_probability"], "2^-44");
    // A retried part is reported although the result is right.
    let outcome = run(arguments(&["--fan-out", "3", "--seed", "13"]));
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
    assert!(
        outcome
            .err
            .contains("wrong products repeated repeated=1 products=3"),
        "{}",
        outcome.err
    );
}

#[test]
fn the_width_is_a_flag_or_a_variable() {
    for wrong in ["0", "65", "two", "-1", ""] {
        let refused = run(["compute", "5", &format!("--fan-out={wrong}")]);
        assert_fails(&refused, 2, &["fan-out", "auto", "1 to 64"]);
    }
    let by_variable = run_command(cocoon(["compute", "5"]).env("COCOON_FAN_OUT", "none"));
    assert_fails(&by_variable, 2, &["1 to 64"]);
    assert_eq!(stdout_of(["compute", "5", "--fan-out", "auto"]), "120\n");
    assert_eq!(stdout_of(["compute", "5", "--fan-out", "64"]), "120\n");
    assert_fails(
        &run(["compute", "5", "--seed", "x"]),
        2,
        &["seed", "18446744073709551615"],
    );
}

#[test]
fn numbers_too_large_fail_for_any_width() {
    for width in ["1", "2", "auto"] {
        let refused = run(["compute", "18446744073709551615", "--fan-out", width]);
        assert_fails(&refused, 1, &["expected a number that fits", "4 GiB"]);
    }
}

#[test]
fn an_explicit_width_that_does_not_fit_is_an_error() {
    let n = hostile::LARGE_PARTS.to_string();
    let few = ["--sandboxes", "2"];
    let arguments = |width| [&["compute", &n, "--fan-out", width], &few[..], &HOSTILE[..]].concat();
    assert_fails(
        &run(arguments("3")),
        1,
        &["sandboxes at once", "got 3", "--sandboxes"],
    );
    let n = hostile::CROSSED.to_string();
    let auto = ["compute", &n, "--sandboxes", "1"];
    let whole = stdout_of([&auto[..], &HOSTILE[..]].concat());
    assert_eq!(whole.len() as u64, 2 * hostile::PART_BYTES + 1);
}

/// The hash of the bundled component's output with this many sandboxes.
fn hash(arguments: &[&str], width: &str) -> String {
    sha256(&stdout_of(
        [&["compute", "--fan-out", width], arguments].concat(),
    ))
}

#[test]
fn the_digits_are_equal_for_any_number_of_sandboxes() {
    for arguments in [
        &["0"][..],
        &["1"],
        &["20000"],
        &["190000"],
        &["190003", "--proved"],
        &["360000", "--kind", "double"],
        &["2100000", "--kind", "primorial"],
        &["30000", "--kind", "subfactorial"],
        &["1060", "--kind", "superfactorial"],
        &["30000", "--format", "scientific:30"],
    ] {
        let one = hash(arguments, "1");
        for width in ["2", "3", "auto", "64"] {
            assert_eq!(hash(arguments, width), one, "{arguments:?} with {width}");
        }
    }
}

/// Two sandboxes would reserve memory for small jobs, which one sandbox needs for itself.
#[test]
fn the_default_width_falls_back_to_one_sandbox() {
    let arguments = ["compute", "1159130", "--total-memory", "41MiB"];
    let refused = run([&arguments[..], &["--fan-out", "2"]].concat());
    assert_fails(&refused, 1, &["--total-memory"]);
    let alone = stdout_of([&arguments[..], &["--fan-out", "1"]].concat());
    assert!(stdout_of(arguments) == alone, "other digits");
}
