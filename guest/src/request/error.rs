//! Reasons why a request has no answer.
//!
//! Texts are built without `core::fmt`: its tables and stack frames would touch memory
//! in a sandbox that lives for microseconds.

use alloc::string::String;

use super::count::Count;
use super::decimal::push_u64;

/// Longest part of an argument that an error quotes, in characters.
const QUOTE_MAX: usize = 60;

/// Reason why there is no answer, with a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request is malformed; the text says what was expected.
    Invalid(String),
    /// The answer exceeds a limit; the text names the limit.
    TooLarge(String),
    /// The computation found itself wrong or incomplete.
    Failed(String),
}

impl Error {
    /// Returns the text.
    pub fn text(&self) -> &str {
        match self {
            Self::Invalid(text) | Self::TooLarge(text) | Self::Failed(text) => text,
        }
    }

    /// Creates an error for an argument that is none of those expected.
    pub(crate) fn unexpected(expected: &str, argument: &str) -> Self {
        let mut text = String::from("expected ");
        text.push_str(expected);
        text.push_str(", got ");
        push_quoted(&mut text, argument);
        Self::Invalid(text)
    }

    /// Creates an error for an answer that is longer than a reply.
    pub(crate) fn reply_too_large(bytes: u64, bytes_max: u64) -> Self {
        let mut text = String::from("expected an answer of at most ");
        push_u64(&mut text, bytes_max);
        text.push_str(" bytes, got ");
        push_u64(&mut text, bytes);
        text.push_str("; use digits");
        Self::TooLarge(text)
    }

    /// Creates an error for a number that no memory with 32-bit addresses can hold.
    pub(crate) fn out_of_reach(digits: Count) -> Self {
        let mut text = String::from("expected a number that fits into 4 GiB of memory, got ");
        match digits {
            Count::Exact(count) => push_u64(&mut text, count),
            Count::AtMost(count) => {
                text.push_str("up to ");
                push_u64(&mut text, count);
            }
            Count::Beyond => text.push_str("more than 2^64"),
        }
        text.push_str(" digits");
        Self::TooLarge(text)
    }
}

/// Appends an argument in quotes, escaped and shortened.
pub(crate) fn push_quoted(text: &mut String, argument: &str) {
    text.push('"');
    let quoted = argument.chars().take(QUOTE_MAX);
    text.extend(quoted.flat_map(char::escape_default));
    if argument.chars().nth(QUOTE_MAX).is_some() {
        text.push('…');
    }
    text.push('"');
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}
