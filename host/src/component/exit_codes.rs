//! The exit codes of core modules.
//!
//! The adapter maps `proc_exit(code)` of preview 1 to `exit(result)` of WASI 0.2, which has no
//! code. So a module calls a function of the host in its place, with the whole code:
//! `exit-with-code` of WASI takes 8 bits, and would make a success of 256.

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW_1;
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ImportSection, Module, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::grants::{EXIT, EXIT_FUNCTION};

const WIT: &str = "package cocoon:preview1;
interface exit { proc-exit: func(code: u32); }
world program { import exit; }";

/// The core module in `wasm` with the function of the host as its `proc_exit`. `None` if it does
/// not import `proc_exit`, or is invalid.
pub(super) fn with_exit_codes(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut module = Module::new();
    let mut is_changed = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        if let Payload::ImportSection(imports) = payload {
            let mut section = ImportSection::new();
            for import in imports.into_imports() {
                let mut import = import.ok()?;
                if (import.module, import.name) == (PREVIEW_1, "proc_exit") {
                    (import.module, import.name) = (EXIT, EXIT_FUNCTION);
                    is_changed = true;
                }
                RoundtripReencoder.parse_import(&mut section, import).ok()?;
            }
            module.section(&section);
        } else if let Some((id, range)) = payload.as_section() {
            let data = wasm.get(range)?;
            module.section(&RawSection { id, data });
        }
    }
    if !is_changed {
        return None;
    }
    let mut module = module.finish();
    let mut resolve = Resolve::default();
    let package = resolve.push_source("exit.wit", WIT).ok()?;
    let world = resolve.select_world(&[package], None).ok()?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).ok()?;
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::super::core_module::into_component;
    use super::*;

    #[test]
    fn only_proc_exit_is_replaced() {
        let wasm = wat::parse_str(
            r#"(module
                (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (data (i32.const 8) "hi")
                (func (export "_start") (call $exit (i32.const 7))))"#,
        );
        let module = with_exit_codes(&wasm.expect("a module")).expect("another module");
        let imports: Vec<_> = Parser::new(0)
            .parse_all(&module)
            .filter_map(|payload| match payload.expect("a section") {
                Payload::ImportSection(imports) => Some(imports),
                _ => None,
            })
            .flat_map(wasmparser::ImportSectionReader::into_imports)
            .map(|import| import.expect("an import"))
            .map(|import| (import.module, import.name))
            .collect();
        let expected = [(PREVIEW_1, "sched_yield"), (EXIT, EXIT_FUNCTION)];
        assert_eq!(imports, expected);
        assert_eq!(with_exit_codes(&module), None);
        assert_eq!(with_exit_codes(&module[..module.len() - 1]), None);
    }

    #[test]
    fn a_module_with_a_world_exits_in_the_same_way() {
        let wasm = wat::parse_str(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "f") (call $exit (i32.const 7))))"#,
        );
        let mut wasm = wasm.expect("a module");
        let mut resolve = Resolve::default();
        let package = resolve.push_source("f.wit", "package a:b; world w { export f: func(); }");
        let world = resolve.select_world(&[package.expect("a package")], None);
        let world = world.expect("a world");
        embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)
            .expect("a module");
        let component = into_component(&wasm).expect("a component");
        let imports = |name: &str| {
            component
                .windows(name.len())
                .any(|at| at == name.as_bytes())
        };
        assert!(imports(EXIT) && !imports("wasi:cli/exit"));
    }
}
