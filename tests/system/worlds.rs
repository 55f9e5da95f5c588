//! The generic layers with a world that they do not know: `numbers`.

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Inlet, byte_outlet, channel};
use cocoon::component::{Component, World};
use cocoon::grants::Grants;
use cocoon::limits::{Limit, SMALL_JOB_BYTES};
use cocoon::pool::{Need, Pool};
use cocoon::sandbox::Sandbox;
use cocoon::worlds::command::Program;
use cocoon::worlds::factorial::{BUNDLED, FactorialWorld};
use wasmtime::component::StreamReader;

use crate::harness::{FEW, SHORT_DEADLINE_MS, drain, engine, file, wait_for};
use crate::pipe;
use crate::pipe::numbers::NumbersWorld;

async fn sandbox(limits: &cocoon::limits::Limits) -> Sandbox<NumbersWorld> {
    let engine = engine(limits);
    let source = file(cocoon_test_guests::NUMBERS);
    let component = Component::load(&engine, &source, &Grants::default())
        .await
        .expect("numbers");
    let pool = Pool::new(&engine, component.sandboxes());
    let permit = pool
        .reserve(Need::of_memory(SMALL_JOB_BYTES), &pool.deadline())
        .await
        .expect("a place");
    Sandbox::new(&component, permit, None)
        .await
        .expect("a sandbox")
}

#[tokio::test]
async fn functions_of_another_world_can_be_called() {
    let mut sandbox = sandbox(&FEW).await;
    for n in [0, 1, 21, 1 << 60] {
        let doubled = sandbox
            .run(async |store, numbers| numbers.call_double(store, n).await)
            .await;
        assert_eq!(doubled, Ok(2 * n));
    }
    assert!(sandbox.memory_bytes() > 0 && sandbox.memory_bytes() <= SMALL_JOB_BYTES);
}

#[tokio::test]
async fn a_component_echoes_bytes_between_channels() {
    let mut sandbox = sandbox(&FEW).await;
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|i| i.to_le_bytes()[i as usize % 3])
        .collect();
    let (writer, incoming) = channel::<Bytes>();
    let (outgoing, reader) = channel::<Bytes>();
    let writing = async {
        for chunk in sent.chunks(33_333) {
            writer
                .send(Bytes::copy_from_slice(chunk))
                .await
                .expect("a reader");
        }
        writer.finish();
    };
    let echoing = async {
        let echoed = sandbox
            .run(async |store, numbers| {
                store
                    .run_concurrent(async |accessor| {
                        let (outlet, closed) = byte_outlet(&outgoing, 1 << 20, None);
                        let bytes = accessor
                            .with(|store| StreamReader::new(store, Inlet::bytes(incoming)))?;
                        let echoed = numbers.call_echo(accessor, bytes).await?;
                        accessor.with(|store| echoed.pipe(store, outlet))?;
                        closed.wait().await;
                        Ok(())
                    })
                    .await?
            })
            .await;
        outgoing.end(&echoed);
        echoed
    };
    let ((), echoed, (received, end)) = wait_for("the echo", async {
        tokio::join!(writing, echoing, drain(reader))
    })
    .await;
    assert_eq!((echoed, end), (Ok(()), Ok(())));
    assert!(
        received == sent,
        "{} bytes of {} came back right",
        received.len(),
        sent.len()
    );
}

#[tokio::test]
async fn a_component_that_never_reads_suspends_its_writer() {
    let mut sandbox = sandbox(&FEW.with(Limit::Deadline, SHORT_DEADLINE_MS)).await;
    let (writer, incoming) = channel::<u64>();
    let writing = async {
        let mut sent = 0;
        while writer.send(sent).await.is_ok() {
            sent += 1;
        }
        sent
    };
    // The sandbox is dropped at its deadline, and with it the channel.
    let ignoring = async move {
        sandbox
            .run(async |store, numbers| {
                store
                    .run_concurrent(async |accessor| {
                        let inlet = Inlet::new(incoming, |number| number);
                        let values = accessor.with(|store| StreamReader::new(store, inlet))?;
                        let _never = numbers.call_ignore(accessor, values).await?;
                        std::future::pending::<wasmtime::Result<()>>().await
                    })
                    .await?
            })
            .await
    };
    let (sent, outcome) = wait_for("the deadline", async { tokio::join!(writing, ignoring) }).await;
    assert_eq!(
        outcome,
        Err(RunError::Stopped {
            limit: Limit::Deadline,
            value: SHORT_DEADLINE_MS
        })
    );
    // The capacity of the channel, and one value that the store may hold for a read.
    let most = cocoon::limits::CHANNEL_ITEMS as u64 + 1;
    assert!(sent <= most, "{sent} values without a reader");
}

#[tokio::test]
async fn a_component_of_another_world_is_refused_by_name() {
    async fn refusal<W: World>(path: &str) -> String {
        let loaded = Component::<W>::load(&engine(&FEW), &file(path), &Grants::default()).await;
        let text = loaded.err().expect("another world").to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }
    let text = refusal::<FactorialWorld>(cocoon_test_guests::NUMBERS).await;
    assert!(text.contains("cocoon:factorial/factorial"), "{text}");
    let text = refusal::<Program>(cocoon_test_guests::NUMBERS).await;
    assert!(text.contains("wasi:cli/run"), "{text}");
    let text = refusal::<NumbersWorld>(cocoon_test_guests::HOSTILE_PROGRAM).await;
    assert!(text.contains("no export `break-after`"), "{text}");
}

#[tokio::test]
async fn the_bundled_component_is_also_a_program() {
    let engine = engine(&FEW);
    let program = Component::<Program>::load(&engine, &BUNDLED, &Grants::default()).await;
    assert!(program.is_ok(), "{:?}", program.err());
}

#[tokio::test]
async fn the_pipe_example_connects_two_sandboxes() {
    let lines = wait_for("the pipeline", pipe::factorials(1, 10))
        .await
        .expect("factorials");
    let expected: Vec<String> = (1..=10)
        .map(|n| (1..=n).product::<u64>().to_string())
        .collect();
    assert_eq!(lines, expected);
    // More than the channels hold, so that they have to move.
    let many = wait_for("the pipeline", pipe::factorials(0, 20))
        .await
        .expect("factorials");
    assert_eq!(many.len(), 21);
    assert_eq!(many.last().map(String::as_str), Some("2432902008176640000"));
}
