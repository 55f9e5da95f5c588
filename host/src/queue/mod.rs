//! Batches over Redis: what is stored of a batch, and the scripts that change it.
//!
//! A submitter creates a batch. Workers lease ranges of its instances, and publish each result
//! together with its mark, fenced by the attempt of the lease. A reader prints results and
//! acknowledges them. Each script is atomic and may be repeated after its reply was lost. Redis
//! removes a batch that nothing touches for its time to keep.
//!
//! Redis Streams and their consumer groups distribute the ranges.

mod address;
mod batch;
mod connection;
mod content;
mod error;
mod range;
mod reading;
mod result;
mod scripts;
mod store;
mod submission;
mod tls;
mod work;

pub use address::Address;
pub use batch::{Asked, Batch, PROTOCOL, Progress, check_name};
pub use error::QueueError;
pub use range::{Held, Line, Range, Taken};
pub use result::{Entry, Failed, Instance, Payload, add_chunk, chunks};
pub use store::Queue;
pub use submission::{Added, Content, Created};
pub use work::{Published, Staged};
