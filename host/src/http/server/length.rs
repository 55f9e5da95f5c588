//! The length of a body before there is one.

/// The length of a body, as far as it is known before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Bytes of the body.
    Exact(u64),
    /// An upper bound.
    AtMost(u64),
    /// Nothing is known.
    Unknown,
}
