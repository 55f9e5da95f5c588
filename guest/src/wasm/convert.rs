//! Conversions between the contract's types and those of the arithmetic, for every world.

use super::bindings::types as wit;
use crate::request::{Error, Format, Kind, Request};

impl From<wit::Kind> for Kind {
    fn from(kind: wit::Kind) -> Self {
        match kind {
            wit::Kind::Factorial => Self::Factorial,
            wit::Kind::Multifactorial(step) => Self::Multifactorial(step),
            wit::Kind::Subfactorial => Self::Subfactorial,
            wit::Kind::Primorial => Self::Primorial,
            wit::Kind::Superfactorial => Self::Superfactorial,
            wit::Kind::Hyperfactorial => Self::Hyperfactorial,
            wit::Kind::Alternating => Self::Alternating,
        }
    }
}

impl From<wit::Request> for Request {
    fn from(request: wit::Request) -> Self {
        Self {
            kind: request.kind.into(),
            n: request.n,
            format: match request.format {
                wit::Format::Decimal => Format::Decimal,
                wit::Format::Scientific(significant) => Format::Scientific(significant),
            },
            proved: request.proved,
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::TooLarge(text) => Self::TooLarge(text),
            Error::Failed(text) => Self::Failed(text),
        }
    }
}
