//! Native code: a component's bytes to code for an engine, and code to a component in it.

use wasmtime::component::Component;

use super::ComponentError;
#[cfg(feature = "compiler")]
use super::footprint::Footprint;
#[cfg(feature = "compiler")]
use crate::code_cache::{Entry, Facts, Key};
use crate::engine::{Engine, one_line};
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
    /// Its entry in the cache, if it has one.
    #[cfg(feature = "compiler")]
    pub(super) key: Option<Key>,
}

impl CompiledComponent {
    /// A component of precompiled code, whose instance data is small.
    pub(super) fn of_code(engine: &Engine, component: Component) -> Self {
        Self {
            engine: engine.clone(),
            component,
            instance_bytes: 0,
            heaps: 0,
            #[cfg(feature = "compiler")]
            key: None,
        }
    }

    /// The facts about it besides its code.
    #[cfg(feature = "compiler")]
    pub(super) fn facts(&self) -> Facts {
        Facts {
            instance_bytes: self.instance_bytes,
            heaps: self.heaps,
        }
    }

    /// The length of its code.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(super) fn code_bytes(&self) -> usize {
        let code = self.component.image_range();
        code.end.addr().saturating_sub(code.start.addr())
    }

    /// The same component in `engine`, which has the same settings. Its code is in memory once more.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(super) fn copy_to(&self, engine: &Engine) -> wasmtime::Result<Self> {
        let code = self.component.serialize()?;
        Ok(self.with_code(engine, deserialize(engine, Code::Bytes(&code))?))
    }

    /// Its entry in the cache, checked just now.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(super) fn entry(&self) -> Option<Entry> {
        self.engine.code_cache()?.find(self.key?)
    }

    /// As [`CompiledComponent::copy_to`], with the code of its `entry`, whose pages all processes share.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(super) fn load_in(&self, engine: &Engine, entry: &Entry) -> wasmtime::Result<Self> {
        Ok(self.with_code(engine, deserialize(engine, Code::Entry(entry))?))
    }

    #[cfg(all(feature = "service", feature = "compiler"))]
    fn with_code(&self, engine: &Engine, component: Component) -> Self {
        Self {
            engine: engine.clone(),
            component,
            ..*self
        }
    }

    /// The memories and tables of one sandbox.
    pub(super) fn needs(&self) -> Result<(u32, u32), ComponentError> {
        let Some(needs) = self.component.resources_required() else {
            return Err(ComponentError::Link(
                "expected modules of its own, got an instance of an imported module, whose needs are unknown"
                    .to_owned(),
            ));
        };
        let memories = needs.num_memories.saturating_add(self.heaps);
        Ok((memories, needs.num_tables))
    }

    /// The number of sandboxes that the engine has slots for.
    pub(super) fn sandboxes(&self) -> Result<u32, ComponentError> {
        let (memories, tables) = self.needs()?;
        match self.engine.sandboxes_of(memories, tables) {
            0 => Err(ComponentError::Link(format!(
                "expected needs that fit this machine, got {} and {}",
                counted(memories, "memory", "memories"),
                counted(tables, "table", "tables")
            ))),
            sandboxes => Ok(sandboxes),
        }
    }
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
        key: None,
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
        // compiled or loaded it, and no other program had access to it. Wasmtime itself checks version,
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
