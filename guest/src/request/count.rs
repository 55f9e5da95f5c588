//! The number of something that is computed later.

/// Number of digits or bytes that are computed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly this many.
    Exact(u64),
    /// At most this many.
    AtMost(u64),
    /// More than a u64 can count.
    Beyond,
}
