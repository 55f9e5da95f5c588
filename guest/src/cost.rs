//! What a request will take, without computing it.

use crate::decimal::digits_u64;
use crate::error::Error;
use crate::request::{Format, Request};
use crate::scientific::by_series;
use crate::{digits, memory};

/// How many there are of something that is only computed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly so many.
    Exact(u64),
    /// So many or fewer.
    AtMost(u64),
    /// More than a u64 can count.
    Beyond,
}

/// What a request will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Decimal digits of the number.
    pub digits: Count,
    /// Bytes of the answer in its format.
    pub output_bytes: Count,
    /// Bytes of linear memory that a sandbox needs in all, its initial memory
    /// included. `None` where no 32-bit memory is enough.
    pub peak_bytes: Option<u64>,
}

/// What the request will take.
///
/// # Errors
///
/// [`Error::Invalid`] for a senseless request.
///
/// ```
/// use factorial::cost::{Count, cost};
/// use factorial::request::{Kind, Request};
/// let request = Request::decimal(Kind::Factorial, 1_000_000);
/// assert_eq!(cost(request)?.digits, Count::Exact(5_565_709));
/// # Ok::<(), factorial::error::Error>(())
/// ```
pub fn cost(request: Request) -> Result<Cost, Error> {
    request.check()?;
    let digits = digits::count(request.kind, request.n);
    Ok(Cost {
        digits,
        output_bytes: output_bytes(digits, request.format),
        peak_bytes: match request.format {
            Format::Scientific(_) if by_series(request.kind, digits) => Some(memory::SERIES_BYTES),
            // A short reply is always proved.
            Format::Scientific(_) => memory::peak_bytes(
                digits,
                Request {
                    proved: true,
                    ..request
                },
            ),
            Format::Decimal => memory::peak_bytes(digits, request),
        },
    })
}

/// Digits of the largest decimal exponent that any request can have: no kind
/// has more than n² digits by far, and n² is below 2^128.
const EXPONENT_DIGITS_MAX: u64 = 41;

fn output_bytes(digits: Count, format: Format) -> Count {
    let Format::Scientific(significant) = format else {
        return digits;
    };
    // The digits, the point between them, "e+" and the exponent.
    let significant = u64::from(significant);
    let mantissa = significant + u64::from(significant > 1) + 2;
    match digits {
        Count::Exact(count) => {
            // Rounding up may carry into one more digit, as 9.99 to 10.0.
            let bytes = mantissa + digits_u64(count);
            if digits_u64(count) == digits_u64(count.saturating_sub(1)) {
                Count::Exact(bytes)
            } else {
                Count::AtMost(bytes)
            }
        }
        Count::AtMost(count) => Count::AtMost(mantissa + digits_u64(count)),
        Count::Beyond => Count::AtMost(mantissa + EXPONENT_DIGITS_MAX),
    }
}
