//! The Wasmtime engine, and the ticker that makes sandboxes yield to each other.
//!
//! One engine lives as long as the program, with others for components that it does not fit. The
//! number of sandboxes bounds everything that an engine reserves.

mod backtrace;
mod config;
mod error;
mod handle;
mod shared;
mod ticker;

pub(crate) use backtrace::{frames, message};
#[cfg(feature = "compiler")]
pub(crate) use config::Calls;
pub use config::Compiler;
pub use error::EngineError;
pub(crate) use error::one_line;
pub use handle::Engine;
pub(crate) use handle::permits;
pub(crate) use shared::Shared;
pub use ticker::TICK;
