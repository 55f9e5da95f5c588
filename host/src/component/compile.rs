//! The compiler: a component's bytes to native code for an engine.

use wasmtime::component::Component;

#[cfg(feature = "compiler")]
use super::cached;
#[cfg(feature = "compiler")]
use super::footprint::Footprint;
use super::{ComponentError, Source};
#[cfg(feature = "compiler")]
use crate::code_cache::{Entry, Facts};
use crate::engine::{Engine, one_line};
use crate::limits::Limit;
#[cfg(feature = "compiler")]
use crate::limits::{COMPILER_BYTES_PER_BYTE, INSTANCE_FREE_BYTES, PROGRAM_BYTES};
use crate::text::counted;

/// A compiled component, and the engine with room for it.
pub(super) struct CompiledComponent {
    pub(super) engine: Engine,
    pub(super) component: Component,
    /// Instance data of one sandbox that counts as its memory.
    pub(super) instance_bytes: u64,
    /// Linear memories of one sandbox besides those of its modules.
    heaps: u32,
}

impl CompiledComponent {
    /// A component of precompiled code, whose instance data is small.
    pub(super) fn of_code(engine: &Engine, component: Component) -> Self {
        Self {
            engine: engine.clone(),
            component,
            instance_bytes: 0,
            heaps: 0,
        }
    }

    /// What is known of it besides its code.
    #[cfg(feature = "compiler")]
    pub(super) fn facts(&self) -> Facts {
        Facts {
            instance_bytes: self.instance_bytes,
            heaps: self.heaps,
        }
    }

    /// The number of sandboxes that the engine has slots for.
    pub(super) fn sandboxes(&self) -> Result<u32, ComponentError> {
        let Some(needs) = self.component.resources_required() else {
            return Err(ComponentError::Link(
                "expected modules of its own, got an instance of an imported module, whose needs are unknown"
                    .to_owned(),
            ));
        };
        let memories = needs.num_memories.saturating_add(self.heaps);
        match self.engine.sandboxes_of(memories, needs.num_tables) {
            0 => Err(ComponentError::Link(format!(
                "expected needs that fit this machine, got {} and {}",
                counted(memories, "memory", "memories"),
                counted(needs.num_tables, "table", "tables")
            ))),
            sandboxes => Ok(sandboxes),
        }
    }
}

/// Compiles a component, or loads its precompiled code.
///
/// # Errors
///
/// Where it cannot be read or compiled in time, or needs more memory than there is.
pub(super) async fn compile(
    engine: &Engine,
    source: &Source,
) -> Result<CompiledComponent, ComponentError> {
    if let Source::Bundled(bundled) = source {
        match load_precompiled(engine, bundled.code()) {
            Ok(component) => return Ok(CompiledComponent::of_code(engine, component)),
            Err(reason) if cfg!(feature = "compiler") => {
                tracing::debug!(reason, "precompiled code unusable");
            }
            Err(reason) => {
                return Err(ComponentError::NoCompiler(format!(
                    "the built-in component, whose native code does not run here ({reason})"
                )));
            }
        }
    }
    in_time(engine, source, from_source).await
}

/// Does `work` with a component on a thread for blocking calls, within the time for compiling.
pub(super) async fn in_time<R: Send + 'static>(
    engine: &Engine,
    source: &Source,
    work: fn(&Engine, &Source) -> Result<R, ComponentError>,
) -> Result<R, ComponentError> {
    let limits = engine.limits();
    let patience = limits.duration(Limit::CompileTime);
    let value = limits.get(Limit::CompileTime);
    let (engine, source) = (engine.clone(), source.clone());
    // The file may be a pipe without a writer, so reading it counts as well.
    let working = tokio::task::spawn_blocking(move || work(&engine, &source));
    match tokio::time::timeout(patience, working).await {
        Ok(Ok(done)) => done,
        Ok(Err(join)) => Err(ComponentError::Invalid(join.to_string())),
        Err(_) => Err(ComponentError::CompileTime { value }),
    }
}

/// Loads the code of a component from the cache, or compiles it and keeps its code there.
#[cfg(feature = "compiler")]
fn from_source(engine: &Engine, source: &Source) -> Result<CompiledComponent, ComponentError> {
    cached::load_or_compile(engine, source).map(|(compiled, _)| compiled)
}

#[cfg(not(feature = "compiler"))]
fn from_source(engine: &Engine, source: &Source) -> Result<CompiledComponent, ComponentError> {
    source.read(engine.limits().bytes(Limit::ComponentSize))?;
    Err(ComponentError::NoCompiler("the component".to_owned()))
}

/// Compiles a component. Returns its code, and what is known besides.
#[cfg(feature = "compiler")]
pub(super) fn native_code(
    engine: &Engine,
    wasm: &[u8],
) -> Result<(Vec<u8>, Facts), ComponentError> {
    let footprint = Footprint::of(wasm);
    let bytes = engine.memory_bytes();
    let needed =
        PROGRAM_BYTES.saturating_add(COMPILER_BYTES_PER_BYTE.saturating_mul(footprint.code_bytes));
    if needed > bytes {
        let needed = needed.next_multiple_of(1 << 20);
        return Err(ComponentError::CompileMemory { needed, bytes });
    }
    let code = engine.wasmtime().precompile_component(wasm);
    let code = code.map_err(|error| ComponentError::Invalid(one_line(&error)))?;
    tracing::debug!(code_bytes = code.len(), "component compiled");
    let facts = Facts {
        instance_bytes: footprint.instance_bytes.saturating_sub(INSTANCE_FREE_BYTES),
        heaps: footprint.collects.into(),
    };
    Ok((code, facts))
}

/// Loads code for the slots of `engine`, or for memory that is allocated on demand where it fits
/// none of them.
#[cfg(feature = "compiler")]
pub(super) fn load(
    engine: &Engine,
    code: Code<'_>,
    facts: Facts,
) -> Result<CompiledComponent, ComponentError> {
    let compiled = |engine: &Engine, component| CompiledComponent {
        engine: engine.clone(),
        component,
        instance_bytes: facts.instance_bytes,
        heaps: facts.heaps,
    };
    let pooled = deserialize(engine, code).map(|component| compiled(engine, component));
    match pooled {
        Ok(pooled) if pooled.sandboxes().is_ok() => Ok(pooled),
        unfit => {
            let reason = unfit.err().map(|error| one_line(&error));
            tracing::debug!(reason, "component exceeds slots");
            let engine = engine.on_demand();
            let engine = engine.map_err(|error| ComponentError::Link(error.to_string()))?;
            let component = deserialize(&engine, code);
            let component = component.map_err(|error| ComponentError::Invalid(one_line(&error)))?;
            Ok(compiled(&engine, component))
        }
    }
}

/// Loads code that the build of this program made. The error says why it does not fit this
/// engine or this processor.
pub(super) fn load_precompiled(engine: &Engine, code: &'static [u8]) -> Result<Component, String> {
    if !engine.takes_precompiled() {
        return Err("expected an engine with reserved memory, got one without".to_owned());
    }
    deserialize(engine, Code::Bytes(code)).map_err(|error| one_line(&error))
}

/// Native code that this program made.
#[derive(Clone, Copy)]
pub(super) enum Code<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// In an entry of the cache that was checked just now.
    #[cfg(feature = "compiler")]
    Entry(&'a Entry),
}

/// Loads native code that this program made: its build, an earlier run, or itself just now.
#[expect(unsafe_code, reason = "loading native code; see the safety comment")]
fn deserialize(engine: &Engine, code: Code<'_>) -> wasmtime::Result<Component> {
    let engine = engine.wasmtime();
    match code {
        // SAFETY: the code is part of this program's own binary, plain or packed, where only this
        // program's build put it, with the same version of Wasmtime; or this very process has
        // compiled it, and no other program had access to it. Wasmtime itself checks version,
        // settings and processor features before it accepts the code.
        Code::Bytes(bytes) => unsafe { Component::deserialize(engine, bytes) },
        // SAFETY: only root and this user can create, change or rename entries: `code_cache`
        // checked the owner and mode of the file, of its folder and of all folders above that.
        // This program makes entries for no other purpose, and the trailer shows that this one is
        // whole and of the key, which covers everything that the code depends on. Another user
        // cannot change the mapped file, and this program never writes to an entry that has its
        // name: it deletes it, which leaves the mapping. Root and this user could replace the
        // program itself as well. Wasmtime checks as above.
        #[cfg(feature = "compiler")]
        Code::Entry(entry) => unsafe { Component::deserialize_file(engine, &entry.path) },
    }
}
