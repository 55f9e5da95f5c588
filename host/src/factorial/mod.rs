//! The bundled world: requests for factorials, each answered by a sandbox of its
//! own.
//!
//! A request lives from admission until its last digit is produced. It is
//! bounded by what the component promises of it and by the limits, whichever is
//! less. Nothing here looks at the digits.

mod bindings;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::sync::oneshot;
use tokio::time::Instant;
use wasmtime::component::StreamReader;

use crate::channel::{Inlet, Intake, Outlet, Promise, Receiver, Sender, byte_outlet};
use crate::component::{Component, ComponentError, Grants, Source};
use crate::engine::Engine;
use crate::error::RunError;
use crate::limits::{COSTS_REMEMBERED, ERROR_CHARS, Limit, Limits, REPLY_BYTES, SMALL_JOB_BYTES};
use crate::pool::Pool;
use crate::sandbox::Sandbox;

use bindings::Error;
pub use bindings::{Count, Estimate, FactorialWorld, Facts, Format, Kind, Request};
pub use request::{FORMATS, KINDS, ONE_OF_EACH_KIND};

/// The component that comes with this program.
pub const BUNDLED: Source = Source::Bundled {
    wasm: include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm")),
    code: include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code")),
};

/// The processor that the bundled component's code was compiled for.
pub const BUNDLED_FOR: &str = env!("COCOON_CODE_FOR");

/// Answers requests, each from a fresh sandbox. Cheap to clone.
#[derive(Clone)]
pub struct Factorial(Arc<Inner>);

struct Inner {
    component: Component<FactorialWorld>,
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
        Ok(Self(Arc::new(Inner {
            component,
            pool,
            costs: Cache::new(COSTS_REMEMBERED),
        })))
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
        let deadline = self.0.pool.deadline();
        if let Some(cost) = self.0.costs.get(&request) {
            let cap_bytes = self.check(&request, &cost)?;
            let sandbox = self.sandbox(cap_bytes, deadline).await?;
            return Ok(Admitted {
                sandbox,
                request,
                cost,
            });
        }
        let first_bytes = self.first_cap_bytes();
        let mut sandbox = self.sandbox(first_bytes, deadline).await?;
        let cost = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_cost(store, request)
                    .await
            })
            .await??;
        self.0.costs.insert(request, cost);
        let cap_bytes = self.check(&request, &cost)?;
        if cap_bytes > first_bytes {
            drop(sandbox);
            sandbox = self.sandbox(cap_bytes, deadline).await?;
        } else {
            sandbox.lower_cap(cap_bytes);
        }
        Ok(Admitted {
            sandbox,
            request,
            cost,
        })
    }

    /// What can be said of a number without computing it.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense, or finds no room.
    pub async fn info(&self, kind: Kind, n: u64) -> Result<Facts, RunError> {
        let mut sandbox = self
            .sandbox(self.first_cap_bytes(), self.0.pool.deadline())
            .await?;
        let info = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_info(store, kind, n)
                    .await
            })
            .await??;
        Ok(info)
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
        answers.end_with(served.clone());
        served
    }

    async fn serve_with(
        &self,
        requests: Receiver<Request>,
        answers: &Sender<Result<String, RunError>>,
    ) -> Result<(), RunError> {
        let mut sandbox = self
            .sandbox(self.first_cap_bytes(), self.0.pool.deadline())
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
        deadline: Instant,
    ) -> Result<Sandbox<FactorialWorld>, RunError> {
        let cap_bytes = cap_bytes.min(self.limits().get(Limit::SandboxMemory));
        let permit = self.0.pool.admit(cap_bytes, deadline).await?;
        Sandbox::new(&self.0.component, permit, None).await
    }

    /// The memory cap of `request`, if it may be computed at all.
    fn check(&self, request: &Request, cost: &Estimate) -> Result<u64, RunError> {
        let value = self.limits().get(Limit::Output);
        match cost.output_bytes.exact() {
            Some(needed) if needed > value => {
                return Err(RunError::TooLarge {
                    limit: Limit::Output,
                    value,
                    needed,
                    needs: "of output",
                });
            }
            _ => {}
        }
        let Some(peak_bytes) = cost.peak_bytes else {
            return Err(RunError::OutOfReach(format!(
                "the {} of {} has {} digits, out of reach of the 4 GiB that a component can have",
                request.kind, request.n, cost.digits
            )));
        };
        let value = self.limits().get(Limit::SandboxMemory);
        if peak_bytes > value {
            return Err(RunError::TooLarge {
                limit: Limit::SandboxMemory,
                value,
                needed: peak_bytes,
                needs: "of memory",
            });
        }
        Ok(peak_bytes)
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

/// A request that has its sandbox.
pub struct Admitted {
    sandbox: Sandbox<FactorialWorld>,
    request: Request,
    cost: Estimate,
}

impl Admitted {
    /// What the component said that the request costs.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    /// How the number is written down in mathematics, as `10!`.
    ///
    /// # Errors
    ///
    /// What stopped the sandbox.
    pub async fn notation(&mut self) -> Result<String, RunError> {
        let Request { kind, n, .. } = self.request;
        let notation = self
            .sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_notation(store, kind, n)
                    .await
            })
            .await??;
        held_to_reply(notation)
    }

    /// The answer in one piece, of at most [`REPLY_BYTES`].
    ///
    /// # Errors
    ///
    /// What stopped the sandbox, or [`RunError::OutOfReach`] for a longer one.
    pub async fn compute(mut self) -> Result<String, RunError> {
        let request = self.request;
        let answer = self
            .sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_factorial()
                    .call_compute(store, request)
                    .await
            })
            .await??;
        let answer = held_to_reply(answer)?;
        let value = self.sandbox.limits().get(Limit::Output);
        // What it said of its length may have been a bound, or a lie.
        if answer.len() as u64 > value {
            let limit = Limit::Output;
            return Err(RunError::Stopped { limit, value });
        }
        Ok(answer)
    }

    /// Sends the answer to `digits`, most significant digit first, and ends the
    /// channel as the computation ended.
    ///
    /// # Errors
    ///
    /// What stopped it, which the reader is told as well.
    pub async fn send_to(self, digits: Sender<Bytes>) -> Result<(), RunError> {
        let sent = match self.cost.output_bytes.most() {
            Some(bytes) if bytes <= REPLY_BYTES => match self.compute().await {
                Ok(answer) => digits.send(answer.into()).await,
                Err(error) => Err(error),
            },
            _ => self.stream_to(&digits).await,
        };
        digits.end_with(sent.clone());
        sent
    }

    async fn stream_to(mut self, digits: &Sender<Bytes>) -> Result<(), RunError> {
        let request = self.request;
        let cap_bytes = self.sandbox.limits().get(Limit::Output);
        let streaming = self.sandbox.run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let component = component.cocoon_factorial_factorial();
                    let (written, done) = match component.call_digits(accessor, request).await? {
                        Ok(streams) => streams,
                        Err(error) => return Ok(Err(error)),
                    };
                    let (outlet, closed) = byte_outlet(digits, cap_bytes);
                    let (resolved, resolution) = oneshot::channel();
                    accessor.with(|mut store| {
                        written.pipe(&mut store, outlet)?;
                        done.pipe(&mut store, Promise::new(resolved))
                    })?;
                    closed.wait().await;
                    Ok(resolution.await.unwrap_or_else(|_| {
                        Err(Error::Failed(
                            "the digits ended without a word on how".to_owned(),
                        ))
                    }))
                })
                .await?
        });
        tokio::select! {
            streamed = streaming => match streamed? {
                // The component may have called it done when nobody took more.
                _ if !digits.has_reader() => Err(RunError::ReaderGone),
                done => Ok(done?),
            },
            () = digits.reader_gone() => Err(RunError::ReaderGone),
        }
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
