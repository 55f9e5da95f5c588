//! The imports, exports and needs of a component, without running it.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::compile::compile;
use super::native_code::load_precompiled;
use super::{ComponentError, Source};
use crate::engine::Engine;

/// Wasmtime counts memories in pages of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// The imports, exports and needs of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Names of imports, those of interfaces with their functions.
    pub imports: Vec<Interface>,
    /// Names of exports, those of interfaces with their functions.
    pub exports: Vec<Interface>,
    /// The largest initial linear memory, in bytes: the memory image that each
    /// sandbox maps copy-on-write.
    pub memory_image_bytes: u64,
    /// Linear memories of one instance.
    pub memories: u32,
    /// Tables of one instance.
    pub tables: u32,
    /// Native code made of it, in bytes.
    pub code_bytes: u64,
    /// The state of its precompiled code.
    pub precompiled: PrecompiledCode,
}

/// One import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name with its version.
    pub name: String,
    /// The functions of an interface.
    pub functions: Vec<String>,
}

/// The state of precompiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrecompiledCode {
    /// There is none: loading compiles the component.
    None,
    /// It runs here.
    Usable,
    /// It does not run here, for this reason: loading compiles the component.
    Unusable(String),
}

/// Compiles `source`, or loads its code, and describes it.
///
/// # Errors
///
/// Where it cannot be read or compiled.
pub async fn inspect(engine: &Engine, source: &Source) -> Result<Inspection, ComponentError> {
    let compiled = compile(engine, source).await?.component;
    let precompiled = match source {
        Source::File(_) | Source::Bytes(_) => PrecompiledCode::None,
        Source::Bundled(bundled) => match load_precompiled(engine, bundled.code()) {
            Ok(_) => PrecompiledCode::Usable,
            Err(reason) => PrecompiledCode::Unusable(reason),
        },
    };
    let needs = compiled.resources_required();
    let ty = compiled.component_type();
    let code = compiled.image_range();
    Ok(Inspection {
        imports: interfaces(
            &compiled,
            ty.imports(compiled.engine())
                .map(|(name, it)| (name, it.ty)),
        ),
        exports: interfaces(
            &compiled,
            ty.exports(compiled.engine())
                .map(|(name, it)| (name, it.ty)),
        ),
        memory_image_bytes: memory_image_bytes(&compiled),
        memories: needs.as_ref().map_or(0, |needs| needs.num_memories),
        tables: needs.as_ref().map_or(0, |needs| needs.num_tables),
        code_bytes: (code.end.addr() - code.start.addr()) as u64,
        precompiled,
    })
}

/// The largest initial memory of one instance, in bytes.
pub(super) fn memory_image_bytes(compiled: &Component) -> u64 {
    let pages = compiled
        .resources_required()
        .and_then(|needs| needs.max_initial_memory_size);
    pages.unwrap_or(0).saturating_mul(PAGE_BYTES)
}

fn interfaces<'a>(
    compiled: &Component,
    items: impl Iterator<Item = (&'a str, ComponentItem)>,
) -> Vec<Interface> {
    items
        .map(|(name, item)| Interface {
            name: name.to_owned(),
            functions: match item {
                ComponentItem::ComponentInstance(instance) => instance
                    .exports(compiled.engine())
                    .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                    .map(|(name, _)| name.to_owned())
                    .collect(),
                _ => Vec::new(),
            },
        })
        .collect()
}
