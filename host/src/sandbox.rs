//! One store with one instance: the wall between a job and everything else.
//!
//! A sandbox lives for one job. It is bounded by its permit's memory cap and
//! deadline, by the engine's stack limit, and by the caps of the channels it
//! writes to. What stopped it is told by name. After an error the store is in
//! no state to go on: drop the sandbox.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::WasiCtx;

use crate::component::{Component, MemoryCap, State, World};
use crate::deadline::Deadline;
use crate::engine::{Ticker, one_line};
use crate::error::RunError;
use crate::limits::{Limit, Limits, things};
use crate::meter::{Meter, Runs};
use crate::pool::Permit;
use crate::span::{Unfinished, failed};

/// A running instance of a component of world `W`.
pub struct Sandbox<W: World> {
    // Fields are dropped in this order: the place is given back last.
    exports: W::Exports,
    store: Store<State>,
    limits: Limits,
    /// What makes it take turns, and ends it in time, lives as long as it does, also where
    /// the engine's last owner is gone.
    _ticker: Arc<Ticker>,
    _runs: Runs,
    permit: Permit,
}

impl<W: World> Sandbox<W> {
    /// A fresh instance of `component` in the place that `permit` stands for.
    /// Without `wasi` it is handed no arguments, streams or environment.
    ///
    /// # Errors
    ///
    /// Where its initial memory is over the cap, or its start function does not
    /// end well.
    pub async fn new(
        component: &Component<W>,
        permit: Permit,
        wasi: Option<WasiCtx>,
    ) -> Result<Self, RunError> {
        let began = Instant::now();
        let limits = component.engine().limits().clone();
        let span = tracing::debug_span!(
            "sandbox",
            cocoon.memory_cap_bytes = permit.cap_bytes().cast_signed(),
            cocoon.memory_used_bytes = Empty,
            error.type = Empty,
            otel.status_description = Empty,
        );
        let memory = component.memory_cap(permit.cap_bytes());
        if memory.is_exceeded() {
            // Its instances alone take more than that.
            let error = over_memory(&memory, &limits);
            failed(&span, &error);
            return Err(error);
        }
        let state = State::new(memory, component.engine(), component.folders(), wasi, span);
        let mut store = Store::new(component.engine().wasmtime(), state);
        store.set_hostcall_fuel(things(&limits, Limit::HostCall));
        store.limiter(|state| &mut state.memory);
        let deadline = permit.deadline().clone();
        store.epoch_deadline_callback(move |_| Ok(take_turns(&deadline)));
        store.set_epoch_deadline(1);
        let started = {
            let starting = pin!(W::instantiate(component.pre(), &mut store));
            permit.deadline().within(starting).await?
        };
        match started {
            Ok(exports) => Ok(Self {
                exports,
                store,
                limits,
                _ticker: component.engine().ticker(),
                _runs: permit.meter().runs(began),
                permit,
            }),
            Err(error) => {
                let error = explain(&error, &store, &limits, permit.deadline());
                failed(store.data().span(), &error);
                Err(error)
            }
        }
    }

    /// Runs `call` in the sandbox until it is done or a limit stops it.
    ///
    /// # Errors
    ///
    /// What stopped it; the sandbox is of no use after that.
    pub async fn run<R>(
        &mut self,
        call: impl AsyncFnOnce(&mut Store<State>, &W::Exports) -> wasmtime::Result<R>,
    ) -> Result<R, RunError> {
        let deadline = self.permit.deadline();
        // Pinned here, since an argument would be held twice, and what is run is
        // most of what a suspended sandbox takes of the host's heap.
        let ran = {
            let span = self.store.data().span().clone();
            let unfinished = Unfinished::new(span.clone(), "its run was dropped");
            let running = pin!(call(&mut self.store, &self.exports).instrument(span));
            let ran = deadline.within(running).await;
            drop(unfinished.end());
            ran
        };
        let ran = ran.and_then(|ran| {
            ran.map_err(|error| explain(&error, &self.store, &self.limits, deadline))
        });
        ran.inspect_err(|error| failed(self.span(), error))
    }

    /// The span of all that happens in the sandbox.
    pub(crate) fn span(&self) -> &Span {
        self.store.data().span()
    }

    /// Ends the sandbox and keeps its place, for a fresh one.
    pub fn into_permit(self) -> Permit {
        self.permit
    }

    /// Lowers the memory cap to what the job promised.
    pub fn lower_cap(&mut self, cap_bytes: u64) {
        let cap = &mut self.store.data_mut().memory.cap_bytes;
        *cap = cap_bytes.min(*cap);
    }

    /// Bytes of linear memory and tables in use, which is the peak as well.
    pub fn memory_bytes(&self) -> u64 {
        self.store.data().memory.used_bytes()
    }

    /// When the job must have produced its last byte.
    pub fn deadline(&self) -> &Deadline {
        self.permit.deadline()
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.permit.meter()
    }

    /// The limits that the sandbox runs under.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What a sandbox does at a tick: stop past its deadline, or else let the others
/// have a turn. Wasmtime's own yield wakes the task at once and would keep it in
/// front of the queue, where one busy guest pins the thread that drives timers.
fn take_turns(deadline: &Deadline) -> UpdateDeadline {
    if deadline.has_passed() {
        UpdateDeadline::Interrupt
    } else {
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

/// How Wasmtime names its bounds on what one call carries: arguments, and random bytes. The
/// errors have no public type.
const HOST_CALL_EXHAUSTED: [&str; 2] = [
    "fuel allocated for hostcalls has been exhausted",
    "requested len ",
];

const fn stopped(limit: Limit, value: u64) -> RunError {
    RunError::Stopped { limit, value }
}

/// Names what stopped a sandbox.
fn explain(
    error: &wasmtime::Error,
    store: &Store<State>,
    limits: &Limits,
    deadline: &Deadline,
) -> RunError {
    let memory = &store.data().memory;
    if let Some(known) = error.downcast_ref::<RunError>() {
        return known.clone();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return stopped(Limit::Resources, limits.get(Limit::Resources));
    }
    let cause = error.root_cause().to_string();
    if HOST_CALL_EXHAUSTED.iter().any(|text| cause.contains(text)) {
        return stopped(Limit::HostCall, limits.get(Limit::HostCall));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => deadline.error(),
        Some(Trap::StackOverflow) => stopped(Limit::Stack, limits.get(Limit::Stack)),
        // Programs end so when they cannot get memory. Without a trap it is the
        // initial memory that was refused.
        Some(Trap::UnreachableCodeReached) | None if memory.refused.is_some() => {
            match memory.refused {
                Some(Limit::TableElements) => {
                    stopped(Limit::TableElements, limits.get(Limit::TableElements))
                }
                _ => over_memory(memory, limits),
            }
        }
        Some(trap) => RunError::Trapped(trap.to_string()),
        None => RunError::Trapped(one_line(error)),
    }
}

/// What becomes of a sandbox that needs more memory than its cap.
fn over_memory(memory: &MemoryCap, limits: &Limits) -> RunError {
    match limits.get(Limit::SandboxMemory) {
        value if value == memory.cap_bytes => stopped(Limit::SandboxMemory, value),
        _ => RunError::OverPromise {
            promised_bytes: memory.cap_bytes,
        },
    }
}
