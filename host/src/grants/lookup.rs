//! `wasi:sockets/ip-name-lookup` on threads of the sandbox that asks, for granted names.
//!
//! A resolver blocks its thread for as long as its servers do not answer, and a guest may
//! start as many look-ups as it has resources. Wasmtime runs them on the threads that all
//! sandboxes share.

use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs as _};
use std::sync::Arc;
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

use super::network::SandboxNetwork;
use super::state::State;
use crate::blocking::BlockingHandle;
use crate::error::RunError;

/// The type of a [`Lookup`] in the bindings. Only its index is used.
type Handle = Resource<ip_name_lookup::ResolveAddressStream>;

/// A running look-up of a name, and then its addresses.
enum Lookup {
    Running(JoinHandle<Result<Vec<IpAddr>, Failure>>),
    Addresses(vec::IntoIter<IpAddr>),
    Failed(Failure),
}

/// Why a look-up has no addresses.
#[derive(Clone, Copy)]
enum Failure {
    /// The text is neither a name nor an address.
    Invalid,
    /// No flag grants the name, or any of its addresses.
    Denied,
    Unresolvable,
}

/// A name to look up, or an address.
enum Question {
    Name(String),
    Address(IpAddr),
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
                Ok(Ok(found)) => Self::Addresses(found.into_iter()),
                Ok(Err(failure)) => Self::Failed(failure),
                Err(_) => Self::Failed(Failure::Unresolvable),
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

/// Parses the name or address that `text` stands for, and checks that a flag grants the name. The
/// connection checks an address.
fn question(network: &SandboxNetwork, text: &str) -> Result<Question, Failure> {
    let host = match (Host::parse(text), text.parse::<Ipv6Addr>()) {
        (Ok(host), _) => host,
        // An address without its brackets.
        (Err(_), Ok(address)) => Host::Ipv6(address),
        (Err(_), Err(_)) => return Err(Failure::Invalid),
    };
    match host {
        Host::Ipv4(address) => Ok(Question::Address(address.into())),
        Host::Ipv6(address) => Ok(Question::Address(address.into())),
        Host::Domain(name) => match network.check_name(&name) {
            Ok(()) => Ok(Question::Name(name)),
            Err(refusal) => {
                network.report(&refusal);
                Err(Failure::Denied)
            }
        },
    }
}

/// Resolves a granted name on a thread of the sandbox, to those addresses that it may use.
fn resolve(
    network: Arc<SandboxNetwork>,
    threads: &BlockingHandle,
    name: String,
) -> JoinHandle<Result<Vec<IpAddr>, Failure>> {
    threads.spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        let found = found.map_err(|_| Failure::Unresolvable)?;
        let found = found.map(|address| address.ip()).collect();
        network.keep(&name, found).map_err(|refusal| {
            network.report(&refusal);
            Failure::Denied
        })
    })
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
        let network = Arc::clone(&self.0.network);
        let lookup = match question(&network, &name).map_err(ErrorCode::from)? {
            Question::Address(address) => Lookup::Addresses(vec![address].into_iter()),
            Question::Name(name) => {
                let threads = self.0.blocking_now().map_err(SocketError::trap)?;
                Lookup::Running(resolve(network, &threads, name))
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
            Lookup::Failed(failure) => Err(ErrorCode::from(*failure).into()),
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

impl From<Failure> for ErrorCode {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid => Self::InvalidArgument,
            Failure::Denied => Self::AccessDenied,
            Failure::Unresolvable => Self::NameUnresolvable,
        }
    }
}

/// The resource that a handle stands for.
fn lookup_of(handle: &Handle) -> Resource<Lookup> {
    Resource::new_borrow(handle.rep())
}

impl p3::Host for Lookups<'_> {}

impl<U> p3::HostWithStore<U> for HasLookups {
    async fn resolve_addresses(
        store: &Accessor<U, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<p3_types::IpAddress>, p3::ErrorCode>> {
        let started = store.with(|mut view| {
            let state = view.get().0;
            let network = Arc::clone(&state.network);
            Ok::<_, RunError>(match question(&network, &name) {
                Ok(Question::Address(address)) => Lookup::Addresses(vec![address].into_iter()),
                Ok(Question::Name(name)) => {
                    let threads = state.blocking_now()?;
                    Lookup::Running(resolve(network, &threads, name))
                }
                Err(failure) => Lookup::Failed(failure),
            })
        });
        let mut lookup = started?;
        lookup.finish().await;
        Ok(match lookup {
            Lookup::Addresses(addresses) => Ok(addresses.map(p3_types::IpAddress::from).collect()),
            Lookup::Failed(Failure::Invalid) => Err(p3::ErrorCode::InvalidArgument),
            Lookup::Failed(Failure::Denied) => Err(p3::ErrorCode::AccessDenied),
            Lookup::Failed(Failure::Unresolvable) | Lookup::Running(_) => {
                Err(p3::ErrorCode::NameUnresolvable)
            }
        })
    }
}
