//! Tokio runtimes of commands.

use cocoon::limits::EXIT_PATIENCE;
use cocoon::machine::{descriptors_max, processors, threads_max};
use tokio::runtime::Builder;
use tracing::Instrument as _;

use super::failure::Failure;
use super::signals::interrupted;
use super::trace;

/// Runs a command until it ends or Ctrl-C drops it, in a trace of its own.
pub(super) fn run(
    name: &'static str,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    run_uninterrupted(name, unless_interrupted(command))
}

/// Runs a command that handles Ctrl-C itself, in a trace of its own.
pub(super) fn run_uninterrupted(
    name: &'static str,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let span = trace::command(name);
    let command = command.instrument(span.clone());
    let result = run_to_end(&mut workers(), command);
    trace::outcome(&span, &result);
    result
}

/// Returns a builder of workers, one for each processor.
///
/// tokio resumes a task that yielded when its worker is idle, or at each event interval. With the
/// default interval of 61 tasks, a stream of short jobs starves a long one. With an interval of 1, a
/// worker could resume the same task again and again.
pub(super) fn workers() -> Builder {
    const TURNS: u32 = 2;
    let mut builder = Builder::new_multi_thread();
    builder.event_interval(TURNS);
    builder
}

/// Returns a builder of workers that run long jobs at a lower priority than the service's own
/// threads, so that short answers do not wait for the end of a time slice: their 99th percentile
/// is 3.5 ms instead of 7 to 12 ms next to four clients that request 1,000,000!.
pub(super) fn nice_workers() -> Builder {
    const NICENESS: i32 = 10;
    let mut builder = workers();
    builder.on_thread_start(|| {
        // On Linux this sets the niceness of this thread alone. Raising niceness never fails.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    });
    builder
}

/// Runs a small command on this thread: a container may allow no other threads.
pub(super) fn run_here(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    enough_descriptors()?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(no_threads)?;
    let result = runtime.block_on(unless_interrupted(command));
    // A thread may still wait for a name lookup.
    runtime.shutdown_timeout(EXIT_PATIENCE);
    result
}

/// Runs the command, unless Ctrl-C drops it.
async fn unless_interrupted(
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        biased;
        failure = interrupted() => Err(failure),
        result = command => result,
    }
}

fn no_threads(error: std::io::Error) -> Failure {
    Failure::Io {
        what: "cannot start threads".to_owned(),
        error,
    }
}

/// Threads besides one worker for each processor: the first, the ticker, and those for blocking
/// calls.
const OTHER_THREADS: u64 = 6;

/// Checks that a command can start its threads: tokio panics or hangs where a thread does not
/// start.
fn enough_threads() -> Result<(), Failure> {
    let needed = OTHER_THREADS + processors() as u64;
    match threads_max() {
        Some(most) if most < needed => Err(Failure::Threads { most, needed }),
        _ => Ok(()),
    }
}

/// Descriptors of standard streams, a runtime, signals, and the files that a command reads.
const DESCRIPTORS: u64 = 20;

/// Checks that a runtime can start: tokio panics where it gets no descriptors for signals.
fn enough_descriptors() -> Result<(), Failure> {
    match descriptors_max() {
        most if most < DESCRIPTORS => Err(Failure::Descriptors {
            most,
            needed: DESCRIPTORS,
        }),
        _ => Ok(()),
    }
}

/// Runs a command that handles signals itself.
pub(super) fn run_to_end(
    threads: &mut Builder,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    enough_descriptors()?;
    enough_threads()?;
    let runtime = threads.enable_all().build().map_err(no_threads)?;
    let result = runtime.block_on(command);
    // A thread may still compile, or block in a write without a reader. All else is dropped
    // before the program ends, with its files.
    runtime.shutdown_timeout(EXIT_PATIENCE);
    result
}
