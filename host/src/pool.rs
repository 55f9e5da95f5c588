//! Permits for sandboxes and their memory, and the queue of jobs that wait for one.
//!
//! Each component has a pool. A [`Permit`] is the place of one sandbox; dropping it releases the
//! place. Memory has two lanes, so that small jobs never wait for large ones: every place has
//! [`PLACE_BYTES`], for a small job's memory and its buffers, and larger jobs wait for memory
//! from the rest of the budget. The sum of all caps and all buffers never exceeds the budget.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tracing::Span;
use tracing::field::Empty;

use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::error::RunError;
use crate::limits::{BUFFER_BYTES, Limit, Limits, PLACE_BYTES, SMALL_JOB_BYTES};
use crate::metrics::{Meter, SandboxGuard};
use crate::span::record_failure;

/// The unit in which memory is admitted: one page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// The places for sandboxes, and the limits of jobs in them. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    lanes: Arc<Lanes>,
    limits: Arc<Limits>,
    meter: Meter,
}

struct Lanes {
    queue_max: u64,
    sandboxes: Arc<Semaphore>,
    large_pages: Arc<Semaphore>,
    large_pages_max: u64,
    sandboxes_max: u32,
    total_memory_bytes: u64,
    waiting: AtomicU64,
}

/// Memory that a sandbox needs of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The cap of its own memory.
    pub cap_bytes: u64,
    /// The host's buffers for it.
    pub buffer_bytes: u64,
}

impl Need {
    /// A sandbox with one channel and no host calls but the contract's.
    pub const fn of_memory(cap_bytes: u64) -> Self {
        Self {
            cap_bytes,
            buffer_bytes: BUFFER_BYTES,
        }
    }

    /// Bytes of the budget for one sandbox and its place.
    pub const fn bytes(self) -> u64 {
        let pages = self.large_bytes().div_ceil(PAGE_BYTES);
        PLACE_BYTES.saturating_add(pages.saturating_mul(PAGE_BYTES))
    }

    /// Bytes of the budget on top of [`PLACE_BYTES`]. A large job's own memory is reserved
    /// whole, so its buffers may use all of its place.
    const fn large_bytes(self) -> u64 {
        let Self {
            cap_bytes,
            buffer_bytes,
        } = self;
        if cap_bytes <= SMALL_JOB_BYTES && buffer_bytes <= BUFFER_BYTES {
            0
        } else {
            cap_bytes.saturating_add(buffer_bytes.saturating_sub(PLACE_BYTES))
        }
    }
}

/// A sandbox's place in the pool: its memory cap and its deadline.
#[derive(Debug)]
pub struct Permit {
    cap_bytes: u64,
    deadline: Deadline,
    guard: SandboxGuard,
    _sandbox: OwnedSemaphorePermit,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// The cap of the sandbox's memory.
    pub fn cap_bytes(&self) -> u64 {
        self.cap_bytes
    }

    /// When the job must have produced its last byte.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Gives the place to another job of the same need.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn renew(&mut self, deadline: &Deadline) {
        self.deadline = deadline.clone();
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.guard.meter()
    }
}

impl Pool {
    /// A pool for `sandboxes` places (the engine's number, or fewer where a
    /// component needs more of its slots).
    pub fn new(engine: &Engine, sandboxes: u32) -> Self {
        let small_bytes = u64::from(engine.sandboxes()) * PLACE_BYTES;
        let large_pages_max = engine.total_memory_bytes().saturating_sub(small_bytes) / PAGE_BYTES;
        let permits = |count: u64| Arc::new(Semaphore::new(crate::engine::permits(count)));
        let lanes = Lanes {
            queue_max: engine.limits().get(Limit::Queue),
            sandboxes: permits(sandboxes.into()),
            large_pages: permits(large_pages_max),
            large_pages_max,
            sandboxes_max: sandboxes,
            total_memory_bytes: engine.total_memory_bytes(),
            waiting: AtomicU64::new(0),
        };
        Self {
            lanes: Arc::new(lanes),
            limits: Arc::new(engine.limits().clone()),
            meter: engine.meter().clone(),
        }
    }

    /// The same places, for jobs under other `limits` that `meter` counts. The queue and the
    /// memory of all sandboxes stay those of the engine.
    #[cfg(all(feature = "service", feature = "compiler"))]
    #[must_use]
    pub(crate) fn of_part(&self, limits: Limits, meter: Meter) -> Self {
        Self {
            lanes: Arc::clone(&self.lanes),
            limits: Arc::new(limits),
            meter,
        }
    }

    /// Pages of memory that each sandbox with this `need` takes from those of all pools.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn pages(need: Need) -> u64 {
        need.large_bytes().div_ceil(PAGE_BYTES)
    }

    /// Pages of memory for sandboxes that need more than their place has.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn pages_max(&self) -> u64 {
        self.lanes.large_pages_max
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The limits that jobs of this pool run under.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The deadline of a job that arrives now.
    pub fn deadline(&self) -> Deadline {
        self.deadline_within(u64::MAX)
    }

    /// The deadline of a job that arrives now, at most `patience_ms` from now.
    pub fn deadline_within(&self, patience_ms: u64) -> Deadline {
        let limits = &self.limits;
        let allowed_ms = limits.get(Limit::Deadline).min(patience_ms);
        Deadline::after(allowed_ms, limits.get(Limit::Stall))
    }

    /// The number of sandboxes with this `need` that have memory at once.
    pub fn places(&self, need: Need) -> u64 {
        match need.large_bytes() {
            0 => u64::MAX,
            bytes => self.lanes.large_pages_max / bytes.div_ceil(PAGE_BYTES),
        }
    }

    /// Reserves a place for a sandbox with this `need`, and waits for it in the queue.
    ///
    /// # Errors
    ///
    /// [`RunError::TooLarge`] if `need` exceeds a limit, [`RunError::Busy`] if the queue is
    /// full, [`RunError::Stopped`] if the deadline passes in the queue.
    pub async fn reserve(&self, need: Need, deadline: &Deadline) -> Result<Permit, RunError> {
        let span = wait_span(need);
        let reserved = self.reserve_one(need, deadline).await;
        reserved.inspect_err(|error| record_failure(&span, error))
    }

    /// As [`Pool::reserve`], without a span.
    pub(crate) async fn reserve_one(
        &self,
        need: Need,
        deadline: &Deadline,
    ) -> Result<Permit, RunError> {
        // Memory first: a job that waits for it must not hold a sandbox's place.
        let memory = match self.large_pages(need)? {
            0 => None,
            pages => Some(
                self.acquire(&self.lanes.large_pages, pages, deadline)
                    .await?,
            ),
        };
        let sandbox = self.acquire(&self.lanes.sandboxes, 1, deadline).await?;
        Ok(Permit {
            cap_bytes: need.cap_bytes,
            deadline: deadline.clone(),
            guard: self.count(memory.as_ref()),
            _sandbox: sandbox,
            _memory: memory,
        })
    }

    /// Reserves a place for each of `needs`, all at once.
    ///
    /// One acquisition takes all of their memory, and one all of their places. So two jobs
    /// that wait never hold halves of the resources that both need.
    ///
    /// # Errors
    ///
    /// As [`Pool::reserve`], for the sum as for each.
    pub async fn reserve_all(
        &self,
        needs: &[Need],
        deadline: &Deadline,
    ) -> Result<Vec<Permit>, RunError> {
        let caps_bytes = needs.iter().map(|need| need.cap_bytes);
        let span = queue_span(needs.len(), caps_bytes.sum());
        let reserved = self.reserve_many(needs, deadline).await;
        reserved.inspect_err(|error| record_failure(&span, error))
    }

    async fn reserve_many(
        &self,
        needs: &[Need],
        deadline: &Deadline,
    ) -> Result<Vec<Permit>, RunError> {
        let pages: Vec<_> = needs
            .iter()
            .map(|&need| self.large_pages(need))
            .collect::<Result<_, _>>()?;
        let all_pages: u64 = pages.iter().copied().map(u64::from).sum();
        let all_pages = self.check_pages(all_pages, all_pages.saturating_mul(PAGE_BYTES))?;
        let count = u32::try_from(needs.len()).unwrap_or(u32::MAX);
        if count > self.lanes.sandboxes_max {
            return Err(RunError::TooLarge {
                limit: Limit::Sandboxes,
                value: self.lanes.sandboxes_max.into(),
                needed: count.into(),
                needs: "".into(),
            });
        }
        let mut memory = match all_pages {
            0 => None,
            _ => Some(
                self.acquire(&self.lanes.large_pages, all_pages, deadline)
                    .await?,
            ),
        };
        let mut sandboxes = self.acquire(&self.lanes.sandboxes, count, deadline).await?;
        let share = |lane: &mut OwnedSemaphorePermit, count: u32| {
            lane.split(usize::try_from(count).unwrap_or(usize::MAX))
                .unwrap_or_else(|| unreachable!("the shares are what was taken"))
        };
        Ok(needs
            .iter()
            .zip(pages)
            .map(|(need, pages)| {
                let memory = match (&mut memory, pages) {
                    (_, 0) | (None, _) => None,
                    (Some(memory), pages) => Some(share(memory, pages)),
                };
                Permit {
                    cap_bytes: need.cap_bytes,
                    deadline: deadline.clone(),
                    guard: self.count(memory.as_ref()),
                    _sandbox: share(&mut sandboxes, 1),
                    _memory: memory,
                }
            })
            .collect())
    }

    /// Pages of the large lane for `need`: 0 for a small job.
    fn large_pages(&self, need: Need) -> Result<u32, RunError> {
        let (one_bytes, bytes) = (self.limits.get(Limit::SandboxMemory), need.large_bytes());
        if bytes > 0 && need.cap_bytes > one_bytes {
            return Err(RunError::TooLarge {
                limit: Limit::SandboxMemory,
                value: one_bytes,
                needed: need.cap_bytes,
                needs: "".into(),
            });
        }
        self.check_pages(bytes.div_ceil(PAGE_BYTES), bytes)
    }

    /// `pages` if the large lane has that many in all. The error reports them as
    /// `needed_bytes`.
    fn check_pages(&self, pages: u64, needed_bytes: u64) -> Result<u32, RunError> {
        match u32::try_from(pages) {
            Ok(few) if pages <= self.lanes.large_pages_max => Ok(few),
            _ => Err(RunError::TooLarge {
                limit: Limit::TotalMemory,
                value: self.lanes.total_memory_bytes,
                needed: needed_bytes,
                needs: " beyond the reserve for small jobs".into(),
            }),
        }
    }

    async fn acquire(
        &self,
        lane: &Arc<Semaphore>,
        count: u32,
        deadline: &Deadline,
    ) -> Result<OwnedSemaphorePermit, RunError> {
        // The semaphore gives free permits to its waiters first, so this overtakes none.
        match Arc::clone(lane).try_acquire_many_owned(count) {
            Ok(permit) => {
                self.meter.record_no_wait();
                return Ok(permit);
            }
            Err(TryAcquireError::NoPermits) => {}
            Err(TryAcquireError::Closed) => unreachable!("the pool never closes its semaphores"),
        }
        let _place = QueuePlace::take(&self.lanes)?;
        let _queued = self.meter.enter_queue();
        let acquired = pin!(Arc::clone(lane).acquire_many_owned(count));
        match deadline.within(acquired).await? {
            Ok(permit) => Ok(permit),
            Err(_) => unreachable!("the pool never closes its semaphores"),
        }
    }
}

/// The span of a wait for one place with this `need`.
pub(crate) fn wait_span(need: Need) -> Span {
    queue_span(1, need.cap_bytes)
}

/// The span of a wait for `sandboxes` places and `memory_bytes` in all.
fn queue_span(sandboxes: usize, memory_bytes: u64) -> Span {
    tracing::debug_span!(
        "queue",
        cocoon.sandboxes = i64::try_from(sandboxes).unwrap_or(i64::MAX),
        cocoon.memory_cap_bytes = memory_bytes.cast_signed(),
        error.type = Empty,
        otel.status_description = Empty,
    )
}

impl Pool {
    fn count(&self, memory: Option<&OwnedSemaphorePermit>) -> SandboxGuard {
        let pages = memory.map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        self.meter.hold(pages * PAGE_BYTES)
    }
}

/// A place in the queue.
struct QueuePlace<'a>(&'a AtomicU64);

impl<'a> QueuePlace<'a> {
    fn take(lanes: &'a Lanes) -> Result<Self, RunError> {
        let most = lanes.queue_max;
        let joined = lanes
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                (waiting < most).then_some(waiting + 1)
            });
        match joined {
            Ok(_) => Ok(Self(&lanes.waiting)),
            Err(_) => Err(RunError::Busy {
                limit: Limit::Queue,
                value: most,
            }),
        }
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
