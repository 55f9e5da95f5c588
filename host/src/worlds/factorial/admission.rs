//! The bundled world: requests for factorials, each answered by a sandbox of its
//! own.
//!
//! A request lives from admission until its last digit is produced. It is
//! bounded by what the component promises of it and by the limits, whichever is
//! less. Nothing here looks at the digits.

mod admitted;
mod bindings;
mod digits;
mod parts;
mod record;
mod reply;
mod request;
mod schema;
mod seed;
mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use wasmtime::component::StreamReader;

use crate::channel::{Inlet, Intake, Outlet, Receiver, Sender};
use crate::component::{Component, ComponentError, Grants, Source, unpacked};
use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::error::RunError;
use crate::limits::{COSTS_REMEMBERED, ERROR_CHARS, Limit, Limits, REPLY_BYTES, SMALL_JOB_BYTES};
use crate::meter::Meter;
use crate::pool::{Need, Permit, Pool};
use crate::sandbox::Sandbox;
use crate::span::failed;

pub use admitted::Admitted;
use admitted::Place;
use bindings::Error;
pub use bindings::{
    Count, Estimate, FactorialWorld, Facts, Format, Grade, Kind, Part, Request, Verdict,
    Verification,
};
pub use parts::Plan;
pub use record::{FactsRecord, Graded, count_digits, miss_probability};
use reply::Replies;
pub use request::{FORMATS, KINDS, ONE_OF_EACH_KIND};
pub use seed::random_seed;

/// The component that comes with this program.
pub const BUNDLED: Source = Source::Bundled {
    gzip: if cfg!(feature = "compiler") {
        &GZIP
    } else {
        &[]
    },
    digest: env!("COCOON_DIGEST"),
    code: &CODE,
};

/// The bytes of the component that comes with this program.
///
/// # Errors
///
/// Where the program has no compiler, and so only the component's code.
pub fn bundled_wasm() -> std::io::Result<Vec<u8>> {
    match BUNDLED {
        Source::Bundled { gzip, .. } => unpacked(gzip),
        Source::Bytes(_) | Source::File(_) => Err(std::io::ErrorKind::NotFound.into()),
    }
}

// Statics are in the program once; what a constant includes, wherever it is used.
static GZIP: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz"));
static CODE: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code"));

/// The processor that the bundled component's code was compiled for.
pub const BUNDLED_FOR: &str = env!("COCOON_CODE_FOR");

/// The span of what is asked of the component in `$sandbox`.
macro_rules! span {
    ($sandbox:expr, $name:literal, $kind:expr, $n:expr) => {
        tracing::debug_span!(
            target: "cocoon::factorial",
            parent: $sandbox.span(),
            $name,
            cocoon.kind = %$kind,
            // As text: the integers of OpenTelemetry end at half of ours.
            cocoon.n = %$n,
            error.type = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        )
    };
}
pub(crate) use span;

/// Answers requests, each from a fresh sandbox. Cheap to clone.
#[derive(Clone)]
pub struct Factorial(Arc<Inner>);

struct Inner {
    component: Component<FactorialWorld>,
    /// The same with only what answers in one piece, if it is the bundled one.
    reply: Option<Replies>,
    pool: Pool,
    /// The same request always costs the same.
    costs: Cache<Request, Estimate>,
}

impl Factorial {
    /// Loads a component of the factorial world. It is granted nothing.
    ///
    /// # Errors
    ///
    /// Where it cannot be loaded, or is of another world.
    pub async fn load(engine: &Engine, source: &Source) -> Result<Self, ComponentError> {
        let component = Component::load(engine, source, &Grants::default()).await?;
        let pool = Pool::new(engine, component.sandboxes());
        let reply = match source {
            Source::Bundled { .. } => Some(Replies::new(engine)),
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

    /// How many requests can be answered at once.
    pub fn sandboxes(&self) -> u32 {
        self.0.component.sandboxes()
    }

    /// Waits for a sandbox that is allowed all that `request` needs.
    ///
    /// A small request stays in the sandbox that told its cost. A large one
    /// gives it back, waits for the memory, and starts again in a fresh one.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense, would exceed a limit, or finds no room.
    pub async fn admit(&self, request: Request) -> Result<Admitted, RunError> {
        self.admit_until(request, &self.0.pool.deadline()).await
    }

    /// As [`Factorial::admit`], for somebody who waits no longer than
    /// `patience_ms`.
    ///
    /// # Errors
    ///
    /// As [`Factorial::admit`].
    pub async fn admit_within(
        &self,
        request: Request,
        patience_ms: u64,
    ) -> Result<Admitted, RunError> {
        self.admit_until(request, &self.0.pool.deadline_within(patience_ms))
            .await
    }

    /// As [`Factorial::admit`], with the deadline of a job that began before.
    pub(crate) async fn admit_until(
        &self,
        request: Request,
        deadline: &Deadline,
    ) -> Result<Admitted, RunError> {
        let admitted = self.find_room(request, deadline).await;
        admitted.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn find_room(&self, request: Request, deadline: &Deadline) -> Result<Admitted, RunError> {
        if let Some(cost) = self.0.costs.get(&request) {
            let cap_bytes = self.check(&request, &cost)?;
            let sandbox = self.place(cap_bytes, &cost, deadline).await?;
            return Ok(Admitted::new(sandbox, request, cost));
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
        Ok(Admitted::new(Place::Whole(sandbox), request, cost))
    }

    /// A sandbox for a request whose cost is known: of no more than the answer
    /// needs.
    async fn place(
        &self,
        cap_bytes: u64,
        cost: &Estimate,
        deadline: &Deadline,
    ) -> Result<Place, RunError> {
        let most = cost.output_bytes.most();
        match &self.0.reply {
            Some(replies) if most.is_some_and(|bytes| bytes <= REPLY_BYTES) => {
                let permit = self.permit(cap_bytes, deadline).await?;
                match replies.sandbox(permit).await? {
                    Ok(sandbox) => Ok(Place::Reply(sandbox)),
                    Err(permit) => Ok(Place::Whole(self.sandbox_in(permit).await?)),
                }
            }
            _ => Ok(Place::Whole(self.sandbox(cap_bytes, deadline).await?)),
        }
    }

    /// Asks for the cost in a sandbox that is there, and remembers it.
    async fn cost_in(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        request: Request,
    ) -> Result<Estimate, RunError> {
        let span = span!(sandbox, "cost", request.kind, request.n);
        let cost = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_cost(store, request)
                    .await
            })
            .await
            .and_then(|cost| Ok(cost?))
            .inspect_err(|error| failed(&span, error))?;
        self.0.costs.insert(request, cost);
        Ok(cost)
    }

    /// What can be said of a number without computing it.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense, or finds no room.
    pub async fn info(&self, kind: Kind, n: u64) -> Result<Facts, RunError> {
        let facts = self.facts(kind, n).await;
        facts.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn facts(&self, kind: Kind, n: u64) -> Result<Facts, RunError> {
        let mut sandbox = self
            .sandbox(self.first_cap_bytes(), &self.0.pool.deadline())
            .await?;
        let span = span!(sandbox, "info", kind, n);
        sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_info(store, kind, n)
                    .await
            })
            .await
            .and_then(|info| Ok(info?))
            .inspect_err(|error| failed(&span, error))
    }

    /// A coroutine: one sandbox that answers each of `requests` in order, each
    /// answer of at most [`REPLY_BYTES`], until they end.
    ///
    /// # Errors
    ///
    /// What stopped it. `answers` ends in the same way, so that its reader can
    /// tell a conversation that is over from one that broke off.
    pub async fn serve(
        &self,
        requests: Receiver<Request>,
        answers: Sender<Result<String, RunError>>,
    ) -> Result<(), RunError> {
        let served = self.serve_with(requests, &answers).await;
        answers.end(&served);
        served.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn serve_with(
        &self,
        requests: Receiver<Request>,
        answers: &Sender<Result<String, RunError>>,
    ) -> Result<(), RunError> {
        let mut sandbox = self
            .sandbox(self.first_cap_bytes(), &self.0.pool.deadline())
            .await?;
        let requests = Inlet::new(requests, |request| request);
        let intake = requests.intake();
        let mut conversation = Conversation::new(intake.clone(), self.limits());
        let answered = Arc::clone(&conversation.answered);
        let serving = sandbox.run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let (outlet, closed) =
                        Outlet::new(answers, move |answer| conversation.take(answer));
                    let requests = accessor.with(|store| StreamReader::new(store, requests))?;
                    let component = component.cocoon_factorial_factorial();
                    let written = component.call_serve(accessor, requests).await?;
                    accessor.with(|store| written.pipe(store, outlet))?;
                    closed.wait().await;
                    Ok(())
                })
                .await?
        });
        tokio::select! {
            served = serving => served?,
            () = answers.reader_gone() => return Err(RunError::ReaderGone),
        }
        let answered = answered.load(Ordering::Relaxed);
        if intake.ended() && answered == intake.taken() {
            Ok(())
        } else {
            Err(RunError::Failed(format!(
                "it left after {answered} answers, before the requests ended"
            )))
        }
    }

    /// What a sandbox may take that has promised nothing yet. A component with a
    /// large memory image needs that and some more.
    fn first_cap_bytes(&self) -> u64 {
        let image_bytes = self.0.component.memory_image_bytes();
        SMALL_JOB_BYTES.max(image_bytes.saturating_add(SMALL_JOB_BYTES / 2))
    }

    async fn sandbox(
        &self,
        cap_bytes: u64,
        deadline: &Deadline,
    ) -> Result<Sandbox<FactorialWorld>, RunError> {
        let permit = self.permit(cap_bytes, deadline).await?;
        self.sandbox_in(permit).await
    }

    async fn permit(&self, cap_bytes: u64, deadline: &Deadline) -> Result<Permit, RunError> {
        let cap_bytes = cap_bytes.min(self.limits().get(Limit::SandboxMemory));
        self.0
            .pool
            .admit(Need::of_memory(cap_bytes), deadline)
            .await
    }

    /// A fresh sandbox in a place that was admitted.
    pub(crate) async fn sandbox_in(
        &self,
        permit: Permit,
    ) -> Result<Sandbox<FactorialWorld>, RunError> {
        Sandbox::new(&self.0.component, permit, None).await
    }

    /// The memory cap of `request`, if it may be computed at all in one sandbox.
    fn check(&self, request: &Request, cost: &Estimate) -> Result<u64, RunError> {
        let peak_bytes = self.check_reach(request, cost)?;
        let value = self.limits().get(Limit::SandboxMemory);
        if peak_bytes > value {
            return Err(RunError::TooLarge {
                limit: Limit::SandboxMemory,
                value,
                needed: peak_bytes,
                needs: format!("of memory for {} digits", cost.digits).into(),
            });
        }
        Ok(peak_bytes)
    }

    /// The memory that `request` needs in one sandbox, if it can be computed at all and
    /// so much may be put out.
    fn check_reach(&self, request: &Request, cost: &Estimate) -> Result<u64, RunError> {
        self.check_output(cost)?;
        cost.peak_bytes.ok_or_else(|| {
            RunError::OutOfReach(format!(
                "the {} of {} has {} digits, out of reach of the 4 GiB that a component can have",
                request.kind, request.n, cost.digits
            ))
        })
    }

    /// Whether so much may be put out.
    fn check_output(&self, cost: &Estimate) -> Result<(), RunError> {
        let value = self.limits().get(Limit::Output);
        match cost.output_bytes.exact() {
            Some(needed) if needed > value => Err(RunError::TooLarge {
                limit: Limit::Output,
                value,
                needed,
                needs: format!("of output for {} digits", cost.digits).into(),
            }),
            _ => Ok(()),
        }
    }
}

/// What the answers of one conversation are held to.
struct Conversation {
    intake: Intake,
    answered: Arc<AtomicU64>,
    cap_bytes: u64,
    left_bytes: u64,
}

impl Conversation {
    fn new(intake: Intake, limits: &Limits) -> Self {
        let cap_bytes = limits.get(Limit::Output);
        Self {
            intake,
            answered: Arc::default(),
            cap_bytes,
            left_bytes: cap_bytes,
        }
    }

    /// The next answer, unless there is one too many or too much in all.
    fn take(
        &mut self,
        answer: Result<String, Error>,
    ) -> Result<Result<String, RunError>, RunError> {
        if self.answered.fetch_add(1, Ordering::Relaxed) >= self.intake.taken() {
            return Err(RunError::Failed(
                "it answered more than it was asked".to_owned(),
            ));
        }
        let answer = answer.map_err(RunError::from).and_then(held_to_reply);
        let bytes = answer.as_ref().map_or(ERROR_CHARS, String::len) as u64;
        let Some(left_bytes) = self.left_bytes.checked_sub(bytes) else {
            let (limit, value) = (Limit::Output, self.cap_bytes);
            return Err(RunError::Stopped { limit, value });
        };
        self.left_bytes = left_bytes;
        Ok(answer)
    }
}

/// A reply that is as short as the contract says. It was copied out of the
/// sandbox, whose memory cap bounds it all the same.
fn held_to_reply(reply: String) -> Result<String, RunError> {
    if reply.len() as u64 > REPLY_BYTES {
        return Err(RunError::Failed(format!(
            "its reply has {} bytes, and one reply has at most {REPLY_BYTES}",
            reply.len()
        )));
    }
    Ok(reply)
}

/// A grade that is as good as was asked for.
fn held_to_proof(proved: bool, grade: Grade) -> Result<Grade, RunError> {
    match grade {
        Grade::Verified(_) if proved => Err(RunError::Failed(
            "it checked products that were to be proved".to_owned(),
        )),
        _ => Ok(grade),
    }
}

/// What a component says of an error, on one line of a length that can be read.
fn held_to_line(text: &str) -> String {
    let line = text.chars().take(ERROR_CHARS);
    line.map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Malformed(held_to_line(&text)),
            Error::TooLarge(text) => Self::OutOfReach(held_to_line(&text)),
            Error::Failed(text) => Self::Failed(held_to_line(&text)),
        }
    }
}
