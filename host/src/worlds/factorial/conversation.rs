//! A conversation: one sandbox that answers a stream of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::StreamReader;

use super::Factorial;
use super::bindings::{Error, Request};
use super::contract::check_reply;
use crate::channel::{Inlet, Intake, Outlet, Receiver, Sender};
use crate::error::RunError;
use crate::limits::{ERROR_CHARS, Limit, Limits};

impl Factorial {
    /// Answers each of `requests` in order, from one sandbox. An answer has at most
    /// [`REPLY_BYTES`](crate::limits::REPLY_BYTES).
    ///
    /// # Errors
    ///
    /// The error that stopped it. `answers` ends with the same error, so a broken conversation
    /// differs from a finished one.
    pub async fn serve(
        &self,
        requests: Receiver<Request>,
        answers: Sender<Result<String, RunError>>,
    ) -> Result<(), RunError> {
        let result = self.converse(requests, &answers).await;
        answers.end(&result);
        self.meter().watch(result)
    }

    async fn converse(
        &self,
        requests: Receiver<Request>,
        answers: &Sender<Result<String, RunError>>,
    ) -> Result<(), RunError> {
        let deadline = self.pool().deadline();
        let mut sandbox = self.sandbox(self.first_cap_bytes(), &deadline).await?;
        let requests = Inlet::new(requests, |request| request);
        let intake = requests.intake();
        let mut conversation = Conversation::new(intake.clone(), self.limits());
        let count = Arc::clone(&conversation.answers);
        let serving = sandbox.run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let (outlet, closed) =
                        Outlet::new(answers, move |answer| conversation.check(answer));
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
            result = serving => result?,
            () = answers.reader_gone() => return Err(RunError::ReaderGone),
        }
        let answers = count.load(Ordering::Relaxed);
        if intake.has_ended() && answers == intake.count() {
            Ok(())
        } else {
            Err(RunError::Failed(format!(
                "expected an answer to each request, got {answers} before the component returned"
            )))
        }
    }
}

/// The bounds of the answers of one conversation.
struct Conversation {
    intake: Intake,
    answers: Arc<AtomicU64>,
    cap_bytes: u64,
    rest_bytes: u64,
}

impl Conversation {
    fn new(intake: Intake, limits: &Limits) -> Self {
        let cap_bytes = limits.bytes(Limit::Output);
        Self {
            intake,
            answers: Arc::default(),
            cap_bytes,
            rest_bytes: cap_bytes,
        }
    }

    /// Checks the next answer: its length, the number of answers and their sum.
    fn check(
        &mut self,
        answer: Result<String, Error>,
    ) -> Result<Result<String, RunError>, RunError> {
        if self.answers.fetch_add(1, Ordering::Relaxed) >= self.intake.count() {
            return Err(RunError::Failed(
                "expected one answer to each request, got more".to_owned(),
            ));
        }
        let answer = answer.map_err(RunError::from).and_then(check_reply);
        let bytes = answer.as_ref().map_or(ERROR_CHARS, String::len) as u64;
        let Some(rest_bytes) = self.rest_bytes.checked_sub(bytes) else {
            return Err(RunError::stopped(Limit::Output, self.cap_bytes));
        };
        self.rest_bytes = rest_bytes;
        Ok(answer)
    }
}
