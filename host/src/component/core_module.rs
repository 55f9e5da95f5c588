//! Core modules of WASI preview 1, made into components of WASI 0.2.
//!
//! A core module is a command if it exports `_start` and its memory. Its imports are those of
//! preview 1, which the adapter of the Wasmtime project maps to WASI 0.2. A module that
//! `wit-bindgen` made describes its world in a custom section, and may be a library.

#[cfg(feature = "compiler")]
use std::borrow::Cow;

#[cfg(feature = "compiler")]
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW_1,
    WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND,
};
use wasmparser::{ExternalKind, Parser, Payload};
#[cfg(feature = "compiler")]
use wit_component::ComponentEncoder;

#[cfg(feature = "compiler")]
use super::exit_codes::with_exit_codes;
#[cfg(feature = "compiler")]
use super::header::is_core_module;
use crate::limits::ERROR_CHARS;
use crate::text;

/// Exports that an error names at the most.
const EXPORTS_NAMED: usize = 5;

/// Why a core module is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreModuleError {
    /// Its bytes are invalid, or it uses preview 1 in a way that the adapter does not have.
    #[error("invalid component: core module: {0}")]
    Invalid(String),
    /// It imports something else than preview 1.
    #[error(
        "expected a core module with imports of {PREVIEW_1}, got the import {module}.{name}, {origin}"
    )]
    Import {
        /// The module of the import.
        module: String,
        /// The name of the import.
        name: String,
        /// The toolchain or host that has such imports, and what to do.
        origin: &'static str,
    },
    /// It has `_initialize` and no `_start`.
    #[error(
        "expected a core module that exports `_start`, got a reactor, which exports `_initialize`; build a command \
         (rustc: a binary; clang: without -mexec-model=reactor; go: without -buildmode=c-shared)"
    )]
    Reactor,
    /// It has neither.
    #[error(
        "expected a core module that exports `_start`, got a library{exports}; build a command, or use \
         `wasm-tools component new` and `cocoon call`"
    )]
    Library {
        /// The functions that it exports: " that exports a, b", or empty.
        exports: String,
    },
    /// The adapter needs its memory.
    #[error(
        "expected a core module that exports its memory as `memory`, got one without that export"
    )]
    NoMemory,
}

/// The parts of a core module that decide what it is.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Imports: module and name.
    pub(super) imports: Vec<(String, String)>,
    /// Exported functions.
    pub(super) functions: Vec<String>,
    has_memory: bool,
    /// Whether a custom section describes its world.
    has_world: bool,
}

/// The kind of a core module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It exports `_start`.
    Command,
    /// `wit-bindgen` made it, and it describes its own world.
    World,
}

/// Returns a component as it is, and makes a core module a component.
///
/// # Errors
///
/// [`CoreModuleError`] for a module that is no program, or is invalid.
#[cfg(feature = "compiler")]
pub(super) fn into_component(wasm: &[u8]) -> Result<Cow<'_, [u8]>, CoreModuleError> {
    if !is_core_module(wasm) {
        return Ok(Cow::Borrowed(wasm));
    }
    let adapter = match Outline::of(wasm)?.kind()? {
        Kind::Command => COMMAND,
        Kind::World => REACTOR,
    };
    let encode = |module: &[u8]| {
        // Wasmtime validates the component.
        let encoder = ComponentEncoder::default().validate(false);
        let encoder = encoder.module(module)?;
        encoder.adapter(PREVIEW_1, adapter)?.encode()
    };
    let encoded = match with_exit_codes(wasm) {
        // A `proc_exit` of another type fails. The error of the module itself names it.
        Some(module) => encode(&module).or_else(|_| encode(wasm)),
        None => encode(wasm),
    };
    encoded
        .map(Cow::Owned)
        .map_err(|error| invalid(&format!("{error:#}")))
}

fn invalid(reason: &str) -> CoreModuleError {
    CoreModuleError::Invalid(text::one_line(reason, ERROR_CHARS))
}

impl Outline {
    /// Reads the imports and exports of the core module in `wasm`.
    ///
    /// # Errors
    ///
    /// [`CoreModuleError::Invalid`] for invalid bytes.
    pub(super) fn of(wasm: &[u8]) -> Result<Self, CoreModuleError> {
        Self::read(wasm).map_err(|error| invalid(&error.to_string()))
    }

    fn read(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        let import = (import.module.to_owned(), import.name.to_owned());
                        outline.imports.push(import);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        match export.kind {
                            ExternalKind::Func => outline.functions.push(export.name.to_owned()),
                            ExternalKind::Memory => outline.has_memory |= export.name == "memory",
                            _ => {}
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    outline.has_world |= section.name().starts_with("component-type");
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    /// The kind of the module.
    ///
    /// # Errors
    ///
    /// [`CoreModuleError`] for a module that is no program.
    pub(super) fn kind(&self) -> Result<Kind, CoreModuleError> {
        let exports = |name| self.functions.iter().any(|function| function == name);
        if !self.has_world {
            self.check_imports()?;
        }
        if exports("_start") {
            return if self.has_memory {
                Ok(Kind::Command)
            } else {
                Err(CoreModuleError::NoMemory)
            };
        }
        if self.has_world {
            return Ok(Kind::World);
        }
        if exports("_initialize") {
            return Err(CoreModuleError::Reactor);
        }
        let mut names = self.functions.clone();
        names.truncate(EXPORTS_NAMED);
        if names.len() < self.functions.len() {
            names.push("…".to_owned());
        }
        let exports = if names.is_empty() {
            " without exported functions".to_owned()
        } else {
            let names = text::one_line(&names.join(", "), ERROR_CHARS);
            format!(" that exports {names}")
        };
        Err(CoreModuleError::Library { exports })
    }

    /// Refuses the first import that the adapter lacks.
    fn check_imports(&self) -> Result<(), CoreModuleError> {
        let preview_1 = Self::read(COMMAND).unwrap_or_default().functions;
        let unknown = self.imports.iter().find(|(module, name)| {
            module != PREVIEW_1 || !preview_1.iter().any(|function| function == name)
        });
        match unknown {
            None => Ok(()),
            Some((module, name)) => Err(CoreModuleError::Import {
                origin: self.origin(module, name),
                module: text::one_line(module, ERROR_CHARS),
                name: text::one_line(name, ERROR_CHARS),
            }),
        }
    }

    /// The toolchain or host that has an import, and what to do.
    fn origin(&self, module: &str, name: &str) -> &'static str {
        // Emscripten shortens both names in optimised builds.
        let is_short = |text: &str| text.len() <= 2;
        let is_emscripten = |name: &str| {
            [
                "emscripten_",
                "_emscripten_",
                "invoke_",
                "__syscall_",
                "__cxa_",
                "_embind_",
            ]
            .iter()
            .any(|start| name.starts_with(start))
        };
        let from_emscripten = match module {
            "env" => self
                .imports
                .iter()
                .any(|(module, name)| module == "env" && is_emscripten(name)),
            _ => is_short(module) && is_short(name),
        };
        match module {
            _ if from_emscripten => {
                "which Emscripten's JavaScript has; build with -sSTANDALONE_WASM, or with wasi-sdk"
            }
            "wasi_unstable" => "of WASI preview 0; build for preview 1 (wasm32-wasip1) or WASI 0.2",
            "wasi" => "of WASI threads, which the engine does not have; build without threads",
            "go" | "gojs" => "which Go's JavaScript has; build with GOOS=wasip1 GOARCH=wasm",
            "wbg" | "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => {
                "which wasm-bindgen's JavaScript has; build for wasm32-wasip1 or wasm32-wasip2"
            }
            "env" => {
                "a symbol that the linker left undefined; link the library that defines it, or use a component"
            }
            _ => "which no world of WASI has; use a component for imports of other worlds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(text: &str) -> Result<Vec<u8>, CoreModuleError> {
        let wasm = wat::parse_str(text).expect("a module");
        into_component(&wasm).map(Cow::into_owned)
    }

    #[test]
    fn a_command_becomes_a_component() {
        let component = convert(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                (memory (export "memory") 1) (func (export "_start")))"#,
        );
        let component = component.expect("a component");
        assert!(!is_core_module(&component));
        assert!(matches!(into_component(&component), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn other_modules_are_named() {
        let import = |module, name| {
            format!(
                r#"(module (import "{module}" "{name}" (func)) (memory (export "memory") 1) (func (export "_start")))"#
            )
        };
        for (text, words) in [
            (import("env", "emscripten_resize_heap"), "Emscripten"),
            (import("a", "b"), "Emscripten"),
            (import("env", "other_library"), "env.other_library"),
            (import("wasi_unstable", "fd_write"), "preview 0"),
            (
                import("wasi_snapshot_preview1", "sock_open"),
                "wasi_snapshot_preview1.sock_open",
            ),
            (import("gojs", "runtime.wasmExit"), "GOOS=wasip1"),
            (import("wbg", "__wbg_log"), "wasm-bindgen"),
            (import("acme", "f"), "acme.f"),
            (
                r#"(module (func (export "_initialize")))"#.to_owned(),
                "reactor",
            ),
            (
                r#"(module (func (export "add")))"#.to_owned(),
                "library that exports add",
            ),
            ("(module)".to_owned(), "without exported functions"),
            (
                r#"(module (func (export "_start")))"#.to_owned(),
                "its memory",
            ),
        ] {
            let error = convert(&text).expect_err(&text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
