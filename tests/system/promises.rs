//! The promise of memory: sufficient for a sandbox that is capped at it, and at most twice the
//! memory in use.

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Promise, Sender, byte_outlet, channel};
use cocoon::component::Component;
use cocoon::grants::Grants;
use cocoon::limits::{LINEAR_MEMORY_BYTES, REPLY_BYTES};
use cocoon::pool::{Need, Pool};
use cocoon::sandbox::Sandbox;
use cocoon::worlds::factorial::{BUNDLED, Estimate, FactorialWorld, Format, Kind, Request};

use crate::contract::kinds;
use crate::harness::{FEW, drain, engine, wait_for};

struct Bench {
    component: Component<FactorialWorld>,
    pool: Pool,
}

impl Bench {
    async fn new() -> Self {
        let engine = engine(&FEW);
        let component = Component::load(&engine, &BUNDLED, &Grants::default())
            .await
            .expect("the component");
        let pool = Pool::new(&engine, component.sandboxes());
        Self { component, pool }
    }

    async fn sandbox(&self, cap_bytes: u64) -> Sandbox<FactorialWorld> {
        let permit = self
            .pool
            .reserve(Need::of_memory(cap_bytes), &self.pool.deadline())
            .await
            .expect("a place");
        Sandbox::new(&self.component, permit, None)
            .await
            .expect("a sandbox")
    }

    async fn cost(&self, request: Request) -> Estimate {
        let mut sandbox = self.sandbox(1 << 20).await;
        let cost = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_cost(store, request)
                    .await
            })
            .await
            .expect("no trap");
        cost.expect("a sensible request")
    }

    /// Returns the memory that the request uses under a cap of `cap_bytes`.
    async fn used_bytes(&self, request: Request, cap_bytes: u64) -> Result<u64, RunError> {
        let mut sandbox = self.sandbox(cap_bytes).await;
        let cost = self.cost(request).await;
        if cost.output_bytes.most() <= Some(REPLY_BYTES) {
            let answered = sandbox
                .run(async |store, component| {
                    component
                        .cocoon_factorial_factorial()
                        .call_compute(store, request)
                        .await
                })
                .await?;
            assert!(answered.is_ok(), "{request:?}");
            return Ok(sandbox.memory_bytes());
        }
        let (sender, receiver) = channel();
        let (streamed, (digits, _)) =
            tokio::join!(stream(&mut sandbox, request, sender), drain(receiver));
        streamed?;
        assert!(
            Some(digits.len() as u64) <= cost.output_bytes.most(),
            "{request:?}"
        );
        Ok(sandbox.memory_bytes())
    }
}

async fn stream(
    sandbox: &mut Sandbox<FactorialWorld>,
    request: Request,
    digits: Sender<Bytes>,
) -> Result<(), RunError> {
    sandbox
        .run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let component = component.cocoon_factorial_factorial();
                    let Ok((written, done)) = component.call_digits(accessor, request, 0).await?
                    else {
                        panic!("{request:?} is refused");
                    };
                    let (outlet, closed) = byte_outlet(&digits, u64::MAX, None);
                    let (resolved, resolution) = tokio::sync::oneshot::channel();
                    accessor.with(|mut store| {
                        written.pipe(&mut store, outlet)?;
                        done.pipe(&mut store, Promise::new(resolved))
                    })?;
                    closed.wait().await;
                    assert!(
                        matches!(resolution.await, Ok(Ok(_))),
                        "{request:?} is finished"
                    );
                    Ok(())
                })
                .await?
        })
        .await?;
    digits.finish();
    Ok(())
}

/// Asserts that the promise suffices for the request, and is at most `percent_max` of what it uses.
async fn check_within(bench: &Bench, request: Request, percent_max: u64) {
    let promised = bench.cost(request).await.peak_bytes.expect("within reach");
    let used = wait_for("the answer", bench.used_bytes(request, 1 << 30))
        .await
        .expect("a sandbox");
    assert!(
        used <= promised,
        "{request:?}: {promised} bytes promised and {used} used"
    );
    assert!(
        promised * 100 <= percent_max * used,
        "{request:?}: {promised} bytes promised and only {used} used"
    );
    // The request also finishes under a cap of exactly the promise.
    let capped = wait_for("the answer", bench.used_bytes(request, promised)).await;
    assert_eq!(capped, Ok(used), "{request:?} within its promise");
}

async fn check(bench: &Bench, request: Request) {
    check_within(bench, request, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_of_memory_is_sufficient_and_close() {
    let bench = Bench::new().await;
    for n in [
        0, 1, 20, 100, 450, 1000, 1558, 2000, 3000, 5000, 9000, 17_000, 18_000, 30_000, 60_000,
        100_000,
    ] {
        check(&bench, Request::decimal(Kind::Factorial, n)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_holds_for_every_kind_and_format() {
    let bench = Bench::new().await;
    for kind in kinds() {
        let some = match kind {
            Kind::Superfactorial | Kind::Hyperfactorial => [3, 80, 230],
            _ => [10, 3000, 20_000],
        };
        for n in some {
            check(&bench, Request::decimal(kind, n)).await;
            check(
                &bench,
                Request {
                    kind,
                    n,
                    format: Format::Scientific(50),
                    proved: false,
                },
            )
            .await;
        }
    }
}

/// The proofs of 17,306! to 17,928! start again in shorter limbs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_holds_for_proved_numbers() {
    let bench = Bench::new().await;
    let factorials = [9000, 17_305, 17_306, 17_600, 17_928, 17_929, 30_000, 60_000];
    let factorials = factorials.map(|n| (Kind::Factorial, n)).into_iter();
    // These have about 50,000 to 70,000 digits.
    let others = kinds().map(|kind| match kind {
        Kind::Multifactorial(step @ 2..=100) => (kind, 17_600 * u64::from(step)),
        Kind::Primorial => (kind, 150_000),
        Kind::Superfactorial | Kind::Hyperfactorial => (kind, 250),
        _ => (kind, 17_600),
    });
    for (kind, n) in factorials.chain(others) {
        check_within(&bench, Request::decimal(kind, n).proved(), 250).await;
    }
}

#[tokio::test]
async fn numbers_beyond_32_bit_memory_are_not_promised() {
    let bench = Bench::new().await;
    let mut last = 0;
    for n in (1..40).map(|i| i * 10_000_000) {
        match bench
            .cost(Request::decimal(Kind::Factorial, n))
            .await
            .peak_bytes
        {
            Some(bytes) => {
                assert!(
                    bytes >= last && bytes <= LINEAR_MEMORY_BYTES,
                    "{n}!: {bytes} after {last}"
                );
                last = bytes;
            }
            None => {
                return assert!(
                    last > LINEAR_MEMORY_BYTES / 2,
                    "{n}! is given up at {last} bytes"
                );
            }
        }
    }
    panic!("400,000,000! is said to fit into 4 GiB");
}
