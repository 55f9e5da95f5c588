//! The names of a component's exports, for errors.

use wasmtime::component::Component;

use crate::limits::ERROR_CHARS;
use crate::text;

/// Exports that an error names at the most.
const EXPORTS_NAMED: usize = 5;

/// Whether `name` is that of an interface of programs.
#[cfg(all(feature = "service", feature = "compiler"))]
pub(super) fn is_program(name: &str) -> bool {
    name.starts_with("wasi:cli/run@")
}

/// Whether `name` is that of an interface of handlers.
pub(super) fn is_handler(name: &str) -> bool {
    name.starts_with("wasi:http/incoming-handler@") || name.starts_with("wasi:http/handler@")
}

/// The names of all exports.
pub(super) fn names(component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let exports = ty.exports(component.engine());
    exports.map(|(name, _)| name.to_owned()).collect()
}

/// The exports in a sentence that begins with `got`.
pub(super) fn describe(exports: &[String]) -> String {
    if exports.is_empty() {
        return "a component without exports".to_owned();
    }
    let mut named = exports.to_vec();
    named.truncate(EXPORTS_NAMED);
    if named.len() < exports.len() {
        named.push("…".to_owned());
    }
    let named = text::one_line(&named.join(", "), ERROR_CHARS);
    format!("a component that exports {named}")
}
