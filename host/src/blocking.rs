//! Threads for host calls that may block for ever: files and name look-up.
//!
//! Each sandbox that makes such a call gets threads of its own, at most
//! [`Limit::SandboxThreads`], and takes them along when it ends. A thread that the kernel
//! does not give back (a mount that never answers, a resolver without a server) counts as
//! stuck from then on. It occupies nothing that another sandbox waits for, until
//! [`Limit::StuckThreads`] of them are stuck: then sandboxes without threads get none.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::RunError;
use crate::limits::{Limit, Limits, STUCK_PATIENCE};
use crate::machine::stuck_threads_max;

/// The threads of all sandboxes of an engine. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct BlockingPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sandbox_threads_max: usize,
    stuck_threads_max: u64,
    stuck_threads: Mutex<u64>,
    freed: Notify,
}

impl BlockingPool {
    /// A pool under `limits`. A quarter of the threads that the machine allows may be stuck
    /// at the most.
    pub(crate) fn new(limits: &Limits) -> Self {
        let allowed = stuck_threads_max().unwrap_or(u64::MAX);
        Self(Arc::new(Shared {
            sandbox_threads_max: limits.count(Limit::SandboxThreads),
            stuck_threads_max: limits.get(Limit::StuckThreads).min(allowed),
            stuck_threads: Mutex::new(0),
            freed: Notify::new(),
        }))
    }

    /// Threads for one sandbox. They start when they are first used.
    ///
    /// # Errors
    ///
    /// [`RunError::Busy`] by [`Limit::StuckThreads`], [`RunError::Failed`] where the system
    /// starts no thread.
    pub(crate) async fn threads(&self) -> Result<BlockingThreads, RunError> {
        let room = timeout(STUCK_PATIENCE, self.wait_for_room());
        if room.await.is_err() {
            return Err(self.full());
        }
        self.start()
    }

    /// As [`BlockingPool::threads`], without a wait.
    ///
    /// # Errors
    ///
    /// As [`BlockingPool::threads`].
    pub(crate) fn threads_now(&self) -> Result<BlockingThreads, RunError> {
        if self.stuck_threads() >= self.0.stuck_threads_max {
            return Err(self.full());
        }
        self.start()
    }

    fn start(&self) -> Result<BlockingThreads, RunError> {
        BlockingThreads::new(self)
            .map_err(|error| RunError::Failed(format!("no thread for a blocking call: {error}")))
    }

    fn full(&self) -> RunError {
        RunError::Busy {
            limit: Limit::StuckThreads,
            value: self.0.stuck_threads_max,
        }
    }

    /// Threads of ended sandboxes that the kernel has not released.
    pub(crate) fn stuck_threads(&self) -> u64 {
        *lock(&self.0.stuck_threads)
    }

    /// Waits until fewer threads are stuck than may be.
    async fn wait_for_room(&self) {
        loop {
            let mut freed = pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if self.stuck_threads() < self.0.stuck_threads_max {
                return;
            }
            freed.await;
        }
    }
}

/// The threads of one sandbox. They end with it, unless the kernel keeps them.
#[derive(Debug)]
pub(crate) struct BlockingThreads {
    /// A runtime that has nothing but its pool of blocking threads.
    runtime: Option<Runtime>,
    alive: Arc<Alive>,
}

/// Threads of one sandbox that exist, and whether the sandbox does.
#[derive(Debug)]
struct Alive {
    state: Mutex<(u64, bool)>,
    pool: BlockingPool,
}

impl BlockingThreads {
    fn new(pool: &BlockingPool) -> io::Result<Self> {
        let alive = Arc::new(Alive {
            state: Mutex::new((0, true)),
            pool: pool.clone(),
        });
        let (started, stopped) = (Arc::clone(&alive), Arc::clone(&alive));
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(pool.0.sandbox_threads_max)
            .thread_name("blocking")
            .on_thread_start(move || started.thread_started())
            .on_thread_stop(move || stopped.thread_stopped())
            .build()?;
        // Tokio panics where the first of its threads does not start; the others are waited
        // for then.
        catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(|| ())))
            .map_err(|_| io::Error::other("the system does not start one"))?;
        Ok(Self {
            runtime: Some(runtime),
            alive,
        })
    }

    /// A handle on which calls can be made while these threads exist.
    pub(crate) fn handle(&self) -> BlockingHandle {
        match &self.runtime {
            Some(runtime) => BlockingHandle(runtime.handle().clone()),
            None => unreachable!("the runtime is there until the threads are dropped"),
        }
    }
}

impl Alive {
    fn thread_started(&self) {
        let mut state = lock(&self.state);
        state.0 += 1;
        if !state.1 {
            *lock(&self.pool.0.stuck_threads) += 1;
        }
    }

    fn thread_stopped(&self) {
        let mut state = lock(&self.state);
        state.0 = state.0.saturating_sub(1);
        if !state.1 {
            let mut stuck = lock(&self.pool.0.stuck_threads);
            *stuck = stuck.saturating_sub(1);
            drop(stuck);
            self.pool.0.freed.notify_waiters();
        }
    }
}

impl Drop for BlockingThreads {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.alive.state);
            state.1 = false;
            // Those that are idle end at once and take themselves off again.
            *lock(&self.alive.pool.0.stuck_threads) += state.0;
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A handle to the threads of one sandbox. Cheap to clone. It does not keep the threads alive.
#[derive(Clone, Debug)]
pub(crate) struct BlockingHandle(Handle);

impl BlockingHandle {
    /// Polls `call` so that its work for `tokio::task::spawn_blocking` runs on these threads.
    /// `call` must not use tokio for anything else.
    pub(crate) fn run<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        let handle = self.0.clone();
        async move {
            let mut call = pin!(call);
            std::future::poll_fn(move |context| within(&handle, call.as_mut(), context)).await
        }
    }

    /// Calls `start` so that its work for `tokio::task::spawn_blocking` runs on these threads.
    pub(crate) fn enter<R>(&self, start: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        start()
    }

    /// Runs `call` on one of these threads.
    pub(crate) fn spawn<R: Send + 'static>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        self.0.spawn_blocking(call)
    }
}

fn within<F: Future>(
    handle: &Handle,
    call: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    let _entered = handle.enter();
    call.poll(context)
}

/// A thread that panics leaves the numbers whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use tokio::sync::oneshot;

    use super::*;

    fn pool(stuck: u64) -> BlockingPool {
        BlockingPool::new(&Limits::EXEC.with(Limit::StuckThreads, stuck))
    }

    /// Waits until `threads` of the pool are stuck.
    async fn stuck(pool: &BlockingPool, threads: u64) {
        while pool.stuck_threads() != threads {
            tokio::task::yield_now().await;
        }
    }

    /// Blocks a thread until the returned value is dropped.
    async fn block(threads: &BlockingThreads) -> Sender<()> {
        let (release, released) = channel();
        let (started, is_started) = oneshot::channel();
        threads.handle().spawn(move || {
            let _ = started.send(());
            let _ = released.recv();
        });
        is_started.await.expect("a thread");
        release
    }

    #[tokio::test]
    async fn idle_threads_end_with_their_sandbox() {
        let pool = pool(1);
        for _ in 0..20 {
            let threads = pool.threads().await.expect("threads");
            let done = threads.handle().spawn(|| 7);
            assert_eq!(done.await.expect("a value"), 7);
        }
        stuck(&pool, 0).await;
    }

    #[tokio::test]
    async fn blocked_threads_count_until_the_kernel_gives_them_back() {
        let pool = pool(2);
        let mut releases = Vec::new();
        for blocked in 1..=2 {
            let threads = pool.threads().await.expect("threads");
            releases.push(block(&threads).await);
            drop(threads);
            stuck(&pool, blocked).await;
        }
        let refused = pool.threads().await.expect_err("two are stuck");
        assert_eq!(refused.limit(), Some(Limit::StuckThreads));
        drop(releases.pop());
        stuck(&pool, 1).await;
        pool.threads().await.expect("one is left");
    }

    #[tokio::test]
    async fn calls_run_on_the_threads_of_the_sandbox() {
        let pool = pool(1);
        let threads = pool.threads().await.expect("threads");
        let name = threads.handle().run(async {
            tokio::task::spawn_blocking(|| std::thread::current().name().map(str::to_owned)).await
        });
        assert_eq!(name.await.expect("a name").as_deref(), Some("blocking"));
    }
}
