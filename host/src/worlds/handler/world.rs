//! The worlds `wasi:http/proxy` of WASI 0.2 and `wasi:http/service` of WASI 0.3: which components
//! answer requests.

use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::component::World;
use crate::grants::State;
use crate::worlds::exports::{describe, is_program, names};

/// Components that export `wasi:http/incoming-handler` of WASI 0.2 or `wasi:http/handler` of
/// WASI 0.3.
#[derive(Clone, Copy, Debug)]
pub struct Handler;

/// The exports of a handler, looked up once.
#[doc(hidden)]
pub enum HandlerPre {
    P2(ProxyPre<State>),
    P3(ServicePre<State>),
}

/// The exports of an instance of a handler.
#[doc(hidden)]
pub enum HandlerExports {
    P2(Proxy),
    P3(Service),
}

impl World for Handler {
    type Pre = HandlerPre;
    type Exports = HandlerExports;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<HandlerPre> {
        let exports = names(pre.component());
        let exports_handler = |version| exports.iter().any(|name| name.starts_with(version));
        // A component with both is served as `wasmtime serve` serves it.
        if exports_handler("wasi:http/handler@0.3.") {
            return ServicePre::new(pre).map(HandlerPre::P3);
        }
        if exports_handler("wasi:http/incoming-handler@0.2.") {
            return ProxyPre::new(pre).map(HandlerPre::P2);
        }
        Err(wasmtime::format_err!("{}", no_handler(&exports)))
    }

    async fn instantiate(
        pre: &HandlerPre,
        store: &mut Store<State>,
    ) -> wasmtime::Result<HandlerExports> {
        match pre {
            HandlerPre::P2(pre) => pre.instantiate_async(store).await.map(HandlerExports::P2),
            HandlerPre::P3(pre) => pre.instantiate_async(store).await.map(HandlerExports::P3),
        }
    }
}

/// The error of a component with `exports`, none of which is a handler.
fn no_handler(exports: &[String]) -> String {
    let expected = "expected a handler, which exports wasi:http/incoming-handler of WASI 0.2 or wasi:http/handler of WASI 0.3";
    if let Some(program) = exports.iter().find(|name| is_program(name)) {
        return format!(
            "{expected}, got a program, which exports {program}; use `cocoon exec` to run it"
        );
    }
    format!("{expected}, got {}", describe(exports))
}
