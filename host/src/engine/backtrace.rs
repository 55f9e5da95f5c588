//! The backtrace of a trap as text.

use wasmtime::{Error, WasmBacktrace};

use crate::limits::{BACKTRACE_FRAMES, ERROR_CHARS, FRAME_CHARS};
use crate::text::one_line;

/// The wasm frames at which `error` happened, the innermost first: `0x1a2b - module!function`, with
/// the offset in the file of the module and the demangled name, as `wasmtime run` prints them.
/// Empty where the engine captures none.
pub(crate) fn frames(error: &Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    // Only Wasmtime's own text has demangled names: a title, then `  0:   0x1a2b - module!function`
    // for each frame.
    let text = backtrace.to_string();
    let frames = text.lines().filter_map(|line| line.trim().split_once(": "));
    frames
        .filter(|(number, _)| number.parse::<usize>().is_ok())
        .map(|(_, frame)| one_line(frame, FRAME_CHARS))
        .take(BACKTRACE_FRAMES)
        .collect()
}

/// `error` and its causes on one line, without the backtrace.
pub(crate) fn message(error: &Error) -> String {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let backtrace = backtrace.map(ToString::to_string);
    let causes = error.chain().map(ToString::to_string);
    let causes = causes.filter(|cause| Some(cause) != backtrace.as_ref());
    one_line(&causes.collect::<Vec<_>>().join(": "), ERROR_CHARS)
}
