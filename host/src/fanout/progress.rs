//! The progress of a fan-out.

/// The progress of a fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Parts that have begun to send their result.
    pub done: usize,
    /// All parts.
    pub all: usize,
}
