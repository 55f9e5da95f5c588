//! What one sandbox reaches through WASI.

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;

use super::folders::SandboxFolders;
use super::network::SandboxNetwork;
use super::virtual_clock::VirtualClock;

/// The arguments, streams and grants of one sandbox.
pub struct Wasi {
    pub(super) context: WasiCtx,
    pub(super) folders: SandboxFolders,
    /// The clock of a deterministic sandbox.
    pub(super) clock: Option<VirtualClock>,
    pub(super) network: Arc<SandboxNetwork>,
}
