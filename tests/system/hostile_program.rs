//! Hostile programs, through the library: each is stopped by its limit, and its reader sees the
//! failure.

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::component::Component;
use cocoon::grants::Grants;
use cocoon::limits::{CHANNEL_ITEMS, CHUNK_BYTES, Limit, Limits};
use cocoon::pool::Pool;
use cocoon::worlds::command::{self, Exit, Program, Start, Stream};
use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{FEW, SHORT_DEADLINE_MS, engine, file, wait_for};

pub(crate) const SMALL: Limits = FEW
    .with(Limit::SandboxMemory, 16 << 20)
    .with(Limit::Output, 1 << 20);

pub(crate) struct Bench {
    pool: Pool,
    component: Component<Program>,
    grants: Grants,
}

impl Bench {
    pub(crate) async fn new(limits: &Limits, grants: Grants) -> Self {
        let engine = engine(limits);
        let component = Component::load(&engine, &file(HOSTILE_PROGRAM), &grants)
            .await
            .expect("the program");
        Self {
            pool: Pool::new(&engine, component.sandboxes()),
            component,
            grants,
        }
    }

    /// Runs the program. Returns its output, the outcome that the reader saw, and the outcome
    /// of the run.
    pub(crate) async fn run(
        &self,
        argument: &str,
    ) -> (Vec<u8>, Result<(), RunError>, Result<Exit, RunError>) {
        let (sender, mut output) = channel();
        let running = self.start(argument, sender);
        let reading = async {
            let mut text = Vec::new();
            loop {
                match output.recv().await {
                    Ok(Some((Stream::Out, bytes))) => text.extend_from_slice(&bytes),
                    Ok(Some((Stream::Err, _))) => {}
                    Ok(None) => return (text, Ok(())),
                    Err(error) => return (text, Err(error)),
                }
            }
        };
        let (ran, (text, seen)) = wait_for("the program's end", async {
            tokio::join!(running, reading)
        })
        .await;
        (text, seen, ran)
    }

    async fn start(
        &self,
        arguments: &str,
        output: cocoon::channel::Sender<(Stream, Bytes)>,
    ) -> Result<Exit, RunError> {
        let arguments = ["program"]
            .into_iter()
            .chain(arguments.split(' '))
            .map(str::to_owned)
            .collect();
        let start = Start {
            arguments,
            ..Start::default()
        };
        command::run(
            &self.pool,
            &self.component,
            &self.grants,
            start,
            &self.pool.deadline(),
            output,
        )
        .await
    }

    pub(crate) async fn assert_stopped(&self, argument: &str, limit: Limit) {
        let value = self.pool.limits().get(limit);
        let expected = RunError::Stopped { limit, value };
        let (_, seen, ran) = self.run(argument).await;
        assert_eq!(ran, Err(expected.clone()), "{argument}");
        assert_eq!(seen, Err(expected), "{argument}");
    }
}

#[tokio::test]
async fn each_kind_of_harm_is_stopped_by_its_limit() {
    let bench = Bench::new(&SMALL.with(Limit::Deadline, 5000), Grants::default()).await;
    bench.assert_stopped("take", Limit::SandboxMemory).await;
    bench.assert_stopped("recurse", Limit::Stack).await;
    bench.assert_stopped("flood", Limit::Output).await;
    bench.assert_stopped("flood-both", Limit::Output).await;
    // A program that was not stopped still works.
    let (text, seen, ran) = bench.run("say well").await;
    assert_eq!((text.as_slice(), seen), (&b"well\n"[..], Ok(())));
    assert!(matches!(ran, Ok(Exit { code: 0, .. })), "{ran:?}");
}

#[tokio::test]
async fn spinning_and_sleeping_are_stopped_by_the_deadline() {
    let limits = SMALL.with(Limit::Deadline, SHORT_DEADLINE_MS);
    let bench = Bench::new(&limits, Grants::default()).await;
    bench.assert_stopped("spin", Limit::Deadline).await;
    bench.assert_stopped("sleep", Limit::Deadline).await;
}

#[tokio::test]
async fn a_trap_follows_the_earlier_output() {
    let bench = Bench::new(&SMALL, Grants::default()).await;
    let (text, seen, ran) = bench.run("trap-after it").await;
    assert_eq!(text, b"it\n");
    assert!(matches!(seen, Err(RunError::Trapped { .. })), "{seen:?}");
    assert!(matches!(ran, Err(RunError::Trapped { .. })), "{ran:?}");
}

#[tokio::test]
async fn unread_output_suspends_the_program() {
    let limits = FEW
        .with(Limit::Deadline, SHORT_DEADLINE_MS * 3)
        .with(Limit::SandboxMemory, 16 << 20);
    let bench = Bench::new(&limits.with(Limit::Output, 64 << 20), Grants::default()).await;
    let (sender, mut output) = channel();
    let ran = wait_for("the deadline", bench.start("flood", sender)).await;
    let deadline = RunError::Stopped {
        limit: Limit::Deadline,
        value: SHORT_DEADLINE_MS * 3,
    };
    assert_eq!(ran, Err(deadline.clone()), "and not the limit of output");
    let mut buffered = 0;
    let end = loop {
        match output.recv().await {
            Ok(Some((_, bytes))) => buffered += bytes.len(),
            Ok(None) => panic!("it looks finished"),
            Err(error) => break error,
        }
    };
    assert_eq!(end, deadline);
    assert!(
        buffered > 0 && buffered <= CHANNEL_ITEMS * CHUNK_BYTES,
        "{buffered} bytes were buffered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_reader_stops_the_program() {
    let bench = Bench::new(
        &FEW.with(Limit::Sandboxes, 1)
            .with(Limit::SandboxMemory, 16 << 20),
        Grants::default(),
    )
    .await;
    let (sender, mut output) = channel();
    let leaving = async {
        assert!(matches!(output.recv().await, Ok(Some(_))));
        drop(output);
    };
    let (ran, ()) = wait_for("the program's end", async {
        tokio::join!(bench.start("flood", sender), leaving)
    })
    .await;
    // The program sees a closed stream, as under any other host, or is stopped.
    assert!(!matches!(ran, Ok(Exit { code: 0, .. })), "{ran:?}");
    let (text, ..) = bench.run("say free").await;
    assert_eq!(text, b"free\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_reader_stops_a_silent_program() {
    let bench = Bench::new(
        &FEW.with(Limit::Sandboxes, 1)
            .with(Limit::SandboxMemory, 16 << 20),
        Grants::default(),
    )
    .await;
    let (sender, output) = channel();
    drop(output);
    let ran = wait_for("the program's end", bench.start("spin", sender)).await;
    assert_eq!(ran, Err(RunError::ReaderGone));
}
