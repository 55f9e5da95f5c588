//! `wasi:sockets/ip-name-lookup` on threads of the sandbox that asks.
//!
//! A resolver blocks its thread for as long as its servers do not answer, and a guest may
//! start as many look-ups as it has resources. Wasmtime runs them on the threads that all
//! sandboxes share.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::vec;

use tokio::task::JoinHandle;
use url::Host;
use wasmtime::component::{Accessor, HasData, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, HostResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, Network,
};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup as p3, types as p3_types};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::sockets::NETWORK;
use super::state::State;

/// The type of a [`Lookup`] in the bindings. Only its index is used.
type Handle = Resource<ip_name_lookup::ResolveAddressStream>;

/// A running look-up of a name, and then its addresses.
enum Lookup {
    Running(JoinHandle<io::Result<vec::IntoIter<SocketAddr>>>),
    Addresses(vec::IntoIter<IpAddr>),
    Failed,
}

/// The look-ups of one sandbox.
pub(super) struct Lookups<'a>(pub(super) &'a mut State);

/// Gives the linker access to them.
pub(super) struct HasLookups;

impl HasData for HasLookups {
    type Data<'a> = Lookups<'a>;
}

impl Lookup {
    /// Waits for the addresses, or for the failure.
    async fn finish(&mut self) {
        if let Self::Running(looking) = self {
            *self = match looking.await {
                Ok(Ok(found)) => {
                    let addresses: Vec<_> = found.map(|found| found.ip().to_canonical()).collect();
                    Self::Addresses(addresses.into_iter())
                }
                Ok(Err(_)) | Err(_) => Self::Failed,
            };
        }
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        self.finish().await;
    }
}

/// The name or address that `name` stands for, in ASCII.
fn host(name: &str) -> Result<Host, ErrorCode> {
    match (Host::parse(name), name.parse::<Ipv6Addr>()) {
        (Ok(host), _) => Ok(host),
        // An address without its brackets.
        (Err(_), Ok(address)) => Ok(Host::Ipv6(address)),
        (Err(_), Err(_)) => Err(ErrorCode::InvalidArgument),
    }
}

impl Lookups<'_> {
    /// Whether names may be looked up. Reports the call otherwise.
    pub(super) fn is_granted(&self) -> bool {
        let denied = self.0.denials.denies_network();
        if denied {
            let function = "wasi:sockets/ip-name-lookup.resolve-addresses";
            self.0.denials.report(function, Some(NETWORK));
        }
        !denied
    }
}

// The look-up's errors are converted by its network's implementation.
impl network::Host for Lookups<'_> {
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

impl HostNetwork for Lookups<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        HostNetwork::drop(&mut self.0.sockets(), network)
    }
}

impl ip_name_lookup::Host for Lookups<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Handle, SocketError> {
        self.0.resources.get(&network)?;
        if !self.is_granted() {
            return Err(ErrorCode::AccessDenied.into());
        }
        let one = |address| Lookup::Addresses(vec![address].into_iter());
        let lookup = match host(&name)? {
            Host::Ipv4(address) => one(address.into()),
            Host::Ipv6(address) => one(address.into()),
            Host::Domain(domain) => {
                let threads = self.0.blocking_now().map_err(SocketError::trap)?;
                Lookup::Running(threads.spawn(move || (domain, 0).to_socket_addrs()))
            }
        };
        let lookup = self.0.resources.push(lookup)?;
        Ok(Resource::new_own(lookup.rep()))
    }
}

impl HostResolveAddressStream for Lookups<'_> {
    fn resolve_next_address(&mut self, lookup: Handle) -> Result<Option<IpAddress>, SocketError> {
        let lookup = self.0.resources.get_mut(&lookup_of(&lookup))?;
        if let Lookup::Running(looking) = lookup {
            if !looking.is_finished() {
                return Err(ErrorCode::WouldBlock.into());
            }
            // It is finished, so that this does not wait.
            let _ = futures::FutureExt::now_or_never(lookup.finish());
        }
        match lookup {
            Lookup::Addresses(addresses) => Ok(addresses.next().map(IpAddress::from)),
            Lookup::Running(_) => Err(ErrorCode::WouldBlock.into()),
            Lookup::Failed => Err(ErrorCode::NameUnresolvable.into()),
        }
    }

    fn subscribe(&mut self, lookup: Handle) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.0.resources, lookup_of(&lookup))
    }

    fn drop(&mut self, lookup: Handle) -> wasmtime::Result<()> {
        let lookup = Resource::<Lookup>::new_own(lookup.rep());
        self.0.resources.delete(lookup)?;
        Ok(())
    }
}

/// The resource that a handle stands for.
fn lookup_of(handle: &Handle) -> Resource<Lookup> {
    Resource::new_borrow(handle.rep())
}

impl p3::Host for Lookups<'_> {}

impl p3::HostWithStore<State> for HasLookups {
    async fn resolve_addresses(
        store: &Accessor<State, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<p3_types::IpAddress>, p3::ErrorCode>> {
        let granted = store.with(|mut lookups| lookups.get().is_granted());
        if !granted {
            return Ok(Err(p3::ErrorCode::AccessDenied));
        }
        let domain = match host(&name) {
            Ok(Host::Domain(domain)) => domain,
            Ok(Host::Ipv4(address)) => return Ok(Ok(vec![IpAddr::from(address).into()])),
            Ok(Host::Ipv6(address)) => return Ok(Ok(vec![IpAddr::from(address).into()])),
            Err(_) => return Ok(Err(p3::ErrorCode::InvalidArgument)),
        };
        let threads = store.with(|mut lookups| lookups.get().0.blocking_now())?;
        let looking = threads.spawn(move || (domain, 0).to_socket_addrs());
        Ok(match looking.await? {
            Ok(found) => Ok(found
                .map(|found| found.ip().to_canonical().into())
                .collect()),
            Err(_) => Err(p3::ErrorCode::NameUnresolvable),
        })
    }
}
