//! The world `reply`: the bundled component without streams.
//!
//! It imports no function, so a sandbox of it has one core instance and few tables to fill,
//! and starts in a part of the time. It is the same code, and so are its answers. A request
//! whose answer is known to be short uses it after the first [`ANSWERS_BEFORE`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};

use super::bindings::{Error, Kind, Request, call, find};
use super::bundled::unpack;
use crate::component::{Component, World};
use crate::engine::Engine;
use crate::error::RunError;
use crate::grants::State;
use crate::metrics::per_thread::PerThread;
use crate::pool::Permit;
use crate::sandbox::Sandbox;

/// Short answers that the full component computes first. Unpacking and loading this world
/// takes some milliseconds, and saves microseconds for each answer.
pub(super) const ANSWERS_BEFORE: u64 = 16;

/// The precompiled code, compressed by gzip.
static GZIP: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/reply.code.gz")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/reply.code.gz"));

/// The same, unpack once.
fn code() -> Option<&'static [u8]> {
    static CODE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    CODE.get_or_init(|| unpack(&GZIP).ok()).as_deref()
}

/// The component, once for each thread that makes sandboxes of it. Each has its own engine:
/// with a shared one, the memory of a sandbox was mostly in the other thread's cache, and two
/// threads made fewer sandboxes than one.
pub(super) struct ReplyComponent {
    engine: Engine,
    /// Short answers so far, up to [`ANSWERS_BEFORE`].
    answers: AtomicU64,
    threads: PerThread<OnceLock<Option<Places>>>,
}

/// The component of one thread, and its free places.
struct Places {
    component: Component<ReplyWorld>,
    free: Arc<Semaphore>,
}

/// A sandbox of the world `reply`.
pub(super) struct ReplySandbox {
    // Dropped in this order.
    pub(super) sandbox: Sandbox<ReplyWorld>,
    _place: OwnedSemaphorePermit,
}

impl ReplyComponent {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            answers: AtomicU64::new(0),
            threads: PerThread::default(),
        }
    }

    /// Makes a sandbox, or returns the permit: for the first answers, where all places are
    /// taken, and where the code does not run on this processor.
    pub(super) async fn sandbox(
        &self,
        permit: Permit,
    ) -> Result<Result<ReplySandbox, Permit>, RunError> {
        // The counter is read-only once it is reached, so threads do not contend for it.
        if self.answers.load(Ordering::Relaxed) < ANSWERS_BEFORE {
            self.answers.fetch_add(1, Ordering::Relaxed);
            return Ok(Err(permit));
        }
        let places = self
            .threads
            .own()
            .get_or_init(|| Places::load(&self.engine));
        let free = places.as_ref().and_then(|places| {
            let place = Arc::clone(&places.free).try_acquire_owned().ok()?;
            Some((&places.component, place))
        });
        let Some((component, place)) = free else {
            return Ok(Err(permit));
        };
        let sandbox = Sandbox::new(component, permit, None).await?;
        Ok(Ok(ReplySandbox {
            sandbox,
            _place: place,
        }))
    }
}

impl Places {
    fn load(engine: &Engine) -> Option<Self> {
        let engine = engine.sync();
        let engine =
            engine.inspect_err(|error| tracing::debug!(%error, "reply engine not started"));
        let component: Component<ReplyWorld> = Component::of_code(&engine.ok()?, code()?)?;
        let free = Arc::new(Semaphore::new(component.sandboxes() as usize));
        Some(Self { component, free })
    }
}

/// Components of the world `cocoon:factorial/reply`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyWorld;

/// The linked component, and the indices of its functions.
pub(super) struct LinkedReply {
    pre: InstancePre<State>,
    functions: Functions,
}

/// The functions of an instance.
pub(super) struct Exports {
    instance: Instance,
    functions: Functions,
}

#[derive(Clone, Copy)]
struct Functions {
    notation: ComponentExportIndex,
    compute: ComponentExportIndex,
}

impl World for ReplyWorld {
    type Pre = LinkedReply;
    type Exports = Exports;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<LinkedReply> {
        let functions = Functions {
            notation: find(&pre, None, "notation")?,
            compute: find(&pre, None, "compute")?,
        };
        Ok(LinkedReply { pre, functions })
    }

    async fn instantiate(pre: &LinkedReply, store: &mut Store<State>) -> wasmtime::Result<Exports> {
        let instance = pre.pre.instantiate_async(store).await?;
        let functions = pre.functions;
        Ok(Exports {
            instance,
            functions,
        })
    }
}

impl Exports {
    pub(super) async fn call_notation(
        &self,
        store: &mut Store<State>,
        kind: Kind,
        n: u64,
    ) -> wasmtime::Result<Result<String, Error>> {
        call(&self.instance, store, self.functions.notation, (kind, n)).await
    }

    pub(super) async fn call_compute(
        &self,
        store: &mut Store<State>,
        request: Request,
    ) -> wasmtime::Result<Result<String, Error>> {
        call(&self.instance, store, self.functions.compute, (request,)).await
    }
}
