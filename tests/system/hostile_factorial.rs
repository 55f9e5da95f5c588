//! Hostile components of the factorial world: each is stopped by its limit, and the error names
//! that limit.

use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::limits::{Limit, Limits, SMALL_JOB_BYTES};
use cocoon_test_guests::hostile;

use crate::harness::{
    FAIR_DEADLINE_MS, FEW, SHORT_DEADLINE_MS, factorial_of, hostile, run_request, run_streamed,
    wait_for,
};

const SHORT: Limits = FEW.with(Limit::Deadline, SHORT_DEADLINE_MS);
const FAIR: Limits = FEW.with(Limit::Deadline, FAIR_DEADLINE_MS);

/// Returns the error of the job of `n` under `limits`.
async fn error_of(limits: &Limits, n: u64) -> RunError {
    let factorial = hostile(limits).await;
    let outcome = wait_for(
        "the end of a hostile job",
        run_request(&factorial, factorial_of(n)),
    )
    .await;
    // The place is released in every case.
    let honest = wait_for(
        "an honest job",
        run_request(&factorial, factorial_of(hostile::HONEST)),
    )
    .await;
    assert_eq!(honest.as_deref(), Ok("1000"), "after {n}");
    let Err(error) = outcome else {
        panic!("the hostile job {n} has a result")
    };
    error
}

/// Asserts that `error` is `limit` at `value`, and names the flag that raises it.
fn assert_stopped(error: &RunError, limit: Limit, value: u64) {
    assert_eq!(error, &RunError::Stopped { limit, value });
    let text = error.to_string();
    for word in [
        limit.spec().name,
        limit.spec().flag,
        limit.spec().env,
        &limit.format(value),
    ] {
        assert!(text.contains(word), "{text:?} does not name {word:?}");
    }
}

#[tokio::test]
async fn spinning_is_stopped_by_the_deadline() {
    for n in [hostile::COST_SPINS, hostile::SPIN, hostile::SPIN_MIDSTREAM] {
        assert_stopped(
            &error_of(&SHORT, n).await,
            Limit::Deadline,
            SHORT_DEADLINE_MS,
        );
    }
    let factorial = hostile(&SHORT).await;
    let spun = factorial
        .info(cocoon::worlds::factorial::Kind::Factorial, hostile::SPIN)
        .await;
    assert_stopped(
        &spun.expect_err("no facts"),
        Limit::Deadline,
        SHORT_DEADLINE_MS,
    );
}

#[tokio::test]
async fn waiting_without_a_writer_is_stopped_by_the_deadline() {
    for n in [
        hostile::WAIT_FIRST,
        hostile::WAIT_MIDSTREAM,
        hostile::END_SILENTLY,
        hostile::RESOLVE_EARLY,
    ] {
        assert_stopped(
            &error_of(&SHORT, n).await,
            Limit::Deadline,
            SHORT_DEADLINE_MS,
        );
    }
}

#[tokio::test]
async fn the_deadline_is_precise() {
    let factorial = hostile(&SHORT).await;
    let started = std::time::Instant::now();
    let outcome = run_request(&factorial, factorial_of(hostile::SPIN)).await;
    let took_ms = started.elapsed().as_millis();
    assert!(outcome.is_err());
    assert!(
        took_ms >= u128::from(SHORT_DEADLINE_MS),
        "it ended early, after {took_ms} ms"
    );
    assert!(
        took_ms < u128::from(SHORT_DEADLINE_MS) * 10,
        "it took {took_ms} ms"
    );
}

#[tokio::test]
async fn allocation_is_stopped_by_the_sandbox_memory_limit() {
    let limits = FEW.with(Limit::SandboxMemory, hostile::ALL_BYTES);
    let error = error_of(&limits, hostile::TAKE_ALL).await;
    assert_stopped(&error, Limit::SandboxMemory, hostile::ALL_BYTES);
}

#[tokio::test]
async fn allocation_is_stopped_at_the_promise() {
    for (n, promised_bytes) in [
        (hostile::TAKE_MORE, hostile::LITTLE_BYTES),
        (hostile::TAKE_MUCH_MORE, hostile::MUCH_BYTES),
        (hostile::TAKE_MIDSTREAM, hostile::MUCH_BYTES),
        // Before the component promises anything.
        (hostile::COST_TAKES, SMALL_JOB_BYTES),
    ] {
        let error = error_of(&FEW, n).await;
        assert_eq!(error, RunError::OverPromise { promised_bytes }, "{n}");
        let text = error.to_string();
        assert!(text.contains("memory of one sandbox"), "{text}");
        assert!(
            text.contains(&Limit::SandboxMemory.format(promised_bytes)),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_promise_above_the_limit_is_refused_before_the_run() {
    let limits = FEW.with(Limit::SandboxMemory, hostile::MUCH_BYTES / 2);
    let error = hostile(&limits)
        .await
        .admit(factorial_of(hostile::TAKE_MUCH_MORE))
        .await
        .err();
    let error = error.expect("no sandbox may have so much");
    assert_eq!(
        error,
        RunError::TooLarge {
            limit: Limit::SandboxMemory,
            value: hostile::MUCH_BYTES / 2,
            needed: hostile::MUCH_BYTES,
            needs: " for at most 20 digits".into(),
        }
    );
    assert!(error.to_string().contains("--sandbox-memory"), "{error}");
}

#[tokio::test]
async fn recursion_is_stopped_by_the_stack_limit() {
    for stack_bytes in [128 << 10, 512 << 10] {
        let error = error_of(&FEW.with(Limit::Stack, stack_bytes), hostile::RECURSE).await;
        assert_stopped(&error, Limit::Stack, stack_bytes);
    }
}

#[tokio::test]
async fn endless_output_is_stopped_by_the_output_limit() {
    let output_bytes = 1 << 20;
    let limits = FEW.with(Limit::Output, output_bytes);
    assert_stopped(
        &error_of(&limits, hostile::FLOOD).await,
        Limit::Output,
        output_bytes,
    );
    assert_stopped(
        &error_of(&limits, hostile::FLOOD_PROMISED).await,
        Limit::Output,
        output_bytes,
    );
    let factorial = hostile(&limits).await;
    let (outcome, all, seen) = run_streamed(&factorial, factorial_of(hostile::FLOOD))
        .await
        .expect("a sandbox");
    assert_eq!(outcome, seen);
    assert!(
        all.len() as u64 <= output_bytes,
        "{} bytes got through",
        all.len()
    );
}

#[tokio::test]
async fn a_long_reply_counts_as_output() {
    let output_bytes = 20_000;
    let limits = FEW.with(Limit::Output, output_bytes);
    let error = error_of(&limits, hostile::LONG_REPLY).await;
    assert_stopped(&error, Limit::Output, output_bytes);
    // A reply above the contract's maximum is the component's fault, whatever the limit.
    for limits in [limits, FEW] {
        let error = error_of(&limits, hostile::OVERLONG_REPLY).await;
        assert!(
            matches!(&error, RunError::Failed(text) if text.contains("65536")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn panics_and_invalid_replies_are_reported() {
    for n in [hostile::COST_PANICS, hostile::PANIC, hostile::INVALID_REPLY] {
        let error = error_of(&FEW, n).await;
        assert!(matches!(error, RunError::Trapped { .. }), "{n}: {error:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn errors_of_the_component_are_passed_on() {
    for (n, error) in [
        (
            hostile::SAY_FAILED,
            RunError::Failed("it lost count".to_owned()),
        ),
        (
            hostile::FAIL_MIDSTREAM,
            RunError::Failed("the rest is wrong".to_owned()),
        ),
        (
            hostile::REFUSE_DIGITS,
            RunError::OutOfReach("it is too large after all".to_owned()),
        ),
    ] {
        assert_eq!(error_of(&FEW, n).await, error, "{n}");
    }
}

#[tokio::test]
async fn a_broken_stream_yields_its_bytes_and_then_the_failure() {
    let factorial = hostile(&FAIR).await;
    for n in [
        hostile::TRAP_MIDSTREAM,
        hostile::FAIL_MIDSTREAM,
        hostile::END_SILENTLY,
        hostile::SPIN_MIDSTREAM,
        hostile::WAIT_MIDSTREAM,
        hostile::TAKE_MIDSTREAM,
    ] {
        let (outcome, all, seen) = run_streamed(&factorial, factorial_of(n))
            .await
            .expect("a sandbox");
        assert_eq!(all.len() as u64, hostile::BYTES_BEFORE, "{n}");
        assert!(all.iter().all(|&byte| byte == b'7'), "{n}");
        assert_eq!(outcome, seen, "{n}");
        assert!(seen.is_err(), "{n}");
    }
}

#[tokio::test]
async fn a_misbehaving_server_is_stopped_or_fails() {
    for (n, expected) in [
        (
            hostile::DEAF,
            Some(RunError::Stopped {
                limit: Limit::Deadline,
                value: FAIR_DEADLINE_MS,
            }),
        ),
        (
            hostile::SPIN_SERVING,
            Some(RunError::Stopped {
                limit: Limit::Deadline,
                value: FAIR_DEADLINE_MS,
            }),
        ),
        (hostile::TRAP_SERVING, None),
    ] {
        let factorial = hostile(&FAIR).await;
        let (requests, incoming) = channel();
        let (outgoing, mut answers) = channel::<Result<String, RunError>>();
        let asking = async {
            // More than any channel holds, so that a reader that stops reading holds the writer
            // back.
            for _ in 0..5 {
                requests.send(factorial_of(hostile::HONEST)).await?;
            }
            for _ in 0..1000 {
                requests.send(factorial_of(n)).await?;
            }
            Ok::<_, RunError>(())
        };
        let reading = async {
            let mut count = 0;
            loop {
                match answers.recv().await {
                    Ok(Some(answer)) => {
                        assert_eq!(answer.as_deref(), Ok("1000"));
                        count += 1;
                    }
                    Ok(None) => return (count, Ok(())),
                    Err(error) => return (count, Err(error)),
                }
            }
        };
        let (asked, served, (count, seen)) = wait_for("the end", async {
            tokio::join!(asking, factorial.serve(incoming, outgoing), reading)
        })
        .await;
        assert_eq!(
            asked,
            Err(RunError::ReaderGone),
            "the asker is not left waiting"
        );
        assert_eq!(count, 5, "{n}: the answers before are all there");
        assert_eq!(served, seen, "{n}");
        match (&seen, expected) {
            (Err(error), Some(expected)) => assert_eq!(error, &expected),
            (Err(error), None) => assert!(matches!(error, RunError::Trapped { .. }), "{error:?}"),
            (Ok(()), _) => panic!("{n} looks finished"),
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_early_has_failed() {
    let factorial = hostile(&FEW).await;
    let (requests, incoming) = channel();
    let (outgoing, mut answers) = channel();
    let asking = async {
        requests.send(factorial_of(hostile::LEAVE)).await?;
        requests.send(factorial_of(hostile::HONEST)).await?;
        requests.finish();
        Ok::<_, RunError>(())
    };
    let (_, served) = tokio::join!(asking, factorial.serve(incoming, outgoing));
    assert!(
        served.is_err(),
        "a request went unanswered, and that is no success"
    );
    assert!(answers.recv().await.is_err());
}

#[tokio::test]
async fn a_server_with_endless_answers_is_stopped() {
    let output_bytes = 1 << 20;
    let factorial = hostile(
        &SHORT
            .with(Limit::Output, output_bytes)
            .with(Limit::Deadline, 20_000),
    )
    .await;
    let (requests, incoming) = channel();
    let (outgoing, mut answers) = channel::<Result<String, RunError>>();
    let asking = async {
        requests.send(factorial_of(hostile::ANSWER_FOREVER)).await?;
        requests.finish();
        Ok::<_, RunError>(())
    };
    let reading = async {
        let mut bytes = 0;
        loop {
            match answers.recv().await {
                Ok(Some(answer)) => bytes += answer.map_or(0, |answer| answer.len() as u64),
                Ok(None) => return (bytes, Ok(())),
                Err(error) => return (bytes, Err(error)),
            }
        }
    };
    let (_, served, (bytes, seen)) = wait_for("the end", async {
        tokio::join!(asking, factorial.serve(incoming, outgoing), reading)
    })
    .await;
    assert_eq!(served, seen);
    assert!(bytes <= output_bytes, "{bytes} bytes got through");
    let error = served.expect_err("it floods");
    let deadline = RunError::Stopped {
        limit: Limit::Deadline,
        value: 20_000,
    };
    assert_ne!(error, deadline, "it was not stopped for what it did");
}
