//! The capabilities of a sandbox: the grants, the linker of WASI, and the state of a store.
//!
//! A component has clocks and randomness, and reaches nothing else unless a flag grants it. Files,
//! name look-up and streams run under this program's own bounds in place of Wasmtime's.

mod addresses;
mod capabilities;
mod cli;
mod cli_calls;
mod clocks;
mod denials;
mod descriptors;
mod destination;
mod determinism;
mod error;
mod file_streams;
mod files;
mod folders;
#[cfg(feature = "service")]
mod http;
#[cfg(feature = "service")]
mod http_answer;
#[cfg(all(feature = "service", feature = "compiler"))]
mod http_client;
#[cfg(all(feature = "service", feature = "compiler"))]
mod http_connector;
#[cfg_attr(
    not(all(feature = "service", feature = "compiler")),
    allow(
        dead_code,
        reason = "the client of requests alone asks what is permitted"
    )
)]
mod http_destination;
#[cfg(feature = "service")]
mod http_state;
#[cfg(all(feature = "service", feature = "compiler"))]
mod http_stream;
mod linker;
mod listing;
mod lookup;
mod memory_cap;
mod network;
mod p3;
mod p3_files;
#[cfg(feature = "service")]
mod p3_http;
mod p3_sockets;
mod p3_streams;
mod sockets;
mod state;
mod stream_buffers;
mod streams;
mod virtual_clock;
mod wasi;

pub use capabilities::Grants;
pub(crate) use cli::Cli;
pub(crate) use denials::Denials;
pub use denials::DeniedCall;
pub use destination::Destination;
pub use determinism::Determinism;
pub use error::GrantError;
pub use folders::Dir;
pub(crate) use folders::Folders;
#[cfg(all(feature = "service", feature = "compiler"))]
pub(crate) use http_answer::{Answer, content_length};
#[cfg(all(feature = "service", feature = "compiler"))]
pub(crate) use http_client::HttpClient;
pub use http_destination::HttpDestination;
pub(crate) use linker::linker;
#[cfg(feature = "compiler")]
pub(crate) use linker::{EXIT, EXIT_FUNCTION};
pub(crate) use memory_cap::MemoryCap;
pub use network::Network;
pub use state::State;
pub use wasi::Wasi;
