//! The text of an answer: whole, for a reply, or piece by piece, for a stream.

use alloc::string::String;
use alloc::vec::Vec;

use crate::estimate::scientific;
use crate::estimate::{Cost, estimate};
use crate::mul::Multiplier;
use crate::natural::{Digits, Long};
use crate::number::{self, Number, small};
use crate::request::decimal::{count_digits_u128, push_u64, push_u128};
use crate::request::{Count, Error, Format, Request};

/// Bytes of the longest reply.
pub const REPLY_BYTES_MAX: u64 = 64 * 1024;

/// Computes a whole answer, with proof.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed request, [`Error::TooLarge`] for an answer of more
/// than [`REPLY_BYTES_MAX`] bytes or a number that no 32-bit memory holds.
///
/// ```
/// use factorial::answer::compute;
/// use factorial::request::{Format, Kind, Request};
/// let request = Request { kind: Kind::Factorial, n: 10, format: Format::Scientific(3), proved: true };
/// assert_eq!(compute(request).as_deref(), Ok("3.63e+6"));
/// ```
pub fn compute(request: Request) -> Result<String, Error> {
    request.check()?;
    // The most frequent case first: it allocates only the answer.
    if let Some(text) = compute_short(request) {
        return Ok(text);
    }
    let admission = admit(request)?;
    let bytes_max = match admission.cost.output_bytes {
        Count::Exact(bytes) if bytes > REPLY_BYTES_MAX => {
            return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
        }
        // Bounds on answers of this length are within an eighth of the truth.
        Count::AtMost(bytes) if bytes > REPLY_BYTES_MAX + REPLY_BYTES_MAX / 8 => {
            return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
        }
        Count::Beyond => return Err(Error::out_of_reach(admission.cost.digits)),
        Count::Exact(bytes) | Count::AtMost(bytes) => bytes,
    };
    let mut pieces = Pieces::new(admission, &mut Multiplier::proved())?;
    let mut text = Vec::with_capacity(usize::try_from(bytes_max).unwrap_or(0) + pieces.piece_max());
    while pieces.append_to(&mut text) {}
    let bytes = text.len() as u64;
    if bytes > REPLY_BYTES_MAX {
        return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
    }
    String::from_utf8(text).map_err(|_| Error::Failed(String::from("expected ASCII digits")))
}

/// A well-formed request whose number fits into memory.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    request: Request,
    cost: Cost,
}

impl Admission {
    /// Returns the estimated cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// Admits a request if its number can be computed.
///
/// # Errors
///
/// [`Error::Invalid`] for a malformed request, [`Error::TooLarge`] for a number that no
/// 32-bit memory holds.
pub fn admit(request: Request) -> Result<Admission, Error> {
    let cost = estimate(request)?;
    match cost.peak_bytes {
        Some(_) => Ok(Admission { request, cost }),
        None => Err(Error::out_of_reach(cost.digits)),
    }
}

/// Computes an answer. `None` if the number does not fit into 128 bits.
fn compute_short(request: Request) -> Option<String> {
    let Request {
        kind, n, format, ..
    } = request;
    let word = small::compute_u64(kind, n);
    if let (Some(value), Format::Decimal) = (word, format) {
        let mut text = String::with_capacity(20);
        push_u64(&mut text, value);
        return Some(text);
    }
    let value = word
        .map(u128::from)
        .or_else(|| small::compute_u128(kind, n))?;
    Some(format_short(value, format))
}

fn format_short(value: u128, format: Format) -> String {
    let mut text = String::with_capacity(40);
    push_u128(&mut text, value);
    match format {
        Format::Decimal => text,
        Format::Scientific(significant) => {
            let count = count_digits_u128(value);
            scientific::format_digits(text.as_bytes(), false, count, significant)
        }
    }
}

/// An answer in pieces of a few hundred bytes.
pub enum Pieces {
    /// The whole text as one piece; empty after it was appended.
    Whole(Vec<u8>),
    /// Digits from the most significant.
    Digits(Digits),
}

impl Pieces {
    /// Computes the number, or its first digits by a series.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the number cannot be rounded.
    pub fn new(admission: Admission, multiplier: &mut Multiplier) -> Result<Self, Error> {
        let request = admission.request;
        if let Format::Scientific(significant) = request.format
            && scientific::uses_series(request.kind, admission.cost.digits)
        {
            let text = scientific::format_series(request.kind, request.n, significant)?;
            return Ok(Self::Whole(text.into_bytes()));
        }
        let number = match number::compute(request.kind, request.n, multiplier) {
            Number::Word(value) => return Ok(Self::whole(value.into(), request.format)),
            Number::Wide(value) => return Ok(Self::whole(value, request.format)),
            Number::Long(long) => long,
        };
        match request.format {
            Format::Decimal => Ok(Self::Digits(Digits::new(number))),
            Format::Scientific(significant) => {
                round(number, significant).map(|text| Self::Whole(text.into_bytes()))
            }
        }
    }

    fn whole(value: u128, format: Format) -> Self {
        Self::Whole(format_short(value, format).into_bytes())
    }

    /// Most bytes that one call of [`Self::append_to`] appends.
    pub fn piece_max(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Digits(digits) => digits.piece_max(),
        }
    }

    /// Number of bytes that were not appended yet.
    pub fn bytes_left(&self) -> u64 {
        match self {
            Self::Whole(text) => text.len() as u64,
            Self::Digits(digits) => digits.digits_left(),
        }
    }

    /// Appends the next piece. Returns false if none was left.
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> bool {
        match self {
            Self::Whole(whole) => {
                let any = !whole.is_empty();
                text.append(whole);
                any
            }
            Self::Digits(digits) => digits.append_to(text),
        }
    }
}

/// Rounds a number to scientific notation. Writes only the digits that it needs; for all
/// others it matters whether they are zeros.
fn round(number: Long, significant: u32) -> Result<String, Error> {
    let mut digits = Digits::new(number);
    let mut text = Vec::new();
    while text.len() <= significant as usize && digits.append_to(&mut text) {}
    let count = digits.digits_left().checked_add(text.len() as u64);
    let count =
        count.ok_or_else(|| Error::Failed(String::from("expected fewer than 2^64 digits")))?;
    Ok(scientific::format_digits(
        &text,
        !digits.rest_is_zero(),
        count,
        significant,
    ))
}
