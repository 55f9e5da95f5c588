//! Admission: from a request to a sandbox with the memory that it needs.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::bindings::{Estimate, FactorialWorld, Request};
use super::job::{Job, JobSandbox};
use super::reply_world::ReplyComponent;
use super::request_span;
use crate::component::{Component, ComponentError, Source};
use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::error::RunError;
use crate::grants::Grants;
use crate::limits::{COSTS_REMEMBERED, Limit, Limits, REPLY_BYTES, SMALL_JOB_BYTES};
use crate::metrics::Meter;
use crate::pool::{Need, Permit, Pool};
use crate::sandbox::Sandbox;
use crate::span::record_failure;
use crate::text::counted;

/// A component of the factorial world that answers requests, each in a fresh sandbox. Cheap to
/// clone.
#[derive(Clone)]
pub struct Factorial(Arc<Inner>);

struct Inner {
    component: Component<FactorialWorld>,
    /// The bundled component's world without streams. `None` for another component.
    reply: Option<ReplyComponent>,
    pool: Pool,
    /// The cost of a request never changes.
    costs: Cache<Request, Estimate>,
}

impl Factorial {
    /// Loads a component of the factorial world, without grants.
    ///
    /// # Errors
    ///
    /// Where it cannot be loaded, or has another world.
    pub async fn load(engine: &Engine, source: &Source) -> Result<Self, ComponentError> {
        let component = Component::load(engine, source, &Grants::default()).await?;
        let pool = Pool::new(engine, component.sandboxes());
        let reply = match source {
            Source::Bundled(_) => Some(ReplyComponent::new(engine)),
            Source::Bytes(_) | Source::File(_) => None,
        };
        Ok(Self(Arc::new(Inner {
            component,
            reply,
            pool,
            costs: Cache::new(COSTS_REMEMBERED),
        })))
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.0.pool.meter()
    }

    /// The limits that requests run under.
    pub fn limits(&self) -> &Limits {
        self.0.pool.limits()
    }

    /// The number of requests that can run at once.
    pub fn sandboxes(&self) -> u32 {
        self.0.component.sandboxes()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Reserves a sandbox with all the memory that `request` needs.
    ///
    /// A small request stays in the sandbox that computed its cost. A large one drops it,
    /// waits for its memory, and starts in a fresh sandbox.
    ///
    /// # Errors
    ///
    /// Where the request is invalid, would exceed a limit, or finds no room.
    pub async fn admit(&self, request: Request) -> Result<Job, RunError> {
        self.admit_until(request, &self.pool().deadline()).await
    }

    /// [`Factorial::admit`] for a client that waits at most `patience_ms`.
    ///
    /// # Errors
    ///
    /// As [`Factorial::admit`].
    pub async fn admit_within(&self, request: Request, patience_ms: u64) -> Result<Job, RunError> {
        let deadline = self.pool().deadline_within(patience_ms);
        self.admit_until(request, &deadline).await
    }

    /// [`Factorial::admit`] with the deadline of a job that began before.
    pub(crate) async fn admit_until(
        &self,
        request: Request,
        deadline: &Deadline,
    ) -> Result<Job, RunError> {
        let job = async {
            if let Some(cost) = self.0.costs.get(&request) {
                let cap_bytes = self.check(&request, &cost)?;
                let sandbox = self.job_sandbox(cap_bytes, &cost, deadline).await?;
                return Ok(Job::new(sandbox, request, cost));
            }
            let first_bytes = self.first_cap_bytes();
            let mut sandbox = self.sandbox(first_bytes, deadline).await?;
            let cost = self.cost_in(&mut sandbox, request).await?;
            let cap_bytes = self.check(&request, &cost)?;
            if cap_bytes > first_bytes {
                drop(sandbox);
                sandbox = self.sandbox(cap_bytes, deadline).await?;
            } else {
                sandbox.lower_cap(cap_bytes);
            }
            Ok(Job::new(JobSandbox::Full(sandbox), request, cost))
        }
        .await;
        self.meter().watch(job)
    }

    /// A sandbox for a request whose cost is known. A short answer needs no streams.
    async fn job_sandbox(
        &self,
        cap_bytes: u64,
        cost: &Estimate,
        deadline: &Deadline,
    ) -> Result<JobSandbox, RunError> {
        let most = cost.output_bytes.most();
        match &self.0.reply {
            Some(component) if most.is_some_and(|bytes| bytes <= REPLY_BYTES) => {
                let permit = self.reserve(cap_bytes, deadline).await?;
                match component.sandbox(permit).await? {
                    Ok(sandbox) => Ok(JobSandbox::ReplyOnly(sandbox)),
                    Err(permit) => Ok(JobSandbox::Full(self.sandbox_in(permit).await?)),
                }
            }
            _ => Ok(JobSandbox::Full(self.sandbox(cap_bytes, deadline).await?)),
        }
    }

    /// The cost of `request`, remembered or computed in `sandbox`.
    pub(super) async fn known_cost(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        request: Request,
    ) -> Result<Estimate, RunError> {
        match self.0.costs.get(&request) {
            Some(cost) => Ok(cost),
            None => self.cost_in(sandbox, request).await,
        }
    }

    /// The cost of `request`, computed in `sandbox` and remembered.
    async fn cost_in(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        request: Request,
    ) -> Result<Estimate, RunError> {
        let span = request_span!(sandbox, "cost", request.kind, request.n);
        let cost = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_cost(store, request)
                    .await
            })
            .await
            .and_then(|cost| Ok(cost?))
            .inspect_err(|error| record_failure(&span, error))?;
        self.0.costs.insert(request, cost);
        Ok(cost)
    }

    /// The memory cap of a sandbox without a promise. A component with a large memory image
    /// needs that and some more.
    pub(super) fn first_cap_bytes(&self) -> u64 {
        let image_bytes = self.0.component.memory_image_bytes();
        SMALL_JOB_BYTES.max(image_bytes.saturating_add(SMALL_JOB_BYTES / 2))
    }

    /// Reserves a place and makes a sandbox in it.
    pub(super) async fn sandbox(
        &self,
        cap_bytes: u64,
        deadline: &Deadline,
    ) -> Result<Sandbox<FactorialWorld>, RunError> {
        let permit = self.reserve(cap_bytes, deadline).await?;
        self.sandbox_in(permit).await
    }

    async fn reserve(&self, cap_bytes: u64, deadline: &Deadline) -> Result<Permit, RunError> {
        let cap_bytes = cap_bytes.min(self.limits().bytes(Limit::SandboxMemory));
        self.0
            .pool
            .reserve(Need::of_memory(cap_bytes), deadline)
            .await
    }

    /// Makes a sandbox in the place of `permit`.
    pub(crate) async fn sandbox_in(
        &self,
        permit: Permit,
    ) -> Result<Sandbox<FactorialWorld>, RunError> {
        Sandbox::new(&self.0.component, permit, None).await
    }

    /// The memory cap of `request` in one sandbox, if the limits allow it.
    fn check(&self, request: &Request, cost: &Estimate) -> Result<u64, RunError> {
        let peak_bytes = self.check_reach(request, cost)?;
        let value = self.limits().bytes(Limit::SandboxMemory);
        if peak_bytes > value {
            return Err(RunError::TooLarge {
                limit: Limit::SandboxMemory,
                value,
                needed: peak_bytes,
                needs: format!(" for {}", digits(cost)).into(),
            });
        }
        Ok(peak_bytes)
    }

    /// The memory that `request` needs in one sandbox, if a component can compute it and the
    /// limit of output allows it.
    pub(super) fn check_reach(&self, request: &Request, cost: &Estimate) -> Result<u64, RunError> {
        self.check_output(cost)?;
        cost.peak_bytes.ok_or_else(|| {
            RunError::OutOfReach(format!(
                "expected a number that fits in the 4 GiB of a component, got the {} of {} with {}",
                request.kind,
                request.n,
                digits(cost)
            ))
        })
    }

    /// Checks the length of the output.
    fn check_output(&self, cost: &Estimate) -> Result<(), RunError> {
        let value = self.limits().bytes(Limit::Output);
        match cost.output_bytes.exact() {
            Some(needed) if needed > value => Err(RunError::TooLarge {
                limit: Limit::Output,
                value,
                needed,
                needs: format!(" for {}", digits(cost)).into(),
            }),
            _ => Ok(()),
        }
    }
}

/// The number of digits as text.
fn digits(cost: &Estimate) -> String {
    match cost.digits.exact() {
        Some(count) => counted(count, "digit", "digits"),
        None => format!("{} digits", cost.digits),
    }
}
