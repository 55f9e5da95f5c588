//! Properties of a number without computing it.

use alloc::string::String;

use super::cost::estimate;
use super::digit_count::leading_digits;
use super::trailing_zeros::count_trailing_zeros;
use crate::request::{Count, Error, Kind, Request};

/// Properties of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Number of decimal digits.
    pub digits: Count,
    /// Number of zeros at the end. `None` if only the number itself shows it.
    pub trailing_zeros: Option<u64>,
    /// The most significant digits, at most 20, truncated. `None` if only the number
    /// itself shows them.
    pub leading_digits: Option<String>,
    /// Bytes of linear memory for the decimal format, as in [`Cost`](super::cost::Cost).
    pub peak_bytes: Option<u64>,
}

/// Describes a number.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed kind.
pub fn describe(kind: Kind, n: u64) -> Result<Info, Error> {
    let cost = estimate(Request::decimal(kind, n))?;
    Ok(Info {
        digits: cost.digits,
        trailing_zeros: count_trailing_zeros(kind, n),
        leading_digits: leading_digits(kind, n),
        peak_bytes: cost.peak_bytes,
    })
}
