//! The compiler: a component's bytes to native code for an engine.

use wasmtime::component::Component;

#[cfg(feature = "compiler")]
use super::core_module::into_component;
#[cfg(feature = "compiler")]
use super::footprint::Footprint;
use super::header::check_header;
use super::source::read_file;
use super::{ComponentError, Source};
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
    if let Source::Bundled { code, .. } = source {
        match load_precompiled(engine, code) {
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
    let limits = engine.limits();
    let patience = limits.duration(Limit::CompileTime);
    let value = limits.get(Limit::CompileTime);
    let (engine, source) = (engine.clone(), source.clone());
    // The file may be a pipe without a writer, so reading it counts as well.
    let compiling = tokio::task::spawn_blocking(move || match source {
        Source::Bundled { wasm, .. } => {
            let wasm = wasm().map_err(|error| ComponentError::Invalid(error.to_string()))?;
            from_binary(&engine, &wasm)
        }
        Source::Bytes(wasm) => {
            check_header(&wasm).map_err(ComponentError::NotAComponent)?;
            from_binary(&engine, &wasm)
        }
        Source::File(path) => {
            let wasm = read_file(&path, engine.limits().bytes(Limit::ComponentSize))?;
            from_binary(&engine, &wasm)
        }
    });
    match tokio::time::timeout(patience, compiling).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(join)) => Err(ComponentError::Invalid(join.to_string())),
        Err(_) => Err(ComponentError::CompileTime { value }),
    }
}

/// Compiles a component for the slots of `engine`, or for memory that is allocated on demand
/// where it fits none of them.
#[cfg(feature = "compiler")]
fn from_binary(engine: &Engine, wasm: &[u8]) -> Result<CompiledComponent, ComponentError> {
    let wasm = &*into_component(wasm)?;
    let footprint = Footprint::of(wasm);
    let bytes = engine.memory_bytes();
    let needed =
        PROGRAM_BYTES.saturating_add(COMPILER_BYTES_PER_BYTE.saturating_mul(footprint.code_bytes));
    if needed > bytes {
        let needed = needed.next_multiple_of(1 << 20);
        return Err(ComponentError::CompileMemory { needed, bytes });
    }
    let invalid = |error: wasmtime::Error| ComponentError::Invalid(one_line(&error));
    let code = engine.wasmtime().precompile_component(wasm);
    let code = code.map_err(invalid)?;
    let compiled = |engine: &Engine, component| CompiledComponent {
        engine: engine.clone(),
        component,
        instance_bytes: footprint.instance_bytes.saturating_sub(INSTANCE_FREE_BYTES),
        heaps: footprint.collects.into(),
    };
    let pooled = deserialize(engine, &code).map(|component| compiled(engine, component));
    match pooled {
        Ok(pooled) if pooled.sandboxes().is_ok() => Ok(pooled),
        unfit => {
            let reason = unfit.err().map(|error| one_line(&error));
            tracing::debug!(reason, "component exceeds slots");
            let engine = engine.on_demand();
            let engine = engine.map_err(|error| ComponentError::Link(error.to_string()))?;
            let component = deserialize(&engine, &code).map_err(invalid)?;
            Ok(compiled(&engine, component))
        }
    }
}

#[cfg(not(feature = "compiler"))]
fn from_binary(_: &Engine, _: &[u8]) -> Result<CompiledComponent, ComponentError> {
    Err(ComponentError::NoCompiler("the component".to_owned()))
}

/// Loads code that the build of this program made. The error says why it does not fit this
/// engine or this processor.
pub(super) fn load_precompiled(engine: &Engine, code: &'static [u8]) -> Result<Component, String> {
    if !engine.takes_precompiled() {
        return Err("expected an engine with reserved memory, got one without".to_owned());
    }
    deserialize(engine, code).map_err(|error| one_line(&error))
}

/// Loads native code that this program made: its build, or itself just now.
#[expect(unsafe_code, reason = "loading native code; see the safety comment")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code is part of this program's own binary, plain or packed, where only this
    // program's build put it, with the same version of Wasmtime; or this very process has compiled
    // it, and no other program had access to it. Wasmtime itself checks version, settings and
    // processor features before it accepts the code.
    unsafe { Component::deserialize(engine.wasmtime(), code) }
}
