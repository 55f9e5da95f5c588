//! The epoch ticker: a thread that makes every running sandbox check its deadline once in a
//! [`TICK`], and yield to the others if its turn ends.
//!
//! It holds the engines weakly and dies with them; dropping the ticker stops the
//! thread and waits for it.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// The time between two interrupts of a running sandbox. A job past its deadline stops at the next
/// interrupt that its code checks. A bulk memory instruction is one step and can overshoot: to
/// fill 4 GiB natively took 0.6 s with the pages present, and 9 s on a busy machine where the
/// kernel had to find them.
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

    /// Adds another engine, whose sandboxes are interrupted too.
    pub(super) fn add(&self, engine: &wasmtime::Engine) {
        lock(&self.engines).push(engine.weak());
    }
}

/// A poisoned lock still has a complete list.
fn lock(engines: &Mutex<Vec<EngineWeak>>) -> MutexGuard<'_, Vec<EngineWeak>> {
    engines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread never panics.
            let _ = thread.join();
        }
    }
}
