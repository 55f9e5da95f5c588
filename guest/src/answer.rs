//! The text of an answer: whole, for a reply, or piece by piece, for a stream.

use alloc::string::String;
use alloc::vec::Vec;

use crate::cost::{self, Cost, Count};
use crate::decimal::{digits_u128, push_u64, push_u128};
use crate::error::Error;
use crate::multiply::Multiplier;
use crate::number::{self, Long, Number};
use crate::radix::Digits;
use crate::request::{Format, Request};
use crate::wire::Outgoing;
use crate::{scientific, small};

/// Bytes of the longest answer that one reply holds.
pub const REPLY_BYTES_MAX: u64 = 64 * 1024;

/// The whole answer.
///
/// # Errors
///
/// [`Error::Invalid`] for a senseless request, [`Error::TooLarge`] for an answer
/// of more than [`REPLY_BYTES_MAX`] bytes or a number that no 32-bit memory can
/// hold.
///
/// ```
/// use factorial::answer::compute;
/// use factorial::request::{Format, Kind, Request};
/// let request = Request { kind: Kind::Factorial, n: 10, format: Format::Scientific(3), proved: true };
/// assert_eq!(compute(request).as_deref(), Ok("3.63e+6"));
/// ```
pub fn compute(request: Request) -> Result<String, Error> {
    request.check()?;
    // The short way first: it allocates nothing but the answer.
    if let Some(text) = short(request) {
        return Ok(text);
    }
    let admitted = admit(request)?;
    let bytes_max = match admitted.cost.output_bytes {
        Count::Exact(bytes) if bytes > REPLY_BYTES_MAX => {
            return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
        }
        // Bounds are within an eighth of the truth where answers are this long.
        Count::AtMost(bytes) if bytes > REPLY_BYTES_MAX + REPLY_BYTES_MAX / 8 => {
            return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
        }
        Count::Beyond => return Err(Error::out_of_reach(admitted.cost.digits)),
        Count::Exact(bytes) | Count::AtMost(bytes) => bytes,
    };
    let mut pieces = Pieces::new(admitted, &mut Multiplier::proved())?;
    let mut text = Vec::with_capacity(usize::try_from(bytes_max).unwrap_or(0) + pieces.piece_max());
    while pieces.append_to(&mut text) {}
    let bytes = text.len() as u64;
    if bytes > REPLY_BYTES_MAX {
        return Err(Error::reply_too_large(bytes, REPLY_BYTES_MAX));
    }
    String::from_utf8(text).map_err(|_| Error::Failed(String::from("a digit is not ASCII")))
}

/// A request that is known to make sense and to fit into a memory.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    request: Request,
    cost: Cost,
}

impl Admitted {
    /// What the request will take.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// Looks whether the number can be computed at all.
///
/// # Errors
///
/// [`Error::Invalid`] for a senseless request, [`Error::TooLarge`] for a number
/// that no 32-bit memory can hold.
pub fn admit(request: Request) -> Result<Admitted, Error> {
    let cost = cost::cost(request)?;
    match cost.peak_bytes {
        Some(_) => Ok(Admitted { request, cost }),
        None => Err(Error::out_of_reach(cost.digits)),
    }
}

/// The answer of a number that fits into 128 bits.
fn short(request: Request) -> Option<String> {
    let Request {
        kind, n, format, ..
    } = request;
    let word = small::word(kind, n);
    if let (Some(value), Format::Decimal) = (word, format) {
        let mut text = String::with_capacity(20);
        push_u64(&mut text, value);
        return Some(text);
    }
    let value = word.map(u128::from).or_else(|| small::wide(kind, n))?;
    Some(short_text(value, format))
}

fn short_text(value: u128, format: Format) -> String {
    let mut text = String::with_capacity(40);
    push_u128(&mut text, value);
    match format {
        Format::Decimal => text,
        Format::Scientific(significant) => {
            scientific::write(text.as_bytes(), false, digits_u128(value), significant)
        }
    }
}

/// An answer that comes in pieces of a few hundred bytes.
pub enum Pieces {
    /// The whole text at once; empty when it was taken.
    Whole(Vec<u8>),
    /// Digits, from the most significant.
    Digits(Digits),
    /// Limbs for another sandbox.
    Message(Outgoing),
}

impl Pieces {
    /// Computes the number, unless a series tells what is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where the digits cannot be counted.
    pub fn new(admitted: Admitted, multiplier: &mut Multiplier) -> Result<Self, Error> {
        let request = admitted.request;
        if let Format::Scientific(significant) = request.format
            && scientific::by_series(request.kind, admitted.cost.digits)
        {
            let text = scientific::from_series(request.kind, request.n, significant)?;
            return Ok(Self::Whole(text.into_bytes()));
        }
        let number = match number::number(request.kind, request.n, multiplier) {
            Number::Word(value) => return Ok(Self::whole(value.into(), request.format)),
            Number::Wide(value) => return Ok(Self::whole(value, request.format)),
            Number::Long(long) => long,
        };
        match request.format {
            Format::Decimal => Ok(Self::Digits(Digits::new(number))),
            Format::Scientific(significant) => {
                rounded(number, significant).map(|text| Self::Whole(text.into_bytes()))
            }
        }
    }

    fn whole(value: u128, format: Format) -> Self {
        Self::Whole(short_text(value, format).into_bytes())
    }

    /// Bytes that one call of [`Self::append_to`] adds at most.
    pub fn piece_max(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Digits(digits) => digits.piece_max(),
            Self::Message(_) => Outgoing::piece_max(),
        }
    }

    /// Bytes to reserve for chunks of at most `bytes_max`, no more than the
    /// answer can fill.
    pub fn chunk_bytes(&self, bytes_max: usize) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Digits(digits) => self.room(digits.digits_to_come(), bytes_max),
            Self::Message(message) => self.room(message.bytes_to_come(), bytes_max),
        }
    }

    fn room(&self, bytes: u64, bytes_max: usize) -> usize {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        bytes.min(bytes_max).max(self.piece_max())
    }

    /// Appends pieces as long as the next is sure to fit into the room that
    /// `chunk` has. False when there are none left.
    pub fn fill(&mut self, chunk: &mut Vec<u8>) -> bool {
        while chunk.capacity() - chunk.len() >= self.piece_max() {
            if !self.append_to(chunk) {
                return false;
            }
        }
        true
    }

    /// Appends the next piece. False when there are none left.
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> bool {
        match self {
            Self::Whole(whole) => {
                let any = !whole.is_empty();
                text.append(whole);
                any
            }
            Self::Digits(digits) => digits.append_to(text),
            Self::Message(message) => message.append_to(text),
        }
    }
}

/// The number in scientific notation. Only the digits that are needed are written,
/// and of the others no more is known than whether they are zeros.
fn rounded(number: Long, significant: u32) -> Result<String, Error> {
    let mut digits = Digits::new(number);
    let mut text = Vec::new();
    while text.len() <= significant as usize && digits.append_to(&mut text) {}
    let waiting = digits.digits_to_come();
    let count = waiting
        .checked_add(text.len() as u64)
        .ok_or_else(|| Error::Failed(String::from("the digits cannot be counted")))?;
    Ok(scientific::write(
        &text,
        !digits.rest_is_zero(),
        count,
        significant,
    ))
}
