//! A pipeline of two sandboxes: the first one counts, and the second one answers each number
//! with its factorial.
//!
//! `cargo run --release -p cocoon --example pipe` prints 1! to 10!.
//!
//! A `stream` of the component model belongs to one store and ends with it. A channel of the
//! host connects the two stores: an outlet takes the values that the first component writes,
//! and an inlet passes them to the second. The channel is bounded, so back-pressure holds the
//! faster side back. It also carries failure: if the first component traps, the second is
//! stopped with that cause, and does not mistake the values so far for the whole stream.

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
    // This macro makes all generic layers run components of the world.
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
/// The error that stopped either sandbox.
pub async fn factorials(first: u64, last: u64) -> anyhow::Result<Vec<String>> {
    let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
    let file = Source::File(cocoon_test_guests::NUMBERS.into());
    let counter = Component::load(&engine, &file, &Grants::default()).await?;
    let factorial = Factorial::load(&engine, &BUNDLED).await?;

    // Two channels: from the counter to the factorial, and from there to the caller.
    let (request_writer, requests) = channel();
    let (answer_writer, mut answers) = channel();
    // Three coroutines, which the channels suspend and resume.
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

/// Runs the counter in its own sandbox, until it has counted to `last` or the reader is gone.
async fn count(
    counter: &Component<NumbersWorld>,
    first: u64,
    last: u64,
    requests: Sender<Request>,
) -> Result<(), RunError> {
    let counted = count_with(counter, first, last, &requests).await;
    // The channel ends as the counter does: finished or failed.
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
                // The outlet maps each value: a number to a request.
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
