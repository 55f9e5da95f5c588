//! The kind, world, imports, exports and needs of a component or core module, read from its bytes
//! without compiling them.

use std::collections::HashMap;

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use super::core_module::{Kind as CoreKind, Outline};
use super::footprint::Footprint;
use super::header::is_core_module;
use super::native_code::load_precompiled;
use super::{ComponentError, Source};
use crate::engine::Engine;
use crate::limits::{ERROR_CHARS, Limit};
use crate::text;

/// The kind, world, imports, exports and needs of a component or core module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Component or core module.
    pub format: Format,
    /// Its purpose.
    pub role: Role,
    /// The world of WASI that it implements. `None` for others.
    pub world: Option<String>,
    /// Why it does not run, for a core module that is no program.
    pub fault: Option<String>,
    /// Names of imports, those of interfaces with their functions.
    pub imports: Vec<Interface>,
    /// Names of exports, those of interfaces with their functions.
    pub exports: Vec<Interface>,
    /// Flags that grant an import. A program may run without them.
    pub flags: Vec<Flag>,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// The largest initial linear memory, in bytes: the memory image that each
    /// sandbox maps copy-on-write.
    pub memory_image_bytes: u64,
    /// Linear memories of one instance.
    pub memories: u64,
    /// Tables of one instance.
    pub tables: u64,
    /// Bytes of its functions.
    pub code_bytes: u64,
    /// The state of its precompiled code.
    pub precompiled: PrecompiledCode,
}

/// Component or core module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A component.
    Component,
    /// A core module.
    CoreModule,
}

impl Format {
    /// The format in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::CoreModule => "core module",
        }
    }
}

/// The purpose of a component or core module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A program, which `cocoon exec` runs.
    Command,
    /// A handler of HTTP requests.
    Handler,
    /// A core module that has to be initialised before its functions are called.
    Reactor,
    /// Functions, which `cocoon call` calls if it is a component.
    Library,
}

impl Role {
    /// The role in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Handler => "handler",
            Self::Reactor => "reactor",
            Self::Library => "library",
        }
    }
}

/// One import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name with its version.
    pub name: String,
    /// The functions of an interface.
    pub functions: Vec<String>,
}

/// A flag of `cocoon exec` that grants an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag. `None` where no flag grants the import, and its calls fail.
    pub flag: Option<&'static str>,
    /// The capability that it grants.
    pub grants: &'static str,
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

/// Reads `source` and describes it.
///
/// # Errors
///
/// Where it cannot be read, or its bytes are invalid.
pub async fn inspect(engine: &Engine, source: &Source) -> Result<Inspection, ComponentError> {
    let limits = engine.limits();
    let (patience, value) = (
        limits.duration(Limit::CompileTime),
        limits.get(Limit::CompileTime),
    );
    let (engine, source) = (engine.clone(), source.clone());
    // The file may be a pipe without a writer.
    let reading = tokio::task::spawn_blocking(move || read(&engine, &source));
    match tokio::time::timeout(patience, reading).await {
        Ok(Ok(inspection)) => inspection,
        Ok(Err(join)) => Err(ComponentError::Invalid(join.to_string())),
        Err(_) => Err(ComponentError::CompileTime { value }),
    }
}

fn read(engine: &Engine, source: &Source) -> Result<Inspection, ComponentError> {
    let wasm = source.read(engine.limits().bytes(Limit::ComponentSize))?;
    let inspection = describe(&wasm)?;
    Ok(match source {
        Source::File(_) | Source::Bytes(_) => inspection,
        Source::Bundled(bundled) => Inspection {
            precompiled: match load_precompiled(engine, bundled.code()) {
                Ok(_) => PrecompiledCode::Usable,
                Err(reason) => PrecompiledCode::Unusable(reason),
            },
            ..inspection
        },
    })
}

fn describe(wasm: &[u8]) -> Result<Inspection, ComponentError> {
    let footprint = Footprint::of(wasm);
    let inspection = if is_core_module(wasm) {
        of_core_module(&Outline::of(wasm)?)
    } else {
        of_component(wasm).map_err(|error| {
            ComponentError::Invalid(text::one_line(&error.to_string(), ERROR_CHARS))
        })?
    };
    Ok(Inspection {
        size_bytes: wasm.len() as u64,
        memory_image_bytes: footprint.memory_image_bytes,
        memories: footprint.memories,
        tables: footprint.tables,
        code_bytes: footprint.code_bytes,
        ..inspection
    })
}

fn of_core_module(outline: &Outline) -> Inspection {
    let mut imports: Vec<Interface> = Vec::new();
    let mut places = HashMap::new();
    for (module, name) in &outline.imports {
        let place = *places.entry(module).or_insert(imports.len());
        if place == imports.len() {
            imports.push(Interface {
                name: module.clone(),
                functions: Vec::new(),
            });
        }
        imports[place].functions.push(name.clone());
    }
    let kind = outline.kind();
    let has = |name| outline.functions.iter().any(|function| function == name);
    Inspection {
        format: Format::CoreModule,
        role: match kind {
            _ if has("_start") => Role::Command,
            _ if has("_initialize") => Role::Reactor,
            _ => Role::Library,
        },
        world: (kind == Ok(CoreKind::Command)).then(|| "WASI preview 1".to_owned()),
        fault: kind.err().map(|fault| fault.to_string()),
        flags: flags(&imports),
        exports: outline
            .functions
            .iter()
            .map(|function| Interface {
                name: function.clone(),
                functions: Vec::new(),
            })
            .collect(),
        ..Inspection::of(imports)
    }
}

fn of_component(wasm: &[u8]) -> wasmparser::Result<Inspection> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut imported, mut exported) = (Vec::new(), Vec::new());
    let (mut depth, mut types) = (0, None);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section.clone() {
                    imported.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.clone() {
                    exported.push(export?.name.name);
                }
            }
            _ => {}
        }
        // The bodies of functions are not validated; the compiler does that.
        if let ValidPayload::End(all) = validator.payload(&payload)? {
            types = Some(all);
        }
    }
    let functions = |name: &str, of: fn(&Types, &str) -> Option<ComponentEntityType>| {
        let ty = types.as_ref().and_then(|types| of(types, name));
        Interface {
            name: name.to_owned(),
            functions: types
                .as_ref()
                .map_or(Vec::new(), |types| functions(types, ty)),
        }
    };
    let import = |types: &Types, name: &str| Some(types.component_item_for_import(name)?.ty);
    let export = |types: &Types, name: &str| Some(types.component_item_for_export(name)?.ty);
    let imports: Vec<_> = imported
        .into_iter()
        .map(|name| functions(name, import))
        .collect();
    let exports: Vec<_> = exported
        .into_iter()
        .map(|name| functions(name, export))
        .collect();
    let (role, world) = role(&exports);
    Ok(Inspection {
        role,
        world,
        exports,
        flags: flags(&imports),
        ..Inspection::of(imports)
    })
}

/// The functions of an interface of type `ty`.
fn functions(types: &Types, ty: Option<ComponentEntityType>) -> Vec<String> {
    let Some(ComponentEntityType::Instance(instance)) = ty else {
        return Vec::new();
    };
    let Some(instance) = types.as_ref().get(instance) else {
        return Vec::new();
    };
    instance
        .exports
        .iter()
        .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
        .map(|(name, _)| name.clone())
        .collect()
}

impl Inspection {
    /// A component with `imports` and nothing else.
    fn of(imports: Vec<Interface>) -> Self {
        Self {
            format: Format::Component,
            role: Role::Library,
            world: None,
            fault: None,
            imports,
            exports: Vec::new(),
            flags: Vec::new(),
            size_bytes: 0,
            memory_image_bytes: 0,
            memories: 0,
            tables: 0,
            code_bytes: 0,
            precompiled: PrecompiledCode::None,
        }
    }
}

/// The role of a component with `exports`, and its world.
fn role(exports: &[Interface]) -> (Role, Option<String>) {
    const WORLDS: [(&str, Role, &str); 3] = [
        ("wasi:cli/run", Role::Command, "wasi:cli/command"),
        (
            "wasi:http/incoming-handler",
            Role::Handler,
            "wasi:http/proxy",
        ),
        ("wasi:http/handler", Role::Handler, "wasi:http/service"),
    ];
    for (export, role, world) in WORLDS {
        let version = exports.iter().find_map(|it| {
            let (name, version) = it.name.split_once('@')?;
            (name == export).then_some(version)
        });
        if let Some(version) = version {
            return (role, Some(format!("{world}@{version}")));
        }
    }
    (Role::Library, None)
}

/// The flags that grant `imports`.
fn flags(imports: &[Interface]) -> Vec<Flag> {
    /// Starts of imports, or functions; the flag; what it grants.
    const FLAGS: [(&[&str], Option<&str>, &str); 4] = [
        (
            &["wasi:filesystem/", "path_open", "fd_prestat_get"],
            Some("--dir"),
            "folders",
        ),
        (
            &["get-environment", "environ_get"],
            Some("--env"),
            "environment variables",
        ),
        (
            &["wasi:sockets/"],
            Some("--network"),
            "sockets and name lookup",
        ),
        (&["wasi:http/"], None, "HTTP requests"),
    ];
    let imported = |starts: &[&str]| {
        imports.iter().any(|import| {
            starts.iter().any(|start| import.name.starts_with(start))
                || import
                    .functions
                    .iter()
                    .any(|name| starts.contains(&name.as_str()))
        })
    };
    FLAGS
        .into_iter()
        .filter(|(starts, ..)| imported(starts))
        .map(|(_, flag, grants)| Flag { flag, grants })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(text: &str) -> Inspection {
        describe(&wat::parse_str(text).expect("wasm")).expect("an inspection")
    }

    #[test]
    fn a_command_of_preview_1_needs_what_it_imports() {
        let it = inspection(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open"
                    (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (memory (export "memory") 2) (func (export "_start")))"#,
        );
        assert_eq!((it.format, it.role), (Format::CoreModule, Role::Command));
        assert_eq!((it.memories, it.memory_image_bytes), (1, 2 << 16));
        assert_eq!(it.flags.len(), 1);
        assert_eq!(it.flags[0].flag, Some("--dir"));
        assert_eq!(
            (it.fault, it.world.as_deref()),
            (None, Some("WASI preview 1"))
        );
    }

    #[test]
    fn a_reactor_has_a_fault() {
        let it = inspection(r#"(module (func (export "_initialize")))"#);
        assert_eq!(it.role, Role::Reactor);
        assert!(it.fault.is_some_and(|fault| fault.contains("_start")));
    }

    #[test]
    fn handlers_and_libraries_are_told_apart() {
        let handler = inspection(
            r#"(component (import "wasi:http/types@0.2.3" (instance $i (export "f" (func))))
                (alias export $i "f" (func $f)) (instance $e (export "handle" (func $f)))
                (export "wasi:http/incoming-handler@0.2.3" (instance $e)))"#,
        );
        assert_eq!(handler.role, Role::Handler);
        assert_eq!(handler.world.as_deref(), Some("wasi:http/proxy@0.2.3"));
        assert_eq!(handler.imports[0].functions, ["f"]);
        assert_eq!(handler.exports[0].functions, ["handle"]);
        assert_eq!(handler.flags[0].flag, None);
        assert_eq!(inspection("(component)").role, Role::Library);
    }
}
