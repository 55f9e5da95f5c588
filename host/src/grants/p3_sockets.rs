//! `wasi:sockets` of WASI 0.3. Without a grant of the network, no socket is created.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup;
use wasmtime_wasi::p3::bindings::sockets::types::{
    self, ErrorCode, HostTcpSocket, HostUdpSocket, IpAddressFamily,
};
use wasmtime_wasi::p3::sockets::SocketResult;
use wasmtime_wasi::sockets::{TcpSocket, UdpSocket, WasiSockets, WasiSocketsView as _};

use super::lookup::{HasLookups, Lookups};
use super::sockets::NETWORK;
use super::state::State;

/// The instance of the types in the linker.
const TYPES: &str = "wasi:sockets/types@0.3.0";

/// Links sockets and name lookup.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    ip_name_lookup::add_to_linker::<_, HasLookups>(linker, |state| Lookups(state))?;
    // The same functions, whose denial is reported.
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[static]tcp-socket.create", create_tcp)?;
    types.func_wrap_async("[static]udp-socket.create", |store, family| {
        Box::new(create_udp(store, family))
    })
}

type Store<'a> = StoreContextMut<'a, State>;
type Created<T> = (Result<Resource<T>, ErrorCode>,);

fn create_tcp(
    mut store: Store<'_>,
    (family,): (IpAddressFamily,),
) -> wasmtime::Result<Created<TcpSocket>> {
    let state = store.data_mut();
    if denies(state, "wasi:sockets/types.tcp-socket.create") {
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    of_result(HostTcpSocket::create(&mut state.sockets(), family))
}

async fn create_udp(
    mut store: Store<'_>,
    (family,): (IpAddressFamily,),
) -> wasmtime::Result<Created<UdpSocket>> {
    let state = store.data_mut();
    if denies(state, "wasi:sockets/types.udp-socket.create") {
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    of_result(HostUdpSocket::create(&mut state.sockets(), family).await)
}

/// Whether the network is not granted. Reports the call of `function` then.
fn denies(state: &State, function: &'static str) -> bool {
    let denies = state.denials.denies_network();
    if denies {
        state.denials.report(function, Some(NETWORK));
    }
    denies
}

fn of_result<T>(created: SocketResult<Resource<T>>) -> wasmtime::Result<Created<T>> {
    match created {
        Ok(socket) => Ok((Ok(socket),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
