//! The world `reply`: the bundled component once more, with only what answers in
//! one piece.
//!
//! It imports no function and has no streams, so that a sandbox of it has one core
//! instance and few tables to fill, and starts in a part of the time. Its answers
//! are those of the whole component, whose code it is. What knows that an answer is
//! short takes a sandbox of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};

use super::bindings::{Error, Kind, Request, call, find};
use crate::component::{Component, State, World};
use crate::engine::Engine;
use crate::error::RunError;
use crate::pool::Permit;
use crate::sandbox::Sandbox;

/// The code of the component, which the build made.
static CODE: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/reply.code")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/reply.code"));

/// The component, and its sandboxes that there can be beside those there are.
pub(super) struct Replies {
    component: Component<ReplyWorld>,
    free: Arc<Semaphore>,
}

/// A sandbox of it.
pub(super) struct Reply {
    // Dropped in this order.
    pub(super) sandbox: Sandbox<ReplyWorld>,
    _slot: OwnedSemaphorePermit,
}

impl Replies {
    /// The component, unless its code is for another processor.
    pub(super) fn load(engine: &Engine) -> Option<Self> {
        let component: Component<ReplyWorld> = Component::of_code(&engine.plain(), &CODE)?;
        let free = Arc::new(Semaphore::new(component.sandboxes() as usize));
        Some(Self { component, free })
    }

    /// A fresh sandbox, or the permit back where there can be no more of them.
    pub(super) async fn sandbox(&self, permit: Permit) -> Result<Result<Reply, Permit>, RunError> {
        let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() else {
            return Ok(Err(permit));
        };
        let sandbox = Sandbox::new(&self.component, permit, None).await?;
        Ok(Ok(Reply {
            sandbox,
            _slot: slot,
        }))
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
