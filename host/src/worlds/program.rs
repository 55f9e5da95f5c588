//! The worlds `wasi:cli/command` of WASI 0.2 and 0.3: which components run as programs.

use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::{I32Exit, p2, p3};

use crate::component::World;
use crate::grants::State;
use crate::limits::ERROR_CHARS;
use crate::text;

/// Exports that an error names at the most.
const EXPORTS_NAMED: usize = 5;

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
        let exports = exports(pre.component());
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

fn exports(component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let exports = ty.exports(component.engine());
    exports.map(|(name, _)| name.to_owned()).collect()
}

/// The error of a component with `exports`, none of which is `wasi:cli/run`.
fn no_program(exports: &[String]) -> String {
    let expected = "expected a program, which exports wasi:cli/run of WASI 0.2 or 0.3";
    let is_handler = |name: &&String| {
        name.starts_with("wasi:http/incoming-handler@") || name.starts_with("wasi:http/handler@")
    };
    if let Some(handler) = exports.iter().find(is_handler) {
        return format!(
            "{expected}, got a handler of HTTP requests, which exports {handler}; cocoon does not run handlers, use \
             `wasmtime serve`"
        );
    }
    if exports.is_empty() {
        return format!("{expected}, got a component without exports");
    }
    let mut named = exports.to_vec();
    named.truncate(EXPORTS_NAMED);
    if named.len() < exports.len() {
        named.push("…".to_owned());
    }
    let named = text::one_line(&named.join(", "), ERROR_CHARS);
    format!(
        "{expected}, got a component that exports {named}; use `cocoon call` to call a function"
    )
}
