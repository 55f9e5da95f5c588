//! One store with one instance, isolated from everything else.
//!
//! A sandbox lives for one job. Its permit's memory cap and deadline bound it, and so do the
//! engine's stack limit and the caps of the channels that it writes. Its error names what
//! stopped it. After an error the store cannot continue: drop the sandbox.

use std::pin::pin;
use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::component::{Component, World};
use crate::deadline::Deadline;
use crate::engine::{frames, message};
use crate::error::RunError;
use crate::grants::{MemoryCap, State, Wasi};
use crate::limits::{Limit, Limits};
use crate::metrics::{Meter, RunTimer};
use crate::pool::Permit;
use crate::span::{SpanGuard, record_failure};

/// A running instance of a component of world `W`.
pub struct Sandbox<W: World> {
    // Fields are dropped in this order: the place is released last.
    exports: W::Exports,
    store: Store<State>,
    limits: Limits,
    _timer: RunTimer,
    permit: Permit,
}

impl<W: World> Sandbox<W> {
    /// Makes a fresh instance of `component` in the place of `permit`. Without `wasi` it has no
    /// arguments, streams or environment.
    ///
    /// # Errors
    ///
    /// If its initial memory exceeds the cap, or its start function fails.
    pub async fn new(
        component: &Component<W>,
        permit: Permit,
        wasi: Option<Wasi>,
    ) -> Result<Self, RunError> {
        let start = Instant::now();
        let limits = component.engine().limits().clone();
        let span = sandbox_span(&permit);
        let memory = component.memory_cap(permit.cap_bytes());
        if memory.is_exceeded() {
            // Its instances alone take more than that.
            let error = over_memory(&memory, &limits);
            record_failure(&span, &error);
            return Err(error);
        }
        let state = State::new(
            memory,
            component.engine(),
            component.folders(),
            component.denials(),
            #[cfg(all(feature = "service", feature = "compiler"))]
            component.http_client(),
            wasi,
            span,
        );
        let mut store = Store::new(component.engine().wasmtime(), state);
        if let Some(concurrent) = store.concurrent_resource_table() {
            // Tasks, streams and futures of the component model.
            concurrent.set_max_capacity(limits.count(Limit::Resources));
        }
        store.set_hostcall_fuel(limits.size(Limit::HostCall));
        store.limiter(|state| &mut state.memory);
        let deadline = permit.deadline().clone();
        store.epoch_deadline_callback(move |_| Ok(yield_or_interrupt(&deadline)));
        store.set_epoch_deadline(1);
        let guard = SpanGuard::new(store.data().span().clone(), "start dropped");
        let started = {
            let starting = pin!(W::instantiate(component.pre(), &mut store));
            permit.deadline().within(starting).await
        };
        let span = guard.end();
        let started = started.and_then(|started| {
            started.map_err(|error| explain(&error, &store, &limits, permit.deadline()))
        });
        let exports = started.inspect_err(|error| record_failure(&span, error))?;
        Ok(Self {
            exports,
            store,
            limits,
            _timer: permit.meter().start_run(start),
            permit,
        })
    }

    /// Runs `call` in the sandbox until it is done or a limit stops it.
    ///
    /// # Errors
    ///
    /// The error that stopped it. The sandbox cannot be used after that.
    pub async fn run<R>(
        &mut self,
        call: impl AsyncFnOnce(&mut Store<State>, &W::Exports) -> wasmtime::Result<R>,
    ) -> Result<R, RunError> {
        let deadline = self.permit.deadline();
        // Pinned here, since the future of an argument is stored twice, and it is most of a
        // suspended sandbox's memory in the host.
        let result = {
            let span = self.store.data().span().clone();
            let guard = SpanGuard::new(span.clone(), "run dropped");
            let calling = pin!(call(&mut self.store, &self.exports));
            let running = pin!(calling.instrument(span));
            let result = deadline.within(running).await;
            drop(guard.end());
            result
        };
        let result = result.and_then(|result| {
            result.map_err(|error| explain(&error, &self.store, &self.limits, deadline))
        });
        result.inspect_err(|error| record_failure(self.span(), error))
    }

    /// Prepares the sandbox for another job, which has until `deadline`.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn renew(&mut self, deadline: &Deadline) {
        self.permit.renew(deadline);
        let deadline = deadline.clone();
        self.store
            .epoch_deadline_callback(move |_| Ok(yield_or_interrupt(&deadline)));
        self.store.set_epoch_deadline(1);
        let span = sandbox_span(&self.permit);
        self.store.data_mut().set_span(span);
    }

    /// Ends the span of a job, after which no other one may follow for long.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn rest(&mut self) {
        self.store.data_mut().set_span(Span::none());
    }

    /// Whether memory or an element of a table was refused.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn was_refused_memory(&self) -> bool {
        self.store.data().memory.refused.is_some()
    }

    /// The cap of its memory.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn cap_bytes(&self) -> u64 {
        self.store.data().memory.cap_bytes
    }

    /// The data of its store.
    #[cfg_attr(
        not(all(feature = "service", feature = "compiler")),
        expect(dead_code, reason = "handlers alone have data of their own")
    )]
    pub(crate) fn state_mut(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// The span of the sandbox.
    pub(crate) fn span(&self) -> &Span {
        self.store.data().span()
    }

    /// Drops the sandbox and returns its place, for a fresh one.
    pub fn into_permit(self) -> Permit {
        self.permit
    }

    /// Lowers the memory cap to the job's promise.
    pub fn lower_cap(&mut self, cap_bytes: u64) {
        let cap = &mut self.store.data_mut().memory.cap_bytes;
        *cap = cap_bytes.min(*cap);
    }

    /// Bytes of linear memory and tables in use. They never shrink, so this is the peak.
    pub fn memory_bytes(&self) -> u64 {
        self.store.data().memory.used_bytes()
    }

    /// When the job must have produced its last byte.
    pub fn deadline(&self) -> &Deadline {
        self.permit.deadline()
    }

    /// The metrics that count this sandbox.
    pub fn meter(&self) -> &Meter {
        self.permit.meter()
    }

    /// The limits that the sandbox runs under.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// The span of the job of a sandbox in the place of `permit`.
fn sandbox_span(permit: &Permit) -> Span {
    tracing::debug_span!(
        "sandbox",
        cocoon.memory_cap_bytes = permit.cap_bytes().cast_signed(),
        cocoon.memory_used_bytes = Empty,
        error.type = Empty,
        otel.status_description = Empty,
    )
}

/// Interrupts a sandbox past its deadline at a tick, and makes any other yield whose turn ends.
/// Tokio's yield wakes the task after the thread has looked at its sockets and timers. Wasmtime's own
/// wakes it at once, and a busy guest takes several turns before that.
fn yield_or_interrupt(deadline: &Deadline) -> UpdateDeadline {
    if deadline.has_passed() {
        UpdateDeadline::Interrupt
    } else if deadline.count_tick() {
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    } else {
        UpdateDeadline::Continue(1)
    }
}

/// Parts of Wasmtime's messages for a call with too many bytes of arguments, or of random
/// bytes. These errors have no public type.
const HOST_CALL_EXHAUSTED: [&str; 2] = [
    "fuel allocated for hostcalls has been exhausted",
    "requested len ",
];

/// Maps the error of a call to the limit that stopped the sandbox.
fn explain(
    error: &wasmtime::Error,
    store: &Store<State>,
    limits: &Limits,
    deadline: &Deadline,
) -> RunError {
    let memory = &store.data().memory;
    let stopped = |limit| RunError::stopped(limit, limits.get(limit));
    if let Some(known) = error.downcast_ref::<RunError>() {
        return known.clone();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return stopped(Limit::Resources);
    }
    let cause = error.root_cause();
    if cause.is::<rustix::io::Errno>() || cause.is::<std::io::Error>() {
        // The system refused memory or a file for the sandbox.
        return RunError::Failed(message(error));
    }
    let cause = cause.to_string();
    if HOST_CALL_EXHAUSTED.iter().any(|text| cause.contains(text)) {
        return stopped(Limit::HostCall);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => deadline.error(),
        Some(Trap::StackOverflow) => stopped(Limit::Stack),
        // A program that gets no memory ends with `unreachable`. Without a trap, the initial
        // memory was refused.
        Some(Trap::UnreachableCodeReached) | None if memory.refused.is_some() => {
            match memory.refused {
                Some(Limit::TableElements) => stopped(Limit::TableElements),
                _ => over_memory(memory, limits),
            }
        }
        Some(_) | None => RunError::Trapped {
            message: message(error),
            frames: frames(error),
        },
    }
}

/// The error of a sandbox that needs more memory than its cap.
fn over_memory(memory: &MemoryCap, limits: &Limits) -> RunError {
    match limits.get(Limit::SandboxMemory) {
        value if value == memory.cap_bytes => RunError::stopped(Limit::SandboxMemory, value),
        _ => RunError::OverPromise {
            promised_bytes: memory.cap_bytes,
        },
    }
}
