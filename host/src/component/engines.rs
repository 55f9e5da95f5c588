//! The engines that a component may be compiled for.

use std::cell::LazyCell;

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::ComponentError;
use crate::engine::{Calls, Compiler, Engine, EngineError};

/// Engines for components with the same kinds of calls, that of the better code first.
type Compilers = Result<Vec<Engine>, EngineError>;

/// The engines for components with and without concurrent calls. The code for one kind does not
/// run on the other, and the bytes of a component decide its kind.
pub(super) struct Engines<'a> {
    /// Of the given engine, which most components fit.
    first: (Calls, Vec<Engine>),
    /// Made for the first component of the other kind.
    other: LazyCell<Compilers, Box<dyn FnOnce() -> Compilers + 'a>>,
}

impl<'a> Engines<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        let calls = match engine.calls() {
            Calls::Concurrent => Calls::Sync,
            Calls::Sync => Calls::Concurrent,
        };
        Self {
            first: (engine.calls(), compilers(engine.clone())),
            other: LazyCell::new(Box::new(move || engine.with_calls(calls).map(compilers))),
        }
    }

    /// The given engine, and that of the baseline compiler.
    pub(super) fn first(&self) -> &[Engine] {
        &self.first.1
    }

    /// The engines for the other kind of components.
    ///
    /// # Errors
    ///
    /// Where Wasmtime refuses to start another one.
    pub(super) fn other(&self) -> Result<&[Engine], ComponentError> {
        let other = self.other.as_deref();
        other.map_err(|error| ComponentError::Link(error.to_string()))
    }

    /// The engines for components with `calls`.
    ///
    /// # Errors
    ///
    /// As [`Engines::other`].
    pub(super) fn of(&self, calls: Calls) -> Result<&[Engine], ComponentError> {
        match self.first.0 {
            first if first == calls => Ok(self.first()),
            // The first one runs all components.
            Calls::Concurrent => Ok(self.other().unwrap_or(self.first())),
            Calls::Sync => self.other(),
        }
    }
}

/// `engine`, and that of the baseline compiler if that is asked for.
fn compilers(engine: Engine) -> Vec<Engine> {
    let baseline = match engine.compiler() {
        Compiler::Baseline => engine.baseline().map(Some),
        Compiler::Optimizing => Ok(None),
    };
    let baseline = baseline.unwrap_or_else(|error| {
        tracing::debug!(%error, "baseline compiler unusable");
        None
    });
    [engine].into_iter().chain(baseline).collect()
}

/// The calls of the component `wasm`. Invalid bytes are reported by the compiler.
pub(super) fn calls(wasm: &[u8]) -> Calls {
    let concurrent = WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT;
    let mut validator = Validator::new_with_features(WasmFeatures::all().difference(concurrent));
    // The bodies of functions are not validated: they make no such calls by themselves.
    let is_sync = Parser::new(0).parse_all(wasm).all(|payload| {
        payload.is_ok_and(|payload| !imports_p3(&payload) && validator.payload(&payload).is_ok())
    });
    if is_sync {
        Calls::Sync
    } else {
        Calls::Concurrent
    }
}

/// Whether a component imports WASI 0.3, whose host functions are concurrent.
fn imports_p3(payload: &Payload<'_>) -> bool {
    let Payload::ComponentImportSection(imports) = payload else {
        return false;
    };
    let mut names = imports.clone().into_iter().flatten();
    names.any(|import| import.name.name.contains("@0.3."))
}
