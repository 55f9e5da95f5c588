//! The worlds `wasi:cli/command` of WASI 0.2 and 0.3: which components run as programs.

use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi::{I32Exit, p2, p3};

use super::exports::{describe, is_handler, names};
use crate::component::World;
use crate::grants::State;

/// Components that export `wasi:cli/run` of WASI 0.2 or 0.3.
#[derive(Clone, Copy, Debug)]
pub struct Program;

/// The exports of a program, looked up once.
#[doc(hidden)]
pub enum ProgramPre {
    P2(p2::bindings::CommandPre<State>),
    P3(p3::bindings::CommandPre<State>),
}

/// The exports of an instance of a program.
#[doc(hidden)]
pub enum ProgramExports {
    P2(p2::bindings::Command),
    P3(p3::bindings::Command),
}

impl World for Program {
    type Pre = ProgramPre;
    type Exports = ProgramExports;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<ProgramPre> {
        let exports = names(pre.component());
        let exports_run = |version| exports.iter().any(|name| name.starts_with(version));
        // A component with both runs as `wasmtime run` runs it.
        if exports_run("wasi:cli/run@0.3.") {
            return p3::bindings::CommandPre::new(pre).map(ProgramPre::P3);
        }
        if exports_run("wasi:cli/run@0.2.") {
            return p2::bindings::CommandPre::new(pre).map(ProgramPre::P2);
        }
        Err(wasmtime::format_err!("{}", no_program(&exports)))
    }

    async fn instantiate(
        pre: &ProgramPre,
        store: &mut Store<State>,
    ) -> wasmtime::Result<ProgramExports> {
        match pre {
            ProgramPre::P2(pre) => pre.instantiate_async(store).await.map(ProgramExports::P2),
            ProgramPre::P3(pre) => pre.instantiate_async(store).await.map(ProgramExports::P3),
        }
    }
}

impl ProgramExports {
    /// Runs the program to its end. Returns its exit code.
    pub(super) async fn run(&self, store: &mut Store<State>) -> wasmtime::Result<i32> {
        let result = match self {
            Self::P2(program) => program.wasi_cli_run().call_run(store).await,
            Self::P3(program) => {
                let running = store
                    .run_concurrent(async |store| program.wasi_cli_run().call_run(store).await);
                running.await.flatten()
            }
        };
        match result {
            Ok(result) => Ok(i32::from(result.is_err())),
            Err(error) => exit_code(error),
        }
    }
}

/// The exit code of a call that ended because the component exited.
pub(super) fn exit_code(error: wasmtime::Error) -> wasmtime::Result<i32> {
    match error.downcast_ref::<I32Exit>() {
        Some(&I32Exit(code)) => Ok(code),
        None => Err(error),
    }
}

/// The error of a component with `exports`, none of which is `wasi:cli/run`.
fn no_program(exports: &[String]) -> String {
    let expected = "expected a program, which exports wasi:cli/run of WASI 0.2 or 0.3";
    if let Some(handler) = exports.iter().find(|name| is_handler(name)) {
        return format!(
            "{expected}, got a handler of HTTP requests, which exports {handler}; use `cocoon serve` to serve it"
        );
    }
    let described = describe(exports);
    if exports.is_empty() {
        return format!("{expected}, got {described}");
    }
    format!("{expected}, got {described}; use `cocoon call` to call a function")
}
