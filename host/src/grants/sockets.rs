//! Creation of sockets.
//!
//! Without a grant of the network, no socket is created, so a program that was granted none takes
//! no descriptor of the process. The call fails with `access-denied`, as in `wasmtime run`.

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::state::State;

/// The flag that grants sockets and name lookup.
pub(super) const NETWORK: &str = "--network";

/// The sockets of one sandbox.
pub(super) struct Sockets<'a>(pub(super) &'a mut State);

/// Gives the linker access to them.
pub(super) struct HasSockets;

impl HasData for HasSockets {
    type Data<'a> = Sockets<'a>;
}

impl Sockets<'_> {
    /// Denies `function` where the network is not granted, and reports the call.
    fn check(&self, function: &'static str) -> SocketResult<()> {
        if self.0.denials.denies_network() {
            self.0.denials.report(function, Some(NETWORK));
            return Err(ErrorCode::AccessDenied.into());
        }
        Ok(())
    }
}

impl tcp_create_socket::Host for Sockets<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.check("wasi:sockets/tcp-create-socket.create-tcp-socket")?;
        self.0.sockets().create_tcp_socket(family)
    }
}

impl udp_create_socket::Host for Sockets<'_> {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        self.check("wasi:sockets/udp-create-socket.create-udp-socket")?;
        self.0.sockets().create_udp_socket(family).await
    }
}

// The errors of creation are converted by its network's implementation.
impl network::Host for Sockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.0.sockets().convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.0.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for Sockets<'_> {
    fn drop(&mut self, network: Resource<wasmtime_wasi::p2::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.0.sockets(), network)
    }
}
