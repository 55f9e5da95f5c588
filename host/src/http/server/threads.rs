//! The threads that drive connections, one for each processor, each with an event
//! loop of its own.
//!
//! A connection stays on its thread, and so do short answers: no other thread has to be woken.
//! Long jobs run on the workers of the runtime that the service was made in. The threads live
//! as long as the server.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio_util::sync::CancellationToken;

use crate::machine::processors;

/// Polls of tasks before a thread polls its sockets. One may take a millisecond while a sandbox
/// computes.
const TURNS: u32 = 16;

/// The threads. Dropping the value ends them and their tasks.
pub(super) struct Threads {
    threads: Vec<Thread>,
    end: CancellationToken,
}

struct Thread {
    runtime: Handle,
    /// Has one more reference for each connection.
    connections: Arc<()>,
    running: Option<JoinHandle<()>>,
}

/// A connection's place on one of them.
pub(super) struct Seat {
    pub(super) runtime: Handle,
    _counted: Arc<()>,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let threads = (0..processors()).map(|_| Thread::start(end.clone()));
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
            end,
        })
    }

    /// A place on the thread that has the fewest connections.
    pub(super) fn seat(&self) -> Option<Seat> {
        let connections = |thread: &&Thread| Arc::strong_count(&thread.connections);
        let thread = self.threads.iter().min_by_key(connections)?;
        Some(Seat {
            runtime: thread.runtime.clone(),
            _counted: Arc::clone(&thread.connections),
        })
    }
}

impl Thread {
    fn start(end: CancellationToken) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(TURNS)
            .build()?;
        let handle = runtime.handle().clone();
        let running = Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(end.cancelled());
            runtime.shutdown_background();
        })?;
        Ok(Self {
            runtime: handle,
            connections: Arc::new(()),
            running: Some(running),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end.cancel();
        for thread in &mut self.threads {
            if let Some(running) = thread.running.take() {
                // A panic there has been reported already.
                let _ = running.join();
            }
        }
    }
}
