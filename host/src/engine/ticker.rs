//! The epoch ticker: a thread that lets every running sandbox look at its
//! deadline and yield to the others once in a [`TICK`].
//!
//! It holds the engines weakly and dies with them; dropping the ticker stops the
//! thread and waits for it.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running sandbox is interrupted. A job past its deadline stops at
/// the next tick that its code reaches. A bulk memory instruction is one step to
/// it and can overshoot: to fill 4 GiB, natively, was measured at 0.6 s where the
/// pages were there, and at 9 s on a busy machine where the kernel had to find them.
pub const TICK: Duration = Duration::from_millis(1);

pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engines: &[&wasmtime::Engine]) -> io::Result<Self> {
        let engines: Vec<_> = engines.iter().map(|engine| engine.weak()).collect();
        let (stop, stopped) = channel();
        let thread = Builder::new().name("epoch".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let mut living = engines.iter().filter_map(EngineWeak::upgrade).peekable();
                if living.peek().is_none() {
                    return;
                }
                living.for_each(|engine| engine.increment_epoch());
            }
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
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
