//! The world `wasi:http/proxy` of WASI 0.2: which components answer requests.

use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

use crate::component::World;
use crate::grants::State;
use crate::worlds::exports::{describe, is_program, names};

/// Components that export `wasi:http/incoming-handler` of WASI 0.2.
#[derive(Clone, Copy, Debug)]
pub struct Handler;

impl World for Handler {
    type Pre = ProxyPre<State>;
    type Exports = Proxy;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<ProxyPre<State>> {
        let exports = names(pre.component());
        let is_handler = |name: &String| name.starts_with("wasi:http/incoming-handler@0.2.");
        if exports.iter().any(is_handler) {
            return ProxyPre::new(pre);
        }
        Err(wasmtime::format_err!("{}", no_handler(&exports)))
    }

    async fn instantiate(
        pre: &ProxyPre<State>,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Proxy> {
        pre.instantiate_async(store).await
    }
}

/// The error of a component with `exports`, none of which is a handler.
fn no_handler(exports: &[String]) -> String {
    let expected = "expected a handler, which exports wasi:http/incoming-handler of WASI 0.2";
    if let Some(program) = exports.iter().find(|name| is_program(name)) {
        return format!(
            "{expected}, got a program, which exports {program}; use `cocoon exec` to run it"
        );
    }
    format!("{expected}, got {}", describe(exports))
}
