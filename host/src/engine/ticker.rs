//! The epoch ticker: a thread that lets every running sandbox look at its
//! deadline and yield to the others once in a [`TICK`].
//!
//! It holds the engines weakly and dies with them; dropping the ticker stops the
//! thread and waits for it.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running sandbox is interrupted. A job past its deadline stops at
/// the next tick that its code reaches. A bulk memory instruction is one step to
/// it and can overshoot: to fill 4 GiB, natively, was measured at 0.6 s where the
/// pages were there, and at 9 s on a busy machine where the kernel had to find them.
pub const TICK: Duration = Duration::from_millis(1);

pub(crate) struct Ticker {
    engines: Arc<Mutex<Vec<EngineWeak>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &wasmtime::Engine) -> io::Result<Self> {
        let engines = Arc::new(Mutex::new(vec![engine.weak()]));
        let (stop, stopped) = channel();
        let ticked = Arc::clone(&engines);
        let thread = Builder::new().name("epoch".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let mut engines = lock(&ticked);
                engines.retain(|engine| match engine.upgrade() {
                    Some(engine) => {
                        engine.increment_epoch();
                        true
                    }
                    None => false,
                });
                if engines.is_empty() {
                    return;
                }
            }
        })?;
        Ok(Self {
            engines,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Has sandboxes of one more engine take turns.
    pub(super) fn add(&self, engine: &wasmtime::Engine) {
        lock(&self.engines).push(engine.weak());
    }
}

/// Whoever held the lock last left a list.
fn lock(engines: &Mutex<Vec<EngineWeak>>) -> MutexGuard<'_, Vec<EngineWeak>> {
    engines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread never panics; there is nothing to learn from it.
            let _ = thread.join();
        }
    }
}
