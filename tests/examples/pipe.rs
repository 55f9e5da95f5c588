//! A pipeline of two sandboxes: the first one counts, the second one answers
//! each number with its factorial.
//!
//! `cargo run --release -p cocoon --example pipe` prints 1! to 10!.
//!
//! A `stream` of the component model lives inside one store and ends with it. So
//! between the two lies a channel of the host's: an outlet takes what the first
//! component writes, and an inlet feeds it to the second. The channel is bounded,
//! so that neither runs away from the other, and it carries failure: were the
//! first component to trap, the second would be stopped with that as its reason,
//! and would not take what came so far for all there is.

use cocoon::RunError;
use cocoon::channel::{Outlet, Sender, channel};
use cocoon::component::{Component, Source};
use cocoon::engine::Engine;
use cocoon::grants::Grants;
use cocoon::limits::{Limits, SMALL_JOB_BYTES};
use cocoon::machine::Machine;
use cocoon::pool::{Need, Pool};
use cocoon::sandbox::Sandbox;
use cocoon::worlds::factorial::{BUNDLED, Factorial, Kind, Request};

/// The bindings of a world that Cocoon does not know.
pub mod numbers {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::pedantic,
        reason = "generated from `numbers.wit`, which documents every item"
    )]
    wasmtime::component::bindgen!({
        path: "../tests/guests/components/numbers/wit",
        world: "cocoon:numbers/numbers",
        exports: { default: async },
    });
    // With this, everything generic runs components of that world too.
    cocoon::world!(
        /// Components of the world `cocoon:numbers/numbers`.
        NumbersWorld,
        NumbersPre<cocoon::grants::State>,
        Numbers
    );
}
use numbers::NumbersWorld;

/// The factorials of `first` to `last`, in order.
///
/// # Errors
///
/// What stopped either sandbox.
pub async fn factorials(first: u64, last: u64) -> anyhow::Result<Vec<String>> {
    let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
    let file = Source::File(cocoon_test_guests::NUMBERS.into());
    let counter = Component::load(&engine, &file, &Grants::default()).await?;
    let factorial = Factorial::load(&engine, &BUNDLED).await?;

    // Two channels: from the counter to the factorial, and from there to us.
    let (request_writer, requests) = channel();
    let (answer_writer, mut answers) = channel();
    // Three coroutines, which take turns as the channels let them.
    let counting = count(&counter, first, last, request_writer);
    let serving = factorial.serve(requests, answer_writer);
    let reading = async {
        let mut lines = Vec::new();
        while let Some(answer) = answers.recv().await? {
            lines.push(answer?);
        }
        Ok(lines)
    };
    let (counted, served, lines) = tokio::join!(counting, serving, reading);
    counted?;
    served?;
    lines
}

/// Runs the counter in a sandbox of its own, until it has counted to `last` or
/// nobody listens any more.
async fn count(
    counter: &Component<NumbersWorld>,
    first: u64,
    last: u64,
    requests: Sender<Request>,
) -> Result<(), RunError> {
    let counted = count_with(counter, first, last, &requests).await;
    // The last word decides what the reader is told: an end, or a failure.
    requests.end(&counted);
    counted
}

async fn count_with(
    counter: &Component<NumbersWorld>,
    first: u64,
    last: u64,
    requests: &Sender<Request>,
) -> Result<(), RunError> {
    let pool = Pool::new(counter.engine(), counter.sandboxes());
    let permit = pool
        .reserve(Need::of_memory(SMALL_JOB_BYTES), &pool.deadline())
        .await?;
    let mut sandbox = Sandbox::new(counter, permit, None).await?;
    let counting = sandbox.run(async |store, component| {
        store
            .run_concurrent(async |accessor| {
                let numbers = component.call_count(accessor, first, last).await?;
                // The outlet maps each value on its way: a number to a request.
                let (outlet, closed) =
                    Outlet::new(requests, |n: u64| Ok(Request::decimal(Kind::Factorial, n)));
                accessor.with(|store| numbers.pipe(store, outlet))?;
                closed.wait().await;
                Ok(())
            })
            .await?
    });
    tokio::select! {
        counted = counting => counted,
        () = requests.reader_gone() => Err(RunError::ReaderGone),
    }
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    for (n, value) in (1..).zip(factorials(1, 10).await?) {
        println!("{n}! = {value}");
    }
    Ok(())
}
