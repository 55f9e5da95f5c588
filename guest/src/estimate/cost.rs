//! The size of an answer and the memory that it takes, estimated beforehand.

use super::digit_count::count_digits;
use super::peak_memory;
use super::scientific::uses_series;
use crate::request::decimal::count_digits_u64;
use crate::request::{Count, Error, Format, Request};

/// Cost of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Decimal digits of the number.
    pub digits: Count,
    /// Bytes of the answer in its format.
    pub output_bytes: Count,
    /// Bytes of linear memory that a sandbox needs in all, including its initial memory.
    /// `None` if more than a 32-bit memory holds.
    pub peak_bytes: Option<u64>,
}

/// Estimates the cost of a request without computing the number.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed request.
///
/// ```
/// use factorial::estimate::estimate;
/// use factorial::request::{Count, Kind, Request};
/// let request = Request::decimal(Kind::Factorial, 1_000_000);
/// assert_eq!(estimate(request)?.digits, Count::Exact(5_565_709));
/// # Ok::<(), factorial::request::Error>(())
/// ```
pub fn estimate(request: Request) -> Result<Cost, Error> {
    request.check()?;
    let digits = count_digits(request.kind, request.n);
    Ok(Cost {
        digits,
        output_bytes: estimate_output_bytes(digits, request.format),
        peak_bytes: match request.format {
            Format::Scientific(_) if uses_series(request.kind, digits) => {
                Some(peak_memory::SERIES_BYTES)
            }
            // A short reply is always proved.
            Format::Scientific(_) => peak_memory::estimate_number(
                digits,
                Request {
                    proved: true,
                    ..request
                },
            ),
            Format::Decimal => peak_memory::estimate_number(digits, request),
        },
    })
}

/// Digits of the largest decimal exponent of any request. No number has more than n²
/// digits, and n² is below 2^128.
const EXPONENT_DIGITS_MAX: u64 = 41;

/// Estimates the bytes of an answer from the digits of the number.
fn estimate_output_bytes(digits: Count, format: Format) -> Count {
    let Format::Scientific(significant) = format else {
        return digits;
    };
    // The digits, the point, "e+" and the exponent.
    let significant = u64::from(significant);
    let mantissa = significant + u64::from(significant > 1) + 2;
    match digits {
        Count::Exact(count) => {
            // Rounding may carry into one more digit, as from 9.99 to 10.0.
            let bytes = mantissa + count_digits_u64(count);
            if count_digits_u64(count) == count_digits_u64(count.saturating_sub(1)) {
                Count::Exact(bytes)
            } else {
                Count::AtMost(bytes)
            }
        }
        Count::AtMost(count) => Count::AtMost(mantissa + count_digits_u64(count)),
        Count::Beyond => Count::AtMost(mantissa + EXPONENT_DIGITS_MAX),
    }
}
