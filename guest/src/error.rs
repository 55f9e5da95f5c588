//! Why a request has no answer.
//!
//! The texts are put together without `core::fmt`, whose tables and stack
//! frames would be touched in a sandbox that only lives for microseconds.

use alloc::string::String;

use crate::cost::Count;
use crate::decimal;

/// Why there is no answer, with a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request makes no sense; the text says what would be right.
    Invalid(String),
    /// The answer is out of reach; the text says by how much.
    TooLarge(String),
    /// The computation found itself wrong or incomplete.
    Failed(String),
}

impl Error {
    /// The text, whatever the reason.
    pub fn text(&self) -> &str {
        match self {
            Self::Invalid(text) | Self::TooLarge(text) | Self::Failed(text) => text,
        }
    }

    /// An answer of `bytes` bytes does not fit into one reply.
    pub(crate) fn reply_too_large(bytes: u64, bytes_max: u64) -> Self {
        let mut text = String::from("the answer has ");
        decimal::push_u64(&mut text, bytes);
        text.push_str(" bytes, but one reply holds at most ");
        decimal::push_u64(&mut text, bytes_max);
        text.push_str("; use digits");
        Self::TooLarge(text)
    }

    /// No memory with 32-bit addresses is enough.
    pub(crate) fn out_of_reach(digits: Count) -> Self {
        let mut text = String::from("the number has ");
        match digits {
            Count::Exact(count) => decimal::push_u64(&mut text, count),
            Count::AtMost(count) => {
                text.push_str("up to ");
                decimal::push_u64(&mut text, count);
            }
            Count::Beyond => text.push_str("more than 2^64"),
        }
        text.push_str(" digits, for which the 4 GiB of a 32-bit memory are not enough");
        Self::TooLarge(text)
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}
