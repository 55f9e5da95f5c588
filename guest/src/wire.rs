//! How numbers travel between sandboxes: a head of eight words, then the limbs,
//! all little-endian.
//!
//! A number comes with its residue modulo the prime that all steps of one
//! computation share, so that whoever takes it in can tell that it is what was
//! sent. The heap never holds more than the head announces, nor that more than
//! the receiver expects.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::natural::{PLACES_MAX, PLACES_MIN, base};

/// What a message starts with.
const MAGIC: u64 = u64::from_le_bytes(*b"cocoon\0\x01");

/// Words of the head: magic, what it is, places, limbs, residue, products
/// checked, products repeated, digits checked.
const HEAD_WORDS: usize = 8;

const HEAD_BYTES: usize = HEAD_WORDS * 8;

/// Limbs that are written at once.
const PIECE_LIMBS: usize = 128;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// A number, with its residue.
    Number,
    /// A product modulo B^N + 1, with the residue of the whole product.
    Plus,
    /// A product modulo B^N − 1, with the residue of the whole product.
    Minus,
}

impl Carried {
    const ALL: [Self; 3] = [Self::Number, Self::Plus, Self::Minus];
}

/// Products that were checked on the way to a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// How many.
    pub(crate) products: u64,
    /// How many of them had to be made again.
    pub(crate) repeated: u64,
    /// How many digits they have in all.
    pub(crate) digits: u64,
}

impl Checks {
    pub(crate) fn add(&mut self, other: Self) {
        self.products = self.products.saturating_add(other.products);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.digits = self.digits.saturating_add(other.digits);
    }

    /// Those that are not among `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            products: self.products.saturating_sub(other.products),
            repeated: self.repeated.saturating_sub(other.repeated),
            digits: self.digits.saturating_sub(other.digits),
        }
    }
}

/// Limbs on their way from one sandbox to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) carried: Carried,
    pub(crate) places: u32,
    pub(crate) limbs: Vec<i32>,
    pub(crate) residue: u64,
    pub(crate) checks: Checks,
}

/// A message that is being sent.
pub struct Outgoing {
    message: Message,
    /// Limbs that were sent; the head is sent with the first.
    sent: Option<usize>,
}

impl Outgoing {
    pub(crate) fn new(message: Message) -> Self {
        Self {
            message,
            sent: None,
        }
    }

    /// Bytes that one call of [`Self::append_to`] adds at most.
    pub(crate) fn piece_max() -> usize {
        HEAD_BYTES + PIECE_LIMBS * 4
    }

    /// Bytes that are to come.
    pub(crate) fn bytes_to_come(&self) -> u64 {
        let head = if self.sent.is_none() { HEAD_BYTES } else { 0 };
        let limbs = self.message.limbs.len() - self.sent.unwrap_or(0);
        head as u64 + 4 * limbs as u64
    }

    /// Appends the next few bytes. False when there are none left.
    pub(crate) fn append_to(&mut self, bytes: &mut Vec<u8>) -> bool {
        let message = &self.message;
        let sent = self.sent.unwrap_or_else(|| {
            let checks = message.checks;
            let head: [u64; HEAD_WORDS] = [
                MAGIC,
                message.carried as u64,
                message.places.into(),
                message.limbs.len() as u64,
                message.residue,
                checks.products,
                checks.repeated,
                checks.digits,
            ];
            bytes.extend(head.into_iter().flat_map(u64::to_le_bytes));
            0
        });
        let end = message.limbs.len().min(sent + PIECE_LIMBS);
        let limbs = &message.limbs[sent..end];
        let start = bytes.len();
        bytes.resize(start + 4 * limbs.len(), 0);
        let places = bytes[start..].as_chunks_mut::<4>().0;
        for (place, limb) in places.iter_mut().zip(limbs) {
            *place = limb.to_le_bytes();
        }
        let any = self.sent.is_none() || end > sent;
        self.sent = Some(end);
        any
    }
}

/// A message that is being received.
pub struct Incoming {
    limbs_max: usize,
    /// The head, as far as it came.
    head: Vec<u8>,
    message: Option<Message>,
    expected: usize,
    /// The first bytes of a limb whose others are still to come.
    partial: Vec<u8>,
}

impl Incoming {
    /// A message of at most `limbs_max` limbs.
    pub(crate) fn new(limbs_max: usize) -> Self {
        Self {
            limbs_max,
            head: Vec::with_capacity(HEAD_BYTES),
            message: None,
            expected: 0,
            partial: Vec::with_capacity(4),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where they are no message, or too long a one.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes;
        if self.message.is_none() {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
            if self.head.len() < HEAD_BYTES {
                return Ok(());
            }
        }
        let message = match &mut self.message {
            Some(message) => message,
            none => {
                let (message, expected) = read_head(&self.head, self.limbs_max)?;
                self.expected = expected;
                none.insert(message)
            }
        };
        while !self.partial.is_empty() && !bytes.is_empty() {
            let (first, rest) = bytes.split_at(1);
            self.partial.extend_from_slice(first);
            bytes = rest;
            if let Ok(limb) = <[u8; 4]>::try_from(self.partial.as_slice()) {
                message.limbs.push(i32::from_le_bytes(limb));
                self.partial.clear();
            }
        }
        let (limbs, rest) = bytes.as_chunks::<4>();
        if message.limbs.len() + limbs.len() > self.expected {
            return Err(broken("has more limbs than it announced"));
        }
        message
            .limbs
            .extend(limbs.iter().map(|&limb| i32::from_le_bytes(limb)));
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// The message, once all of it came.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where some of it is missing, or no limb can be that large.
    pub(crate) fn finish(self) -> Result<Message, Error> {
        let message = self
            .message
            .filter(|message| message.limbs.len() == self.expected && self.partial.is_empty())
            .ok_or_else(|| broken("is shorter than it announced"))?;
        let base = base(message.places);
        if message
            .limbs
            .iter()
            .any(|&limb| i64::from(limb).abs() > base)
        {
            return Err(broken("has a limb that is larger than its base"));
        }
        Ok(message)
    }
}

fn read_head(head: &[u8], limbs_max: usize) -> Result<(Message, usize), Error> {
    let mut words = head
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&word| u64::from_le_bytes(word));
    let mut word = || words.next().unwrap_or(0);
    if word() != MAGIC {
        return Err(broken("does not start like one"));
    }
    let carried = usize::try_from(word()).ok();
    let carried = carried.and_then(|index| Carried::ALL.get(index).copied());
    let carried = carried.ok_or_else(|| broken("is of no known kind"))?;
    let places = u32::try_from(word()).unwrap_or(0);
    if !(PLACES_MIN..=PLACES_MAX).contains(&places) {
        return Err(broken("has limbs of no known length"));
    }
    let expected = usize::try_from(word()).unwrap_or(usize::MAX);
    if expected > limbs_max {
        return Err(broken("is longer than it can be"));
    }
    let residue = word();
    let checks = Checks {
        products: word(),
        repeated: word(),
        digits: word(),
    };
    let message = Message {
        carried,
        places,
        limbs: Vec::with_capacity(expected),
        residue,
        checks,
    };
    Ok((message, expected))
}

/// Why a message cannot be what was sent.
pub(crate) fn broken(why: &str) -> Error {
    let mut text = String::from("a part that came from another sandbox ");
    text.push_str(why);
    Error::Failed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            carried: Carried::Plus,
            places: 5,
            limbs: (0..1000).map(|limb| limb * 97 % 50_000 - 25_000).collect(),
            residue: 1 << 59,
            checks: Checks {
                products: 3,
                repeated: 1,
                digits: 12,
            },
        }
    }

    fn bytes() -> Vec<u8> {
        let mut outgoing = Outgoing::new(message());
        let mut bytes = Vec::new();
        let length = outgoing.bytes_to_come();
        while outgoing.append_to(&mut bytes) {
            assert_eq!(outgoing.bytes_to_come() + bytes.len() as u64, length);
        }
        bytes
    }

    fn received(bytes: &[u8], step: usize, limbs_max: usize) -> Result<Message, Error> {
        let mut incoming = Incoming::new(limbs_max);
        for chunk in bytes.chunks(step) {
            incoming.take(chunk)?;
        }
        incoming.finish()
    }

    #[test]
    fn what_is_sent_arrives() {
        for step in [1, 2, 3, 5, 7, 64, 65, 100, 4096, 10_000] {
            assert_eq!(received(&bytes(), step, 1000), Ok(message()), "{step}");
        }
        let mut empty = message();
        empty.limbs.clear();
        let mut outgoing = Outgoing::new(empty.clone());
        let mut bytes = Vec::new();
        while outgoing.append_to(&mut bytes) {}
        assert_eq!(received(&bytes, 10, 0), Ok(empty));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let whole = bytes();
        for length in (0..whole.len()).step_by(61) {
            assert!(received(&whole[..length], 50, 1000).is_err(), "{length}");
        }
        assert!(received(&whole, 50, 999).is_err());
        let longer = [whole.as_slice(), &[0]].concat();
        assert!(received(&longer, 50, 1000).is_err());
        for place in [0, 8, 16, 24, 31, HEAD_BYTES + 3] {
            let mut wrong = whole.clone();
            wrong[place] ^= 0x40;
            assert!(received(&wrong, 50, 1000).is_err(), "{place}");
        }
    }
}
