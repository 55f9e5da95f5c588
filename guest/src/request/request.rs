//! A request for one number.

use super::error::Error;
use super::format::Format;
use super::kind::Kind;

/// A request for one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Kind of the number.
    pub kind: Kind,
    /// Argument of the kind.
    pub n: u64,
    /// Format of the answer.
    pub format: Format,
    /// Whether every product must be proved exact, even where a check would be faster.
    pub proved: bool,
}

impl Request {
    /// Requests all digits, with checks instead of proofs where these are faster.
    pub const fn decimal(kind: Kind, n: u64) -> Self {
        Self {
            kind,
            n,
            format: Format::Decimal,
            proved: false,
        }
    }

    /// Checks all parameters.
    ///
    /// # Errors
    ///
    /// As [`Kind::check`] and [`Format::check`].
    pub fn check(self) -> Result<(), Error> {
        self.kind.check()?;
        self.format.check()
    }
}
