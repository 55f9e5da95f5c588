//! The world `reply`: the bundled component once more, with only what answers in
//! one piece.
//!
//! It imports no function and has no streams, so that a sandbox of it has one core
//! instance and few tables to fill, and starts in a part of the time. Its answers
//! are those of the whole component, whose code it is. What knows that an answer is
//! short takes a sandbox of it, once there were some.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};

use super::bindings::{Error, Kind, Request, call, find};
use crate::component::{Component, State, World, unpacked};
use crate::engine::Engine;
use crate::error::RunError;
use crate::pool::Permit;
use crate::sandbox::Sandbox;
use crate::shards::Shards;

/// So many short answers are computed by the whole component first: it takes some
/// milliseconds to unpack and load this one, and microseconds less for each answer then.
pub(super) const ANSWERS_BEFORE: u64 = 16;

/// The code of the component, which the build made, compressed by gzip.
static GZIP: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/reply.code.gz")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/reply.code.gz"));

/// The same, unpacked once.
fn code() -> Option<&'static [u8]> {
    static CODE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    CODE.get_or_init(|| unpacked(&GZIP).ok()).as_deref()
}

/// The component, once for each thread that asks for sandboxes of it. Each has an
/// engine of its own: where two threads took their places from one, the memory of a
/// sandbox was mostly in the other's cache, and two threads made fewer of them than one.
pub(super) struct Replies {
    engine: Engine,
    /// Short answers that were asked for, while there are few.
    asked: AtomicU64,
    threads: Shards<OnceLock<Option<Places>>>,
}

/// The component, and how many sandboxes of it there can be beside those there are.
struct Places {
    component: Component<ReplyWorld>,
    free: Arc<Semaphore>,
}

/// A sandbox of it.
pub(super) struct Reply {
    // Dropped in this order.
    pub(super) sandbox: Sandbox<ReplyWorld>,
    _place: OwnedSemaphorePermit,
}

impl Replies {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            asked: AtomicU64::new(0),
            threads: Shards::default(),
        }
    }

    /// A fresh sandbox, or the permit back where there are none yet or can be no more of
    /// them, or none at all since the code is for another processor.
    pub(super) async fn sandbox(&self, permit: Permit) -> Result<Result<Reply, Permit>, RunError> {
        // No thread writes where all of them read once there were enough.
        if self.asked.load(Ordering::Relaxed) < ANSWERS_BEFORE {
            self.asked.fetch_add(1, Ordering::Relaxed);
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
        Ok(Ok(Reply {
            sandbox,
            _place: place,
        }))
    }
}

impl Places {
    fn load(engine: &Engine) -> Option<Self> {
        let engine = engine.plain();
        let engine =
            engine.inspect_err(|error| tracing::debug!(%error, "short answers take longer"));
        let component: Component<ReplyWorld> = Component::of_code(&engine.ok()?, code()?)?;
        let free = Arc::new(Semaphore::new(component.sandboxes() as usize));
        Some(Self { component, free })
    }
}

/// Components of the world `cocoon:factorial/reply`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyWorld;

/// A linked component, and where its functions are.
pub(super) struct Prepared {
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
    type Pre = Prepared;
    type Exports = Exports;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<Prepared> {
        let functions = Functions {
            notation: find(&pre, None, "notation")?,
            compute: find(&pre, None, "compute")?,
        };
        Ok(Prepared { pre, functions })
    }

    async fn instantiate(pre: &Prepared, store: &mut Store<State>) -> wasmtime::Result<Exports> {
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
