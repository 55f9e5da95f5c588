//! What can be said of a number without computing it.

use alloc::string::String;

use crate::cost::{Count, cost};
use crate::digits;
use crate::error::Error;
use crate::request::{Kind, Request};
use crate::zeros;

/// What can be said of a number without computing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Decimal digits.
    pub digits: Count,
    /// Zeros at the end.
    pub trailing_zeros: Option<u64>,
    /// The most significant digits, at most 20, cut off and not rounded.
    pub leading_digits: Option<String>,
    /// As [`Cost`](crate::cost::Cost) says it, for the decimal format.
    pub peak_bytes: Option<u64>,
}

/// What can be said of the number.
///
/// # Errors
///
/// [`Error::Invalid`] for a senseless kind.
pub fn info(kind: Kind, n: u64) -> Result<Info, Error> {
    let cost = cost(Request::decimal(kind, n))?;
    Ok(Info {
        digits: cost.digits,
        trailing_zeros: zeros::trailing(kind, n),
        leading_digits: digits::leading(kind, n),
        peak_bytes: cost.peak_bytes,
    })
}
