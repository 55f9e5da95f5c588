//! Channels: bounded, ordered, typed paths for values and one final result, between two
//! sandboxes or between a sandbox and the host.
//!
//! A channel lives as long as one of its ends. Its writer waits while the reader is
//! [`CHANNEL_ITEMS`](crate::limits::CHANNEL_ITEMS) values behind. Its reader receives every
//! value in order, and then the end or the writer's error. A writer that disappears is an
//! error, never an end.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cocoon::RunError> {
//! use cocoon::RunError;
//! use cocoon::channel::channel;
//!
//! let (writer, mut reader) = channel();
//! writer.send(1).await?;
//! writer.fail(RunError::Failed("it went wrong".to_owned()));
//!
//! assert_eq!(reader.recv().await?, Some(1));
//! assert!(reader.recv().await.is_err());
//! # Ok(())
//! # }
//! ```

mod bounded;
mod byte_outlet;
mod file_input;
mod inlet;
mod outlet;
mod output;

pub use bounded::{Receiver, Sender, channel};
pub use byte_outlet::byte_outlet;
pub use file_input::FileInput;
pub use inlet::{ByteInlet, Inlet, Intake, Loan};
pub use outlet::{CloseSignal, Outlet, Promise};
pub use output::Output;
