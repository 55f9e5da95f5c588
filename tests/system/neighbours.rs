//! Honest jobs run beside hostile ones, and finish with the right digits while these still run.

use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::limits::{Limit, Limits};
use cocoon::worlds::factorial::Factorial;
use cocoon_test_guests::hostile;
use futures::future::join_all;

use crate::harness::{FEW, engine, factorial_of, file, run_request, wait_for};

/// The number of concurrent honest jobs.
const JOBS: u64 = 100;

const LIMITS: Limits = FEW
    .with(Limit::Sandboxes, 256)
    .with(Limit::Output, 64 << 20)
    .with(Limit::SandboxMemory, hostile::ALL_BYTES)
    // Longer than the honest jobs take, so that the hostile ones outlast them.
    .with(Limit::Deadline, 60_000);

/// Computes 20,000! to 20,099! concurrently, each in its own sandbox.
async fn honest_jobs(factorial: &Factorial) -> Vec<Result<String, RunError>> {
    let jobs = (0..JOBS).map(|job| {
        let factorial = factorial.clone();
        tokio::spawn(async move { run_request(&factorial, factorial_of(20_000 + job)).await })
    });
    join_all(jobs)
        .await
        .into_iter()
        .map(|job| job.expect("no panic"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_honest_jobs_finish_beside_hostile_ones() {
    // One engine, whose ticker, slots and threads all jobs share.
    let engine = engine(&LIMITS);
    let honest = Factorial::load(&engine, &cocoon::worlds::factorial::BUNDLED)
        .await
        .expect("honest");
    let hostile = Factorial::load(&engine, &file(cocoon_test_guests::HOSTILE_FACTORIAL))
        .await
        .expect("hostile");

    let undisturbed = honest_jobs(&honest).await;

    let mut busy = Vec::new();
    for n in [
        hostile::COST_SPINS,
        hostile::SPIN,
        hostile::SPIN_MIDSTREAM,
        hostile::WAIT_MIDSTREAM,
        hostile::FLOOD,
        hostile::END_SILENTLY,
    ] {
        for _ in 0..4 {
            let hostile = hostile.clone();
            busy.push(tokio::spawn(async move {
                run_request(&hostile, factorial_of(n)).await
            }));
        }
    }
    // These jobs end at once and are restarted again and again.
    let restless = tokio::spawn({
        let hostile = hostile.clone();
        async move {
            loop {
                for n in [
                    hostile::TAKE_ALL,
                    hostile::TAKE_MORE,
                    hostile::RECURSE,
                    hostile::PANIC,
                    hostile::TRAP_MIDSTREAM,
                ] {
                    assert!(run_request(&hostile, factorial_of(n)).await.is_err());
                }
            }
        }
    });
    // A reader that never reads, so that its writer stays suspended.
    let (sender, unread) = channel();
    let flooding = hostile
        .admit(factorial_of(hostile::FLOOD))
        .await
        .expect("a sandbox");
    busy.push(tokio::spawn(async move {
        flooding.send_to(sender).await.map(|_| String::new())
    }));
    // The first of them have started before the honest jobs do.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }

    let disturbed = wait_for("the honest jobs' end", honest_jobs(&honest)).await;
    assert!(
        !restless.is_finished(),
        "the restless ones were there to the end"
    );
    let spinning = busy.iter().filter(|job| !job.is_finished()).count();
    assert!(
        spinning >= 12,
        "only {spinning} hostile jobs were there to the end"
    );
    drop(unread);
    for job in busy {
        job.abort();
    }
    restless.abort();

    for (job, (before, beside)) in undisturbed.iter().zip(&disturbed).enumerate() {
        let before = before.as_ref().expect("an undisturbed job");
        assert_eq!(beside.as_ref(), Ok(before), "job {job}");
    }
    assert_eq!(disturbed.len() as u64, JOBS);
}
