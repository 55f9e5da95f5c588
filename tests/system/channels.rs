//! Channels: order, back-pressure, propagation of failure, and readers that stop early.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cocoon::RunError;
use cocoon::channel::{Outlet, Receiver, Sender, channel};
use cocoon::component::Component;
use cocoon::grants::Grants;
use cocoon::limits::{CHANNEL_ITEMS, CHUNK_BYTES, Limit, SMALL_JOB_BYTES};
use cocoon::pool::{Need, Pool};
use cocoon::sandbox::Sandbox;
use cocoon::worlds::factorial::{Factorial, Kind, Request};
use cocoon_test_guests::hostile;
use futures::{StreamExt as _, stream};
use num_bigint::BigUint;

use crate::harness::{
    FEW, SHORT_DEADLINE_MS, drain, engine, factorial_of, file, honest, hostile, run_request,
    wait_for,
};
use crate::pipe::numbers::NumbersWorld;

const JOBS: usize = 1000;
const N_MAX: u64 = 1200;

/// Requests of random cost, from a fixed seed.
fn random_requests() -> Vec<Request> {
    let mut random = fastrand::Rng::with_seed(20_260_101);
    (0..JOBS)
        .map(|_| factorial_of(random.u64(0..=N_MAX)))
        .collect()
}

/// 0! to [`N_MAX`]!, by definition.
fn factorials() -> BTreeMap<u64, String> {
    let numbers = (0..=N_MAX).scan(BigUint::from(1_u8), |product, n| {
        *product *= n.max(1);
        Some((n, product.to_string()))
    });
    numbers.collect()
}

/// Asserts equality without printing thousands of digits.
fn assert_answer(answer: &Result<String, RunError>, expected: &str, index: usize) {
    match answer {
        Ok(answer) => assert!(answer == expected, "answer {index} is wrong: {answer:.40}…"),
        Err(error) => panic!("answer {index}: {error}"),
    }
}

#[tokio::test]
async fn a_thousand_answers_of_one_server_come_in_order() {
    let factorial = honest(&FEW).await;
    let (asked, requests) = channel();
    let (answered, mut answers) = channel::<Result<String, RunError>>();
    let asking = async {
        for (index, request) in random_requests().into_iter().enumerate() {
            asked.send(request).await?;
            // A malformed request keeps its place in the order as well.
            if index % 100 == 0 {
                asked
                    .send(Request::decimal(Kind::Multifactorial(0), 3))
                    .await?;
            }
        }
        asked.finish();
        Ok::<_, RunError>(())
    };
    let reading = async {
        let factorials = factorials();
        for (index, request) in random_requests().iter().enumerate() {
            let answer = answers.recv().await?.expect("an answer for each request");
            assert_answer(&answer, &factorials[&request.n], index);
            if index % 100 == 0 {
                let answer = answers.recv().await?.expect("an answer for each request");
                assert!(matches!(answer, Err(RunError::Malformed(_))), "{answer:?}");
            }
        }
        assert_eq!(answers.recv().await?, None);
        Ok::<_, RunError>(())
    };
    let (asked, served, read) = wait_for("the end", async {
        tokio::join!(asking, factorial.serve(requests, answered), reading)
    })
    .await;
    assert_eq!((asked, served, read), (Ok(()), Ok(()), Ok(())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sandboxes_send_in_order_through_one_channel() {
    let factorial = honest(&FEW).await;
    let (sender, mut answers) = channel();
    let sending = tokio::spawn(async move {
        let jobs = random_requests().into_iter().map(|request| {
            let factorial = factorial.clone();
            let job = tokio::spawn(async move { run_request(&factorial, request).await });
            async move { job.await.expect("no panic") }
        });
        let mut jobs = stream::iter(jobs).buffered(48);
        while let Some(answer) = jobs.next().await {
            sender.send(answer).await.expect("a reader");
        }
        sender.finish();
    });
    let factorials = factorials();
    for (index, request) in random_requests().iter().enumerate() {
        let answer = wait_for("an answer", answers.recv())
            .await
            .expect("no failure")
            .expect("an answer");
        assert_answer(&answer, &factorials[&request.n], index);
    }
    assert_eq!(answers.recv().await, Ok(None));
    sending.await.expect("the sender");
}

/// Runs `count` of the numbers world into `numbers`, and counts the values that were accepted.
async fn count(
    last: u64,
    breaks: bool,
    numbers: Sender<u64>,
    taken: Arc<AtomicU64>,
) -> Result<(), RunError> {
    let engine = engine(&FEW);
    let source = file(cocoon_test_guests::NUMBERS);
    let component = Component::<NumbersWorld>::load(&engine, &source, &Grants::default())
        .await
        .expect("numbers");
    let pool = Pool::new(&engine, component.sandboxes());
    let permit = pool
        .reserve(Need::of_memory(SMALL_JOB_BYTES), &pool.deadline())
        .await?;
    let mut sandbox = Sandbox::new(&component, permit, None).await?;
    let counting = sandbox.run(async |store, component| {
        store
            .run_concurrent(async |accessor| {
                let (outlet, closed) = Outlet::new(&numbers, move |number: u64| {
                    taken.fetch_add(1, Ordering::SeqCst);
                    Ok(number)
                });
                let written = if breaks {
                    component.call_break_after(accessor, last).await?
                } else {
                    component.call_count(accessor, 1, last).await?
                };
                accessor.with(|store| written.pipe(store, outlet))?;
                closed.wait().await;
                Ok(())
            })
            .await?
    });
    let counted = tokio::select! {
        counted = counting => counted,
        () = numbers.reader_gone() => Err(RunError::ReaderGone),
    };
    numbers.end(&counted);
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_suspends_the_writer() {
    let taken = Arc::new(AtomicU64::new(0));
    let (sender, mut numbers) = channel();
    let counting = tokio::spawn(count(1000, false, sender, Arc::clone(&taken)));
    for read in 1..=1000 {
        assert_eq!(wait_for("a number", numbers.recv()).await, Ok(Some(read)));
        // Some pauses are long enough for the writer to run ahead as far as it can.
        if read % 200 == 0 && read < 1000 {
            let ahead = || taken.load(Ordering::SeqCst) - read;
            let full = async {
                while ahead() < CHANNEL_ITEMS as u64 {
                    tokio::task::yield_now().await;
                }
            };
            wait_for("the writer's filling of the channel", full).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(ahead(), CHANNEL_ITEMS as u64, "values without a reader");
        }
    }
    assert_eq!(numbers.recv().await, Ok(None));
    assert_eq!(counting.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn an_absent_reader_suspends_the_writer() {
    let output_bytes = 64 << 20;
    let factorial = hostile(
        &FEW.with(Limit::Stall, SHORT_DEADLINE_MS * 3)
            .with(Limit::Output, output_bytes),
    )
    .await;
    let flood = factorial
        .admit(factorial_of(hostile::FLOOD))
        .await
        .expect("a sandbox");
    let (sender, digits) = channel();
    // Long enough for gigabytes of output: without back-pressure it would exceed the output
    // limit.
    let outcome = flood.send_to(sender).await.map(|_| ());
    assert_eq!(
        outcome,
        Err(RunError::Stopped {
            limit: Limit::Stall,
            value: SHORT_DEADLINE_MS * 3
        })
    );
    let (buffered, seen) = drain(digits).await;
    assert_eq!(seen, outcome);
    let most = CHANNEL_ITEMS * CHUNK_BYTES;
    assert!(
        !buffered.is_empty() && buffered.len() <= most,
        "{} bytes were buffered, over {most}",
        buffered.len()
    );
}

#[tokio::test]
async fn a_failed_writer_is_reported_after_its_last_value() {
    for last in [0, 1, 5, 500] {
        let (sender, mut numbers) = channel();
        let counting = count(last, true, sender, Arc::default());
        let reading = async {
            for number in 1..=last {
                assert_eq!(numbers.recv().await, Ok(Some(number)));
            }
            let end = numbers.recv().await;
            assert!(
                matches!(end, Err(RunError::Trapped { .. })),
                "{end:?} after {last}"
            );
            // Further reads return the same error.
            assert_eq!(numbers.recv().await, end);
        };
        let (counted, ()) = Box::pin(wait_for("the end", async {
            tokio::join!(counting, reading)
        }))
        .await;
        assert!(
            matches!(counted, Err(RunError::Trapped { .. })),
            "{counted:?}"
        );
    }
}

/// Reads the first chunk of a hostile stream, and then drops the reader.
async fn leave(factorial: &Factorial, n: u64) -> Result<(), RunError> {
    let admitted = factorial.admit(factorial_of(n)).await.expect("a sandbox");
    let (sender, mut digits) = channel();
    let sending = tokio::spawn(admitted.send_to(sender));
    assert!(matches!(
        wait_for("a chunk", digits.recv()).await,
        Ok(Some(_))
    ));
    drop(digits);
    let sent = wait_for("the writer's end", sending).await;
    sent.expect("no panic").map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_reader_stops_the_writer_and_releases_its_place() {
    // A deadline of an hour: only the dropped reader can end these jobs.
    let factorial = hostile(&FEW.with(Limit::Sandboxes, 1)).await;
    for n in [
        hostile::FLOOD,
        hostile::WAIT_MIDSTREAM,
        hostile::SPIN_MIDSTREAM,
    ] {
        assert_eq!(leave(&factorial, n).await, Err(RunError::ReaderGone), "{n}");
        let next = wait_for(
            "a free place",
            run_request(&factorial, factorial_of(hostile::HONEST)),
        )
        .await;
        assert_eq!(next.as_deref(), Ok("1000"), "{n}");
    }
}

#[tokio::test]
async fn a_dropped_reader_stops_a_server() {
    let factorial = honest(&FEW.with(Limit::Sandboxes, 1)).await;
    let (requests, incoming) = channel();
    let (outgoing, mut answers) = channel();
    let serving = tokio::spawn({
        let factorial = factorial.clone();
        async move { factorial.serve(incoming, outgoing).await }
    });
    requests.send(factorial_of(5)).await.expect("a server");
    assert_eq!(answers.recv().await, Ok(Some(Ok("120".to_owned()))));
    drop(answers);
    let served = wait_for("the server's end", serving)
        .await
        .expect("no panic");
    assert_eq!(served, Err(RunError::ReaderGone));
    assert_eq!(
        requests.send(factorial_of(5)).await,
        Err(RunError::ReaderGone)
    );
    assert_eq!(
        run_request(&factorial, factorial_of(4)).await.as_deref(),
        Ok("24")
    );
}

#[tokio::test]
async fn a_failure_propagates_through_the_next_sandbox() {
    let factorial = honest(&FEW).await;
    let (numbers, counted) = channel();
    let (asked, requests) = channel();
    let (answered, mut answers) = channel();
    let reading = async {
        for n in 1..=3_u64 {
            let expected: u64 = (1..=n).product();
            assert_eq!(answers.recv().await, Ok(Some(Ok(expected.to_string()))));
        }
        answers.recv().await
    };
    let counting = count(3, true, numbers, Arc::default());
    let asking = forward(counted, asked);
    let serving = factorial.serve(requests, answered);
    let all = Box::pin(async { tokio::join!(counting, asking, serving, reading) });
    let (counted, (), served, seen) = wait_for("the end", all).await;
    let trapped = counted.expect_err("it breaks");
    assert!(matches!(trapped, RunError::Trapped { .. }), "{trapped:?}");
    let upstream = RunError::Upstream(Box::new(trapped));
    assert_eq!(served, Err(upstream.clone()));
    assert_eq!(seen, Err(upstream.clone()));
    assert!(
        upstream
            .to_string()
            .starts_with("the input ended early: the component trapped"),
        "{upstream}"
    );
}

/// Converts numbers to requests, and forwards the end or the error of their channel.
async fn forward(mut numbers: Receiver<u64>, requests: Sender<Request>) {
    loop {
        match numbers.recv().await {
            Ok(Some(n)) => requests.send(factorial_of(n)).await.expect("a server"),
            Ok(None) => return requests.finish(),
            Err(error) => return requests.fail(error),
        }
    }
}
