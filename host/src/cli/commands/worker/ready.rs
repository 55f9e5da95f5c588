//! A batch that is ready to run: its component is compiled and its grants are checked.

use std::collections::VecDeque;
use std::sync::Arc;

use cocoon::component::{Component, Location, Source};
use cocoon::engine::Engine;
use cocoon::limits::{Limit, Limits, QUEUE_BATCHES_READY};
use cocoon::pool::Pool;
use cocoon::queue::{Batch, Queue, QueueError};

use super::ceiling::{self, Ceiling};
use crate::cli::code_args::CodeArgs;
use crate::cli::commands::exec::arguments::Arguments;
use crate::cli::commands::exec::input::Input;
use crate::cli::commands::exec::instance::Programs;
use crate::cli::component_args::RegistryArgs;
use crate::cli::failure::Failure;

/// A batch that is ready.
pub(super) struct Ready {
    pub(super) batch: Batch,
    pub(super) programs: Programs,
    /// Whether a longer output does not fit the results of the batch.
    pub(super) is_bounded_by_results: bool,
}

/// Everything that makes batches ready.
pub(super) struct Preparation {
    pub(super) ceiling: Ceiling,
    pub(super) registries: RegistryArgs,
    pub(super) code: CodeArgs,
    pub(super) limits: Limits,
    /// Sandboxes of an engine.
    pub(super) sandboxes: u64,
    /// The engine under the limits of this worker.
    pub(super) engine: Engine,
}

/// The batches that are ready, the latest last.
#[derive(Default)]
pub(super) struct Shelf(VecDeque<(String, Arc<Ready>)>);

impl Shelf {
    /// The batch `name` with this `uid`, made ready if it is not.
    ///
    /// # Errors
    ///
    /// The reason why this worker cannot run it, or a failure of the queue.
    pub(super) async fn get(
        &mut self,
        queue: &Queue,
        preparation: &Preparation,
        name: &str,
        uid: &str,
    ) -> Result<Arc<Ready>, Failure> {
        if let Some(at) = self.0.iter().position(|(own, _)| own == uid)
            && let Some(found) = self.0.remove(at)
        {
            let ready = Arc::clone(&found.1);
            self.0.push_back(found);
            return Ok(ready);
        }
        let (found, batch) = queue.batch(name).await?;
        if found != uid {
            let error = format!("expected the batch {name} as it was leased, got another one");
            return Err(QueueError::Batch(error).into());
        }
        let ready = Arc::new(preparation.prepare(queue, batch).await?);
        if self.0.len() >= QUEUE_BATCHES_READY {
            self.0.pop_front();
        }
        self.0.push_back((uid.to_owned(), Arc::clone(&ready)));
        Ok(ready)
    }
}

impl Preparation {
    async fn prepare(&self, queue: &Queue, batch: Batch) -> Result<Ready, Failure> {
        let refused = |reason: String| Failure::from(QueueError::Batch(reason));
        self.ceiling
            .check_component(&batch.component)
            .map_err(refused)?;
        let grants = self.ceiling.grants(&batch).map_err(refused)?;
        let limits = ceiling::limits(&batch, &self.limits).map_err(refused)?;
        let (limits, is_bounded_by_results) = ceiling::within_results(&batch, limits);
        let source = self.source(queue, &batch).await?;
        let engine = if limits == self.limits && !grants.is_deterministic() {
            self.engine.clone()
        } else {
            let is_deterministic = grants.is_deterministic();
            self.code
                .engine_for_programs(&limits, self.sandboxes, is_deterministic)?
        };
        let component = Component::load(&engine, &source, &grants.shared()).await?;
        let pool = Pool::new(&engine, component.sandboxes());
        let input = match &batch.input {
            None => Input::default(),
            Some(digest) => {
                let bytes_max = self.limits.bytes(Limit::Input);
                Input::Bytes(queue.download(digest, bytes_max).await?)
            }
        };
        let programs = Programs {
            component,
            pool,
            grants,
            arguments: Arguments::new(batch.program.clone(), batch.arguments.clone()),
            input,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            retries: batch.retries,
        };
        Ok(Ready {
            batch,
            programs,
            is_bounded_by_results,
        })
    }

    async fn source(&self, queue: &Queue, batch: &Batch) -> Result<Source, Failure> {
        if batch.component.starts_with("oci://") {
            let location = Location::parse(batch.component.clone().into());
            return match location {
                Ok(location @ Location::Registry(_)) => {
                    self.registries.source(Some(&location), &self.limits).await
                }
                _ => Err(QueueError::Batch(format!(
                    "expected a reference with a digest, got `{}`",
                    batch.component
                ))
                .into()),
            };
        }
        let bytes_max = self.limits.bytes(Limit::ComponentSize);
        let wasm = queue.download(&batch.component, bytes_max).await?;
        queue.keep_content(&batch.component, batch.keep_s).await?;
        Ok(Source::Bytes(wasm))
    }
}
