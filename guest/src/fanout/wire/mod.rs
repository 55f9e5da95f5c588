//! Numbers and half products on their way between sandboxes.
//!
//! A message is a `head` of eight words, then limbs or points, all little-endian. It
//! carries a residue modulo the prime that all parts of a computation share. The last part
//! compares that residue with the product, so that a change on the way is found. A
//! receiver allocates no more than the head announces, and the head may announce no more
//! than the receiver expects.

mod head;

mod encoder;

mod decoder;

pub(super) use decoder::Decoded;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub(super) use head::{Head, Message, broken_message};
