//! A component that is compiled and linked, ready to be instantiated.
//!
//! It lives as long as sandboxes of it may be made. Each sandbox maps its memory image
//! copy-on-write.

use tokio::sync::OwnedSemaphorePermit;

use super::compile::compile;
use super::native_code::{CompiledComponent, load_precompiled};
#[cfg(all(feature = "service", feature = "compiler"))]
use super::resident_copy::{Resident, ResidentCopy};
#[cfg(all(feature = "service", feature = "compiler"))]
use super::thread_copies::{Places, ThreadCopies};
use super::{ComponentError, Source, World};
use crate::engine::{Engine, one_line};
#[cfg(all(feature = "service", feature = "compiler"))]
use crate::grants::HttpClient;
use crate::grants::{Denials, DeniedCall, Folders, Grants, MemoryCap, linker};
use crate::limits::Limit;
#[cfg(all(feature = "service", feature = "compiler"))]
use crate::limits::{COPIED_BYTES_MIN, COPY_BYTES_MAX};
use crate::metrics::Meter;

/// Wasmtime counts memories in pages of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// A compiled and linked component of world `W`.
pub struct Component<W: World> {
    engine: Engine,
    pre: W::Pre,
    sandboxes: u32,
    memory_image_bytes: u64,
    instance_bytes: u64,
    folders: Folders,
    denials: Denials,
    #[cfg(all(feature = "service", feature = "compiler"))]
    http_client: Option<HttpClient>,
    #[cfg(all(feature = "service", feature = "compiler"))]
    compiled: CompiledComponent,
    #[cfg(all(feature = "service", feature = "compiler"))]
    copies: ThreadCopies<Self>,
    #[cfg(all(feature = "service", feature = "compiler"))]
    resident: ResidentCopy<Self>,
}

impl<W: World> Component<W> {
    /// Compiles a component, or loads its precompiled code, and links it.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or compiled, has an import that cannot be granted, lacks an
    /// export of `W`, or needs more than a sandbox has.
    pub async fn load(
        engine: &Engine,
        source: &Source,
        grants: &Grants,
    ) -> Result<Self, ComponentError> {
        let compiled = compile(engine, source).await?;
        let patience = engine.limits().duration(Limit::CompileTime);
        let folders = Folders::open(&grants.dirs, patience).await?;
        Self::link(compiled, grants, folders)
    }

    /// A component without grants from precompiled `code`, or `None` if the code cannot be
    /// loaded.
    #[cfg_attr(
        not(feature = "bundled"),
        expect(dead_code, reason = "the bundled component alone has code")
    )]
    pub(crate) fn of_code(engine: &Engine, code: &'static [u8]) -> Option<Self> {
        let component = load_precompiled(engine, code);
        let linked = component.and_then(|component| {
            let compiled = CompiledComponent::of_code(engine, component);
            let linked = Self::link(compiled, &Grants::default(), Folders::default());
            linked.map_err(|error| error.to_string())
        });
        linked
            .inspect_err(|reason| tracing::debug!(reason, "reply component not loaded"))
            .ok()
    }

    fn link(
        compiled: CompiledComponent,
        grants: &Grants,
        folders: Folders,
    ) -> Result<Self, ComponentError> {
        let denials = Denials::new(!grants.network.is_none());
        #[cfg(all(feature = "service", feature = "compiler"))]
        let http_client = HttpClient::new(&grants.http, &denials, &compiled.engine);
        Self::link_with(
            compiled,
            folders,
            denials,
            #[cfg(all(feature = "service", feature = "compiler"))]
            http_client,
        )
    }

    #[cfg_attr(
        not(all(feature = "service", feature = "compiler")),
        expect(clippy::needless_pass_by_value, reason = "handlers keep it for copies")
    )]
    fn link_with(
        compiled: CompiledComponent,
        folders: Folders,
        denials: Denials,
        #[cfg(all(feature = "service", feature = "compiler"))] http_client: Option<HttpClient>,
    ) -> Result<Self, ComponentError> {
        let sandboxes = compiled.sandboxes()?;
        let component = &compiled.component;
        // Tasks of a program of WASI 0.3 that wait have stacks of their own, from the same slots.
        let sandboxes = if uses_wasi_3(component) {
            sandboxes.div_ceil(2)
        } else {
            sandboxes
        };
        let pre = linker(component)?
            .instantiate_pre(component)
            .and_then(W::prepare)
            .map_err(|error| ComponentError::Link(one_line(&error)))?;
        Ok(Self {
            engine: compiled.engine.clone(),
            pre,
            sandboxes,
            memory_image_bytes: memory_image_bytes(component),
            instance_bytes: compiled.instance_bytes,
            folders,
            denials,
            #[cfg(all(feature = "service", feature = "compiler"))]
            http_client,
            #[cfg(all(feature = "service", feature = "compiler"))]
            compiled,
            #[cfg(all(feature = "service", feature = "compiler"))]
            copies: ThreadCopies::new(),
            #[cfg(all(feature = "service", feature = "compiler"))]
            resident: ResidentCopy::new(),
        })
    }

    /// The copy of this component for this thread, or that of a large component, with a place in it.
    /// `None` where there is none, or all of its places are taken. `meter` counts its sandboxes.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn copy_with_place(&self, meter: &Meter) -> Option<(&Self, OwnedSemaphorePermit)> {
        if self.compiled.code_bytes() <= COPY_BYTES_MAX {
            self.copies.own(|| {
                let copy = self.copy();
                copy.inspect_err(|reason| tracing::debug!(reason, "component not copied"))
                    .ok()
            })
        } else {
            self.resident.take(self.copied_bytes(), meter, || {
                let copy = self.resident_copy();
                copy.inspect_err(|reason| tracing::debug!(reason, "no places stay resident"))
                    .ok()
            })
        }
    }

    /// Without a compiler there are no copies.
    #[cfg(not(all(feature = "service", feature = "compiler")))]
    #[expect(clippy::unused_self, reason = "a method as with a compiler")]
    pub(crate) fn copy_with_place(&self, _: &Meter) -> Option<(&Self, OwnedSemaphorePermit)> {
        None
    }

    /// The same component in an engine for one thread.
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn copy(&self) -> Result<Places<Self>, String> {
        let engine = self.engine.for_thread();
        let engine = engine.map_err(|error| error.to_string())?;
        self.places_of(self.compiled.copy_to(&engine))
    }

    /// The same component in an engine whose places keep its image, and as much as it may have
    /// allocated.
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn resident_copy(&self) -> Result<Resident<Self>, String> {
        let (memories, _) = self.compiled.needs().map_err(|error| error.to_string())?;
        if memories != 1 {
            return Err(format!("expected one memory, got {memories}"));
        }
        let entry = self.compiled.entry();
        let entry = entry.ok_or("expected its code in the cache, got none")?;
        let engine = self.engine.resident(self.copied_bytes().saturating_mul(2));
        let (engine, idle_memory) = engine.map_err(|error| error.to_string())?;
        let places = self.places_of(self.compiled.load_in(&engine, &entry))?;
        tracing::debug!(places = places.free(), "places stay resident");
        Ok(Resident {
            places,
            _idle_memory: idle_memory,
        })
    }

    /// Bytes that are copied for a sandbox in a place that stays resident.
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn copied_bytes(&self) -> u64 {
        self.memory_image_bytes.max(COPIED_BYTES_MIN)
    }

    /// The places of the same component in the engine of `compiled`.
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn places_of(
        &self,
        compiled: wasmtime::Result<CompiledComponent>,
    ) -> Result<Places<Self>, String> {
        let compiled = compiled.map_err(|error| one_line(&error))?;
        let (folders, denials) = (self.folders.for_thread(), self.denials.for_thread());
        let copy = Self::link_with(compiled, folders, denials, self.http_client.clone());
        let copy = copy.map_err(|error| error.to_string())?;
        let places = copy.sandboxes;
        Ok(Places::new(copy, places))
    }

    /// The engine that it was compiled for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The number of its sandboxes that can exist at once.
    pub fn sandboxes(&self) -> u32 {
        self.sandboxes
    }

    /// The largest initial memory of one of its instances, in bytes.
    pub fn memory_image_bytes(&self) -> u64 {
        self.memory_image_bytes
    }

    pub(crate) fn pre(&self) -> &W::Pre {
        &self.pre
    }

    /// The granted folders.
    pub(crate) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Calls `observer` for the first call of a sandbox that no flag granted, once for each flag.
    /// It is called on the thread that drives the sandbox. Later observers are ignored.
    pub fn on_denied(&self, observer: impl Fn(&DeniedCall) + Send + Sync + 'static) {
        self.denials.observe(observer);
    }

    /// The calls that no flag granted.
    pub(crate) fn denials(&self) -> &Denials {
        &self.denials
    }

    /// The client of outgoing requests, if any are granted.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn http_client(&self) -> Option<HttpClient> {
        self.http_client.clone()
    }

    /// A cap of `cap_bytes` for one sandbox, under which its instance data is.
    pub(crate) fn memory_cap(&self, cap_bytes: u64) -> MemoryCap {
        MemoryCap::new(
            cap_bytes,
            self.instance_bytes,
            self.engine.table_elements_max(),
        )
    }
}

/// The largest initial memory of one instance, in bytes.
fn memory_image_bytes(compiled: &wasmtime::component::Component) -> u64 {
    let pages = compiled
        .resources_required()
        .and_then(|needs| needs.max_initial_memory_size);
    pages.unwrap_or(0).saturating_mul(PAGE_BYTES)
}

/// Whether a component exports or imports an interface of WASI 0.3.
fn uses_wasi_3(compiled: &wasmtime::component::Component) -> bool {
    let (ty, engine) = (compiled.component_type(), compiled.engine());
    let exports = ty.exports(engine).map(|(name, _)| name);
    let mut names = ty.imports(engine).map(|(name, _)| name).chain(exports);
    names.any(|name| name.starts_with("wasi:") && name.contains("@0.3."))
}
