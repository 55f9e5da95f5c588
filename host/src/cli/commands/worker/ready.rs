//! A batch that is ready to run: its component is compiled and its grants are checked.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cocoon::component::{Component, Location, Source};
use cocoon::engine::Engine;
use cocoon::limits::{Limit, Limits, QUEUE_BATCHES_READY};
use cocoon::pool::Pool;
use cocoon::queue::{Batch, Queue, QueueError, Range};
use cocoon::worlds::command::Program;

use super::ceiling::{self, Ceiling};
use super::components::{Components, Key};
use crate::cli::code_args::CodeArgs;
use crate::cli::commands::exec::arguments::Arguments;
use crate::cli::commands::exec::input::Input;
use crate::cli::commands::exec::instance::Programs;
use crate::cli::commands::exec_grants::GrantArgs;
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
    /// Components for batches to come.
    pub(super) components: Components,
}

/// The batches that are ready, the latest last.
#[derive(Default)]
pub(super) struct Shelf(VecDeque<(String, Arc<Ready>)>);

/// Why a batch is not ready.
pub(super) enum Unready {
    /// This worker may not run it, and another one may.
    Refused(String),
    /// No worker can run it.
    Broken(Failure),
}

impl<E: Into<Failure>> From<E> for Unready {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl Shelf {
    /// The uids of its batches.
    pub(super) fn uids(&self) -> String {
        let uids: Vec<_> = self.0.iter().map(|(uid, _)| uid.as_str()).collect();
        uids.join(",")
    }

    /// The batch of `range`, made ready if it is not.
    pub(super) async fn get(
        &mut self,
        queue: &Queue,
        preparation: &Preparation,
        range: &Range,
    ) -> Result<Arc<Ready>, Unready> {
        let uid = &range.uid;
        if let Some(at) = self.0.iter().position(|(own, _)| own == uid)
            && let Some(found) = self.0.remove(at)
        {
            let ready = Arc::clone(&found.1);
            self.0.push_back(found);
            return Ok(ready);
        }
        let batch = Batch::parse(&range.held.batch, &range.description)?;
        let ready = Arc::new(preparation.prepare(queue, batch).await?);
        if self.0.len() >= QUEUE_BATCHES_READY {
            self.0.pop_front();
        }
        self.0.push_back((uid.to_owned(), Arc::clone(&ready)));
        Ok(ready)
    }
}

impl Preparation {
    async fn prepare(&self, queue: &Queue, batch: Batch) -> Result<Ready, Unready> {
        self.ceiling
            .check_component(&batch.component)
            .map_err(Unready::Refused)?;
        let grants = self.ceiling.grants(&batch).map_err(Unready::Refused)?;
        let limits = ceiling::limits(&batch, &self.limits).map_err(Unready::Refused)?;
        let (limits, is_bounded_by_results) = ceiling::within_results(&batch, limits);
        let component = self.component(queue, &batch, &grants, limits).await?;
        let pool = Pool::new(component.engine(), component.sandboxes());
        let input = match &batch.input {
            None => Input::default(),
            Some(digest) => {
                let bytes_max = self.limits.bytes(Limit::Input);
                Input::Bytes(download(queue, digest, bytes_max).await?)
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

    /// The component of `batch` under `limits`. One that shares no folder and no network is kept.
    async fn component(
        &self,
        queue: &Queue,
        batch: &Batch,
        grants: &GrantArgs,
        limits: Limits,
    ) -> Result<Arc<Component<Program>>, Unready> {
        let key = Key {
            component: batch.component.clone(),
            is_deterministic: grants.is_deterministic(),
            limits,
        };
        let is_kept = grants.shares_nothing();
        if is_kept && let Some(found) = self.components.get(&key) {
            return Ok(found);
        }
        let (source, bytes) = self.source(queue, batch).await?;
        let engine = if key.limits == self.limits && !key.is_deterministic {
            self.engine.clone()
        } else {
            let engine =
                self.code
                    .engine_for_programs(&key.limits, self.sandboxes, key.is_deterministic)?;
            engine.with_idle_memory_of(&self.engine)
        };
        let component = Component::load(&engine, &source, &grants.shared()).await?;
        let component = Arc::new(component);
        if is_kept {
            self.components.keep(key, Arc::clone(&component), bytes);
        }
        Ok(component)
    }

    /// The component's bytes, and their number.
    async fn source(&self, queue: &Queue, batch: &Batch) -> Result<(Source, u64), Unready> {
        let bytes_max = self.limits.bytes(Limit::ComponentSize);
        if batch.component.starts_with("oci://") {
            let location = Location::parse(batch.component.clone().into());
            return match location {
                Ok(location @ Location::Registry(_)) => {
                    let source = self.registries.source(Some(&location), &self.limits).await;
                    // Another worker may have access to the registry.
                    let source = source.map_err(|failure| Unready::Refused(failure.to_string()))?;
                    let bytes = source.bytes(bytes_max).await?.len() as u64;
                    Ok((source, bytes))
                }
                _ => Err(QueueError::Batch(format!(
                    "expected a reference with a digest, got `{}`",
                    batch.component
                ))
                .into()),
            };
        }
        let wasm = download(queue, &batch.component, bytes_max).await?;
        let bytes = wasm.len() as u64;
        Ok((Source::Bytes(wasm), bytes))
    }
}

/// Content of the queue, which this worker refuses above `bytes_max`.
async fn download(queue: &Queue, digest: &str, bytes_max: u64) -> Result<Bytes, Unready> {
    match queue.download(digest, bytes_max).await {
        Err(error @ QueueError::TooLarge(_)) => Err(Unready::Refused(error.to_string())),
        downloaded => Ok(downloaded?),
    }
}
