//! Admission: the queue, the memory budget, and the lane that keeps small jobs from waiting
//! behind large ones.

use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::limits::{Limit, Limits};
use cocoon::machine::Machine;
use cocoon_test_guests::hostile;

use crate::harness::{FAIR_DEADLINE_MS, FEW, factorial_of, honest, hostile, run_request, wait_for};

#[tokio::test]
async fn a_full_queue_returns_a_retryable_busy_error() {
    let factorial = hostile(&FEW.with(Limit::Sandboxes, 1).with(Limit::Queue, 0)).await;
    let (sender, mut digits) = channel();
    let admitted = factorial
        .admit(factorial_of(hostile::FLOOD))
        .await
        .expect("the one place");
    let flooding = tokio::spawn(admitted.send_to(sender));
    assert!(matches!(digits.recv().await, Ok(Some(_))));
    let refused = factorial
        .admit(factorial_of(hostile::HONEST))
        .await
        .err()
        .expect("no room");
    assert_eq!(
        refused,
        RunError::Busy {
            limit: Limit::Queue,
            value: 0
        }
    );
    assert!(refused.may_be_retried());
    assert!(refused.to_string().contains("--queue"), "{refused}");
    drop(digits);
    assert_eq!(
        wait_for("the end", flooding).await.expect("no panic"),
        Err(RunError::ReaderGone)
    );
    let retried = run_request(&factorial, factorial_of(hostile::HONEST)).await;
    assert_eq!(retried.as_deref(), Ok("1000"));
}

#[tokio::test]
async fn the_deadline_includes_time_in_the_queue() {
    let factorial = hostile(
        &FEW.with(Limit::Sandboxes, 1)
            .with(Limit::Deadline, FAIR_DEADLINE_MS),
    )
    .await;
    let held = factorial
        .admit(factorial_of(hostile::HONEST))
        .await
        .expect("the one place");
    let waited = wait_for(
        "the deadline",
        factorial.admit(factorial_of(hostile::HONEST)),
    )
    .await
    .err();
    assert_eq!(
        waited,
        Some(RunError::Stopped {
            limit: Limit::Deadline,
            value: FAIR_DEADLINE_MS
        })
    );
    drop(held);
}

#[tokio::test]
async fn small_jobs_do_not_wait_behind_large_ones() {
    // Four places reserve 8 MiB. The remaining 7 MiB fit one large job, not two.
    const LARGE: u64 = 150_000;
    let limits = FEW
        .with(Limit::Sandboxes, 4)
        .with(Limit::TotalMemory, (8 << 20) + 7 * (1 << 20));
    let factorial = honest(&limits).await;
    let large = factorial
        .admit(factorial_of(LARGE))
        .await
        .expect("room for one");
    let second = factorial.admit(factorial_of(LARGE + 1));
    let mut second = std::pin::pin!(second);
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(100), &mut second).await;
    assert!(waiting.is_err(), "there is no memory for a second one");
    for n in 1..50 {
        let small = run_request(&factorial, factorial_of(n));
        assert!(wait_for("a small job", small).await.is_ok());
    }
    drop(large);
    assert!(wait_for("the second one's turn", second).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_jobs_than_places_all_finish() {
    let factorial = honest(
        &FEW.with(Limit::Sandboxes, 3)
            .with(Limit::TotalMemory, 24 << 20),
    )
    .await;
    let jobs: Vec<_> = (0..300_u64)
        .map(|job| {
            let factorial = factorial.clone();
            // Every tenth job is a large one.
            let n = if job % 10 == 0 { 60_000 } else { job };
            tokio::spawn(async move {
                run_request(&factorial, factorial_of(n))
                    .await
                    .map(|value| value.len())
            })
        })
        .collect();
    for job in jobs {
        let length = wait_for("a job", job)
            .await
            .expect("no panic")
            .expect("an answer");
        assert!(length > 0);
    }
}

#[tokio::test]
async fn a_machine_without_enough_memory_starts_no_engine() {
    let machine = Machine::detect();
    for poor in [
        Machine {
            memory_bytes: 1 << 20,
            ..machine.clone()
        },
        Machine {
            mappings_free: 2000,
            ..machine.clone()
        },
    ] {
        let engine = cocoon::engine::Engine::new(&Limits::COMMANDS, &poor);
        let error = engine.err().expect("no room").to_string();
        assert!(
            error.contains("expected room for one sandbox") && !error.contains('\n'),
            "{error}"
        );
    }
    // Without reserved address space it starts and works.
    let narrow = Machine {
        address_space_bytes: 1 << 30,
        ..machine
    };
    let engine = cocoon::engine::Engine::new(&FEW, &narrow).expect("an engine");
    let factorial =
        cocoon::worlds::factorial::Factorial::load(&engine, &cocoon::worlds::factorial::BUNDLED)
            .await
            .expect("it compiles");
    assert_eq!(
        run_request(&factorial, factorial_of(20)).await.as_deref(),
        Ok("2432902008176640000")
    );
}
