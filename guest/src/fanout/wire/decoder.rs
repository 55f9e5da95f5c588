//! The decoder of a message from another sandbox.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::head::{HEAD_BYTES, Head, LIMB_BYTES, Message, POINTS_BYTES, broken_message};
use crate::fft::complex::Complex64x2;
use crate::fft::simd::F64x2;
use crate::mul::grade::Checks;
use crate::mul::joiner::Joiner;
use crate::natural::limb::base;
use crate::natural::norms::{NORM_BLOCK, norm_square};
use crate::request::Error;

/// A decoder of a message that comes in chunks of any size.
pub struct Decoder {
    /// The first bytes of a head, or of an item, whose other bytes are missing.
    partial: Vec<u8>,
    /// `None` until the head is complete.
    head: Option<Head>,
    /// Number of items that are missing.
    items_left: usize,
    body: Body,
}

/// The items after the head: limbs, or pairs of points.
enum Body {
    /// Limbs of a number.
    Number {
        limbs_max: usize,
        limbs: Vec<i32>,
        /// Sum of the squares of the first `limbs_squared` limbs.
        norm_square: f64,
        limbs_squared: usize,
    },
    /// Points of the first half of a product with this residue.
    Half { joiner: Box<Joiner>, residue: u64 },
}

impl Body {
    const fn item_bytes(&self) -> usize {
        match self {
            Self::Number { .. } => LIMB_BYTES,
            Self::Half { .. } => POINTS_BYTES,
        }
    }
}

/// A complete message.
pub(crate) enum Decoded {
    /// A number.
    Number(Message),
    /// The first half of a product, joined with the second.
    Joined(Box<Joiner>, Checks),
}

impl Decoder {
    /// Creates a decoder of a number of at most `limbs_max` limbs.
    pub(crate) fn number(limbs_max: usize) -> Self {
        Self::new(Body::Number {
            limbs_max,
            limbs: Vec::new(),
            norm_square: 0.0,
            limbs_squared: 0,
        })
    }

    /// Creates a decoder of the first half of the product with this residue.
    pub(crate) fn half(joiner: Box<Joiner>, residue: u64) -> Self {
        Self::new(Body::Half { joiner, residue })
    }

    fn new(body: Body) -> Self {
        Self {
            partial: Vec::with_capacity(HEAD_BYTES),
            head: None,
            items_left: 0,
            body,
        }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the message is malformed or too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes;
        if self.head.is_none() {
            let Some(whole) = self.complete(&mut bytes, HEAD_BYTES) else {
                return Ok(());
            };
            self.read_head(&whole)?;
        }
        let item_bytes = self.body.item_bytes();
        if !self.partial.is_empty() {
            let Some(whole) = self.complete(&mut bytes, item_bytes) else {
                return Ok(());
            };
            self.read_items(&whole)?;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % item_bytes);
        self.partial.extend_from_slice(rest);
        self.read_items(whole)
    }

    /// Moves bytes to `partial` until it has `length`, and takes it then. `None` if bytes
    /// are missing.
    fn complete(&mut self, bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
        let missing = length - self.partial.len();
        let (first, rest) = bytes.split_at(bytes.len().min(missing));
        self.partial.extend_from_slice(first);
        *bytes = rest;
        (self.partial.len() == length).then(|| core::mem::take(&mut self.partial))
    }

    fn read_head(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (head, items) = Head::decode(bytes, self.body.item_bytes())?;
        match &mut self.body {
            Body::Number {
                limbs_max, limbs, ..
            } => {
                if items > *limbs_max {
                    let expected = format!("at most {limbs_max} limbs");
                    return Err(broken_message(&expected, items));
                }
                limbs.reserve_exact(items);
            }
            Body::Half { joiner, residue } => {
                let own = (joiner.limb_digits(), joiner.elements(), *residue);
                if (head.limb_digits, items, head.residue) != own {
                    return Err(broken_message(
                        "the other half of the same product",
                        "half of another",
                    ));
                }
            }
        }
        (self.head, self.items_left) = (Some(head), items);
        Ok(())
    }

    /// Reads whole items.
    fn read_items(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(Head { limb_digits, .. }) = self.head else {
            return Ok(());
        };
        let items = bytes.len() / self.body.item_bytes();
        self.items_left = self
            .items_left
            .checked_sub(items)
            .ok_or_else(|| broken_message("no bytes after its end", "more"))?;
        match &mut self.body {
            Body::Number {
                limbs,
                norm_square: sum,
                limbs_squared,
                ..
            } => {
                let limb_max = base(limb_digits).unsigned_abs();
                let items = bytes.as_chunks().0.iter().copied().map(i32::from_le_bytes);
                let largest = items.clone().map(i32::unsigned_abs).max().unwrap_or(0);
                if u64::from(largest) > limb_max {
                    let expected = format!("limbs of at most {limb_max}");
                    return Err(broken_message(&expected, largest));
                }
                limbs.extend(items);
                // While they are in the cache.
                for block in limbs[*limbs_squared..].chunks_exact(NORM_BLOCK) {
                    *sum += norm_square(block);
                    *limbs_squared += NORM_BLOCK;
                }
            }
            Body::Half { joiner, .. } => {
                let items = bytes.as_chunks::<POINTS_BYTES>().0.iter();
                joiner.push(items.map(|item| {
                    let words = item.as_chunks::<8>().0;
                    let word = |index: usize| f64::from_le_bytes(words[index]);
                    Complex64x2 {
                        re: F64x2::new(word(0), word(1)),
                        im: F64x2::new(word(2), word(3)),
                    }
                }));
            }
        }
        Ok(())
    }

    /// Whether the message is complete.
    pub fn is_complete(&self) -> bool {
        self.head.is_some() && self.items_left == 0 && self.partial.is_empty()
    }

    /// Returns the complete message.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if bytes are missing.
    pub(crate) fn finish(self) -> Result<Decoded, Error> {
        let complete = self.is_complete();
        let head = self
            .head
            .filter(|_| complete)
            .ok_or_else(|| broken_message("as many bytes as it announced", "fewer"))?;
        Ok(match self.body {
            Body::Number {
                limbs,
                norm_square: sum,
                limbs_squared,
                ..
            } => Decoded::Number(Message {
                limb_digits: head.limb_digits,
                norm_square: sum + norm_square(&limbs[limbs_squared..]),
                limbs,
                residue: head.residue,
                checks: head.checks,
            }),
            Body::Half { joiner, .. } => Decoded::Joined(joiner, head.checks),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::wire::encoder::Encoder;
    use alloc::rc::Rc;

    fn message() -> Message {
        let limbs: Vec<i32> = (0..1000).map(|limb| limb * 97 % 50_000 - 25_000).collect();
        Message {
            limb_digits: 5,
            norm_square: norm_square(&limbs),
            limbs,
            residue: 1 << 59,
            checks: Checks {
                products: 3,
                repeated: 1,
                digits: 12,
            },
        }
    }

    fn bytes() -> Vec<u8> {
        let mut encoder = Encoder::number(Rc::new(message()));
        let mut bytes = Vec::new();
        let length = encoder.bytes_left();
        while encoder.append_to(&mut bytes) {
            assert_eq!(encoder.bytes_left() + bytes.len() as u64, length);
        }
        bytes
    }

    fn receive(bytes: &[u8], step: usize, limbs_max: usize) -> Result<Message, Error> {
        let mut decoder = Decoder::number(limbs_max);
        for chunk in bytes.chunks(step) {
            decoder.push(chunk)?;
        }
        match decoder.finish()? {
            Decoded::Number(message) => Ok(message),
            Decoded::Joined(..) => panic!("a number"),
        }
    }

    #[test]
    fn messages_arrive_in_any_chunks() {
        for step in [1, 2, 3, 5, 7, 64, 65, 100, 4096, 10_000] {
            assert_eq!(receive(&bytes(), step, 1000), Ok(message()), "{step}");
        }
        let mut empty = message();
        empty.limbs.clear();
        empty.norm_square = 0.0;
        let mut encoder = Encoder::number(Rc::new(empty.clone()));
        let mut bytes = Vec::new();
        while encoder.append_to(&mut bytes) {}
        assert_eq!(receive(&bytes, 10, 0), Ok(empty));
    }

    #[test]
    fn broken_messages_are_refused() {
        let whole = bytes();
        for length in (0..whole.len()).step_by(61) {
            assert!(receive(&whole[..length], 50, 1000).is_err(), "{length}");
        }
        assert!(receive(&whole, 50, 999).is_err());
        let longer = [whole.as_slice(), &[0]].concat();
        assert!(receive(&longer, 50, 1000).is_err());
        for place in [0, 8, 16, 24, 31, HEAD_BYTES + 3] {
            let mut wrong = whole.clone();
            wrong[place] ^= 0x40;
            assert!(receive(&wrong, 50, 1000).is_err(), "{place}");
        }
    }
}
