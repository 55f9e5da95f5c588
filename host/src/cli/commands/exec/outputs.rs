//! Where the output of an attempt goes.

use bytes::Bytes;
use cocoon::worlds::command::Stream;

use crate::cli::failure::Failure;

/// The output of an attempt.
pub(in crate::cli::commands) trait Outputs {
    /// Whether the output is printed as it comes.
    fn is_direct(&self) -> bool;
    /// Bytes of standard output and of standard error.
    fn bytes(&self) -> [u64; 2];
    async fn write(&mut self, stream: Stream, bytes: Bytes) -> Result<(), Failure>;
    /// Sends on what was buffered. No more output is there now.
    async fn push(&mut self) -> Result<(), Failure>;
}
