//! What one sandbox reaches through WASI.

use std::sync::Arc;

use super::cli::Cli;
use super::determinism::Determinism;
use super::folders::SandboxFolders;
use super::network::SandboxNetwork;
use super::virtual_clock::VirtualClock;

/// The arguments, streams and grants of one sandbox.
pub struct Wasi {
    pub(super) cli: Box<Cli>,
    pub(super) folders: SandboxFolders,
    /// The numbers of a deterministic sandbox, and its clock.
    pub(super) determinism: Option<(Determinism, VirtualClock)>,
    pub(super) network: Arc<SandboxNetwork>,
}
