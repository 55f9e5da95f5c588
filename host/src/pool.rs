//! Admission: who may have a sandbox, how much memory, and who has to wait.
//!
//! A pool lives as long as its engine. A [`Permit`] is one sandbox's place in
//! it and gives the place back when it is dropped. Memory is admitted in two
//! lanes, so that small jobs never stand behind large ones: every sandbox comes
//! with [`PLACE_BYTES`], for a small job's memory and its buffers, and jobs that need
//! more wait for the rest of the budget. The sum of all caps and all buffers never
//! exceeds the budget.

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
use crate::meter::{Held, Meter};
use crate::span::failed;

/// The unit in which memory is admitted: one page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// The places for sandboxes. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Lanes>);

struct Lanes {
    limits: Limits,
    sandboxes: Arc<Semaphore>,
    large_pages: Arc<Semaphore>,
    large_pages_max: u64,
    sandboxes_max: u32,
    total_memory_bytes: u64,
    waiting: AtomicU64,
    meter: Meter,
}

/// What a sandbox may take of the host's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The cap of its own memory.
    pub cap_bytes: u64,
    /// What the host may hold for it in buffers.
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

    /// Bytes that it takes of the budget beside [`PLACE_BYTES`]. A large job's own memory is
    /// admitted whole, so that its buffers may have all of its place.
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
    held: Held,
    _sandbox: OwnedSemaphorePermit,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// What the sandbox's memory may come to.
    pub fn cap_bytes(&self) -> u64 {
        self.cap_bytes
    }

    /// When the job must have produced its last byte.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.held.meter()
    }
}

impl Pool {
    /// A pool for `sandboxes` places (the engine's number, or fewer where a
    /// component needs more of its slots).
    pub fn new(engine: &Engine, sandboxes: u32) -> Self {
        let small_bytes = u64::from(engine.sandboxes()) * PLACE_BYTES;
        let large_pages_max = engine.total_memory_bytes().saturating_sub(small_bytes) / PAGE_BYTES;
        let permits = |count: u64| {
            Arc::new(Semaphore::new(
                usize::try_from(count).map_or(Semaphore::MAX_PERMITS, |count| {
                    count.min(Semaphore::MAX_PERMITS)
                }),
            ))
        };
        Self(Arc::new(Lanes {
            limits: engine.limits().clone(),
            sandboxes: permits(sandboxes.into()),
            large_pages: permits(large_pages_max),
            large_pages_max,
            sandboxes_max: sandboxes,
            total_memory_bytes: engine.total_memory_bytes(),
            waiting: AtomicU64::new(0),
            meter: engine.meter().clone(),
        }))
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// The limits that jobs of this pool run under.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The deadline of a job that is asked for now.
    pub fn deadline(&self) -> Deadline {
        self.deadline_within(u64::MAX)
    }

    /// The deadline of a job that is asked for now by somebody who waits no
    /// longer than `patience_ms`.
    pub fn deadline_within(&self, patience_ms: u64) -> Deadline {
        let limits = &self.0.limits;
        let allowed_ms = limits.get(Limit::Deadline).min(patience_ms);
        Deadline::after(allowed_ms, limits.get(Limit::Stall))
    }

    /// How many sandboxes that `need` so much find memory at once.
    pub fn places(&self, need: Need) -> u64 {
        match need.large_bytes() {
            0 => u64::MAX,
            bytes => self.0.large_pages_max / bytes.div_ceil(PAGE_BYTES),
        }
    }

    /// Waits for a place for a sandbox that `needs` so much.
    ///
    /// # Errors
    ///
    /// [`RunError::TooLarge`] where no sandbox may ever have so much,
    /// [`RunError::Busy`] where the queue is full, [`RunError::Stopped`] where
    /// the deadline passes in the queue.
    pub async fn admit(&self, need: Need, deadline: &Deadline) -> Result<Permit, RunError> {
        let span = queue_span(1, need.cap_bytes);
        let admitted = self.admit_one(need, deadline).await;
        admitted.inspect_err(|error| failed(&span, error))
    }

    async fn admit_one(&self, need: Need, deadline: &Deadline) -> Result<Permit, RunError> {
        // Memory first: a job that waits for it must not hold a sandbox's place.
        let memory = match self.large_pages(need)? {
            0 => None,
            pages => Some(self.take(&self.0.large_pages, pages, deadline).await?),
        };
        let sandbox = self.take(&self.0.sandboxes, 1, deadline).await?;
        Ok(Permit {
            cap_bytes: need.cap_bytes,
            deadline: deadline.clone(),
            held: self.0.held(memory.as_ref()),
            _sandbox: sandbox,
            _memory: memory,
        })
    }

    /// Waits for places for sandboxes that are needed at once, each with its share of
    /// `needs`.
    ///
    /// All of their memory is taken in one go, and then all of their places, so
    /// that two that wait never hold halves of what both need.
    ///
    /// # Errors
    ///
    /// As [`Pool::admit`], of the whole as of each.
    pub async fn admit_all(
        &self,
        needs: &[Need],
        deadline: &Deadline,
    ) -> Result<Vec<Permit>, RunError> {
        let caps_bytes = needs.iter().map(|need| need.cap_bytes);
        let span = queue_span(needs.len(), caps_bytes.sum());
        let admitted = self.admit_many(needs, deadline).await;
        admitted.inspect_err(|error| failed(&span, error))
    }

    async fn admit_many(
        &self,
        needs: &[Need],
        deadline: &Deadline,
    ) -> Result<Vec<Permit>, RunError> {
        let pages: Vec<_> = needs
            .iter()
            .map(|&need| self.large_pages(need))
            .collect::<Result<_, _>>()?;
        let all_pages: u64 = pages.iter().copied().map(u64::from).sum();
        let all_pages = self.few_pages(all_pages, all_pages.saturating_mul(PAGE_BYTES))?;
        let count = u32::try_from(needs.len()).unwrap_or(u32::MAX);
        if count > self.0.sandboxes_max {
            return Err(RunError::TooLarge {
                limit: Limit::Sandboxes,
                value: self.0.sandboxes_max.into(),
                needed: count.into(),
                needs: "sandboxes".into(),
            });
        }
        let mut memory = match all_pages {
            0 => None,
            _ => Some(self.take(&self.0.large_pages, all_pages, deadline).await?),
        };
        let mut sandboxes = self.take(&self.0.sandboxes, count, deadline).await?;
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
                    held: self.0.held(memory.as_ref()),
                    _sandbox: share(&mut sandboxes, 1),
                    _memory: memory,
                }
            })
            .collect())
    }

    /// The pages that a job takes from the large lane, 0 for a small one.
    fn large_pages(&self, need: Need) -> Result<u32, RunError> {
        let (one_bytes, bytes) = (self.0.limits.get(Limit::SandboxMemory), need.large_bytes());
        if bytes > 0 && need.cap_bytes > one_bytes {
            return Err(RunError::TooLarge {
                limit: Limit::SandboxMemory,
                value: one_bytes,
                needed: need.cap_bytes,
                needs: "of memory".into(),
            });
        }
        self.few_pages(bytes.div_ceil(PAGE_BYTES), bytes)
    }

    /// `pages` if the large lane ever has so many; they are told as
    /// `needed_bytes`.
    fn few_pages(&self, pages: u64, needed_bytes: u64) -> Result<u32, RunError> {
        match u32::try_from(pages) {
            Ok(few) if pages <= self.0.large_pages_max => Ok(few),
            _ => Err(RunError::TooLarge {
                limit: Limit::TotalMemory,
                value: self.0.total_memory_bytes,
                needed: needed_bytes,
                needs: "of memory beyond what is kept for small jobs".into(),
            }),
        }
    }

    async fn take(
        &self,
        lane: &Arc<Semaphore>,
        count: u32,
        deadline: &Deadline,
    ) -> Result<OwnedSemaphorePermit, RunError> {
        // Free permits are handed to waiters first, so this overtakes nobody.
        match Arc::clone(lane).try_acquire_many_owned(count) {
            Ok(permit) => {
                self.0.meter.did_not_wait();
                return Ok(permit);
            }
            Err(TryAcquireError::NoPermits) => {}
            Err(TryAcquireError::Closed) => unreachable!("the pool never closes its semaphores"),
        }
        let _place = Place::take(&self.0)?;
        let _queued = self.0.meter.queued();
        let acquired = pin!(Arc::clone(lane).acquire_many_owned(count));
        match deadline.within(acquired).await? {
            Ok(permit) => Ok(permit),
            Err(_) => unreachable!("the pool never closes its semaphores"),
        }
    }
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

impl Lanes {
    fn held(&self, memory: Option<&OwnedSemaphorePermit>) -> Held {
        let pages = memory.map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        self.meter.held(pages * PAGE_BYTES)
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicU64);

impl<'a> Place<'a> {
    fn take(lanes: &'a Lanes) -> Result<Self, RunError> {
        let most = lanes.limits.get(Limit::Queue);
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

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
