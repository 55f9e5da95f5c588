//! The capabilities of a sandbox: the grants, the linker of WASI, and the state of a store.
//!
//! A component reaches nothing unless a flag grants it. Files, name look-up and streams run
//! under this program's own bounds in place of Wasmtime's.

mod capabilities;
mod descriptors;
mod error;
mod file_streams;
mod files;
mod folders;
mod linker;
mod listing;
mod lookup;
mod memory_cap;
mod state;
mod stream_buffers;
mod streams;

pub use capabilities::Grants;
pub use error::GrantError;
pub use folders::Dir;
pub(crate) use folders::Folders;
pub(crate) use memory_cap::MemoryCap;
pub use state::State;
