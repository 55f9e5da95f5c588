//! How numbers, and halves of products, travel between sandboxes: a head of eight
//! words, then limbs or points, all little-endian.
//!
//! Both come with a residue modulo the prime that all steps of one computation
//! share: it goes from step to step, and the last one compares it with the product,
//! so that whatever was changed on its way is found out. The heap never holds more
//! than the head announces, nor that more than the receiver expects.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::halves::Joiner;
use crate::multiply::{NORM_LIMBS, norm_square};
use crate::natural::{PLACES_MAX, PLACES_MIN, base};
use crate::pair::{Complex, Pair};

/// What a message starts with.
const MAGIC: u64 = u64::from_le_bytes(*b"cocoon\0\x02");

/// Words of the head: magic, what it is, places, items, residue, products
/// checked, products repeated, digits checked.
const HEAD_WORDS: usize = 8;

const HEAD_BYTES: usize = HEAD_WORDS * 8;

/// Bytes of a limb.
const LIMB_BYTES: usize = 4;

/// Bytes of two points: both real parts, then both imaginary ones.
const POINTS_BYTES: usize = 32;

/// Bytes that are written at once, a multiple of either.
const PIECE_BYTES: usize = 512;

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

/// A number on its way from one sandbox to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) places: u32,
    pub(crate) limbs: Vec<i32>,
    /// The sum of their squares, which is not sent.
    pub(crate) square: f64,
    pub(crate) residue: u64,
    pub(crate) checks: Checks,
}

/// What comes before limbs and points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Digits of a limb.
    pub(crate) places: u32,
    /// That of the number, or of the whole product.
    pub(crate) residue: u64,
    pub(crate) checks: Checks,
}

/// What follows the head.
enum Body {
    Limbs(Rc<Message>),
    Points(Vec<Complex>),
}

impl Body {
    fn items(&self) -> usize {
        match self {
            Self::Limbs(number) => number.limbs.len(),
            Self::Points(points) => points.len(),
        }
    }

    const fn item_bytes(&self) -> usize {
        match self {
            Self::Limbs(_) => LIMB_BYTES,
            Self::Points(_) => POINTS_BYTES,
        }
    }
}

/// A message that is being sent.
pub struct Outgoing {
    head: Head,
    body: Body,
    /// Items that were sent; the head is sent with the first.
    sent: Option<usize>,
}

impl Outgoing {
    /// A number, of which its owner keeps a hold.
    pub(crate) fn number(message: Rc<Message>) -> Self {
        Self {
            head: Head {
                places: message.places,
                residue: message.residue,
                checks: message.checks,
            },
            body: Body::Limbs(message),
            sent: None,
        }
    }

    /// The points of the first half of a product.
    pub(crate) fn half(head: Head, points: Vec<Complex>) -> Self {
        Self {
            head,
            body: Body::Points(points),
            sent: None,
        }
    }

    /// Bytes that one call of [`Self::append_to`] adds at most.
    pub(crate) fn piece_max() -> usize {
        HEAD_BYTES + PIECE_BYTES
    }

    /// Bytes that are to come.
    pub(crate) fn bytes_to_come(&self) -> u64 {
        let head = if self.sent.is_none() { HEAD_BYTES } else { 0 };
        let items = self.body.items() - self.sent.unwrap_or(0);
        head as u64 + self.body.item_bytes() as u64 * items as u64
    }

    /// Appends the next few bytes. False when there are none left.
    pub(crate) fn append_to(&mut self, bytes: &mut Vec<u8>) -> bool {
        let sent = self.sent.unwrap_or_else(|| {
            let Head {
                places,
                residue,
                checks,
            } = self.head;
            let head: [u64; HEAD_WORDS] = [
                MAGIC,
                self.body.item_bytes() as u64,
                places.into(),
                self.body.items() as u64,
                residue,
                checks.products,
                checks.repeated,
                checks.digits,
            ];
            bytes.extend(head.into_iter().flat_map(u64::to_le_bytes));
            0
        });
        let item_bytes = self.body.item_bytes();
        let end = self.body.items().min(sent + PIECE_BYTES / item_bytes);
        let start = bytes.len();
        bytes.resize(start + item_bytes * (end - sent), 0);
        let places = &mut bytes[start..];
        match &self.body {
            Body::Limbs(number) => {
                let places = places.as_chunks_mut::<LIMB_BYTES>().0;
                for (place, limb) in places.iter_mut().zip(&number.limbs[sent..end]) {
                    *place = limb.to_le_bytes();
                }
            }
            Body::Points(points) => {
                let places = places.as_chunks_mut::<POINTS_BYTES>().0;
                for (place, points) in places.iter_mut().zip(&points[sent..end]) {
                    let words = place.as_chunks_mut::<8>().0;
                    for (pair, words) in [points.re, points.im].iter().zip(words.chunks_mut(2)) {
                        words[0] = pair.first().to_le_bytes();
                        words[1] = pair.second().to_le_bytes();
                    }
                }
            }
        }
        let any = self.sent.is_none() || end > sent;
        self.sent = Some(end);
        any
    }
}

/// A message that is being received.
pub struct Incoming {
    /// The first bytes of the head, or of an item, whose others are still to come.
    partial: Vec<u8>,
    head: Option<Head>,
    /// Items that are to come after the head.
    waiting: usize,
    awaited: Awaited,
}

/// What is to come.
enum Awaited {
    /// A number of at most so many limbs.
    Number {
        limbs_max: usize,
        limbs: Vec<i32>,
        /// The sum of the squares of so many of them.
        square: f64,
        squared: usize,
    },
    /// The first half of a product with this residue.
    Half { joiner: Box<Joiner>, residue: u64 },
}

impl Awaited {
    const fn item_bytes(&self) -> usize {
        match self {
            Self::Number { .. } => LIMB_BYTES,
            Self::Half { .. } => POINTS_BYTES,
        }
    }
}

/// What came.
pub(crate) enum Arrived {
    /// A number.
    Number(Message),
    /// The other half, which was joined as it came.
    Joined(Box<Joiner>, Checks),
}

impl Incoming {
    /// A number of at most `limbs_max` limbs.
    pub(crate) fn number(limbs_max: usize) -> Self {
        Self::new(Awaited::Number {
            limbs_max,
            limbs: Vec::new(),
            square: 0.0,
            squared: 0,
        })
    }

    /// The first half of a product with this residue.
    pub(crate) fn half(joiner: Box<Joiner>, residue: u64) -> Self {
        Self::new(Awaited::Half { joiner, residue })
    }

    fn new(awaited: Awaited) -> Self {
        Self {
            partial: Vec::with_capacity(HEAD_BYTES),
            head: None,
            waiting: 0,
            awaited,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where they are no message, or too long a one.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes;
        if self.head.is_none() {
            let Some(whole) = self.complete(&mut bytes, HEAD_BYTES) else {
                return Ok(());
            };
            self.begin(&whole)?;
        }
        let item_bytes = self.awaited.item_bytes();
        if !self.partial.is_empty() {
            let Some(whole) = self.complete(&mut bytes, item_bytes) else {
                return Ok(());
            };
            self.take_items(&whole)?;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % item_bytes);
        self.partial.extend_from_slice(rest);
        self.take_items(whole)
    }

    /// Takes as many bytes as `length` lacks, and gives all of them once they are
    /// there.
    fn complete(&mut self, bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
        let lacking = length - self.partial.len();
        let (first, rest) = bytes.split_at(bytes.len().min(lacking));
        self.partial.extend_from_slice(first);
        *bytes = rest;
        (self.partial.len() == length).then(|| core::mem::take(&mut self.partial))
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (head, items) = read_head(bytes, self.awaited.item_bytes())?;
        match &mut self.awaited {
            Awaited::Number {
                limbs_max, limbs, ..
            } => {
                if items > *limbs_max {
                    return Err(broken("is longer than it can be"));
                }
                limbs.reserve_exact(items);
            }
            Awaited::Half { joiner, residue } => {
                let own = (joiner.places(), joiner.pairs(), *residue);
                if (head.places, items, head.residue) != own {
                    return Err(broken("does not belong to the other half"));
                }
            }
        }
        (self.head, self.waiting) = (Some(head), items);
        Ok(())
    }

    fn take_items(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(Head { places, .. }) = self.head else {
            return Ok(());
        };
        let items = bytes.len() / self.awaited.item_bytes();
        let waiting = self.waiting.checked_sub(items);
        self.waiting = waiting.ok_or_else(|| broken("goes on after its end"))?;
        match &mut self.awaited {
            Awaited::Number {
                limbs,
                square,
                squared,
                ..
            } => {
                let most = base(places).unsigned_abs();
                let items = bytes.as_chunks().0.iter().copied().map(i32::from_le_bytes);
                let largest = items.clone().map(i32::unsigned_abs).max().unwrap_or(0);
                if u64::from(largest) > most {
                    return Err(broken("has a limb that is larger than its base"));
                }
                limbs.extend(items);
                // As they come, while they are in the cache.
                for block in limbs[*squared..].chunks_exact(NORM_LIMBS) {
                    *square += norm_square(block);
                    *squared += NORM_LIMBS;
                }
            }
            Awaited::Half { joiner, .. } => {
                let items = bytes.as_chunks::<POINTS_BYTES>().0.iter();
                joiner.take(items.map(|item| {
                    let words = item.as_chunks::<8>().0;
                    let word = |index: usize| f64::from_le_bytes(words[index]);
                    Complex {
                        re: Pair::new(word(0), word(1)),
                        im: Pair::new(word(2), word(3)),
                    }
                }));
            }
        }
        Ok(())
    }

    /// Whether all of it came.
    pub fn is_complete(&self) -> bool {
        self.head.is_some() && self.waiting == 0 && self.partial.is_empty()
    }

    /// What came, once all of it did.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where some of it is missing.
    pub(crate) fn finish(self) -> Result<Arrived, Error> {
        let complete = self.is_complete();
        let head = self
            .head
            .filter(|_| complete)
            .ok_or_else(|| broken("is shorter than it announced"))?;
        Ok(match self.awaited {
            Awaited::Number {
                limbs,
                square,
                squared,
                ..
            } => Arrived::Number(Message {
                places: head.places,
                square: square + norm_square(&limbs[squared..]),
                limbs,
                residue: head.residue,
                checks: head.checks,
            }),
            Awaited::Half { joiner, .. } => Arrived::Joined(joiner, head.checks),
        })
    }
}

/// The head, and how many items of `item_bytes` follow it.
fn read_head(bytes: &[u8], item_bytes: usize) -> Result<(Head, usize), Error> {
    let words = bytes.as_chunks::<8>().0.iter().copied();
    let mut words = words.map(u64::from_le_bytes);
    let mut word = || words.next().unwrap_or(0);
    if word() != MAGIC {
        return Err(broken("does not start like one"));
    }
    if word() != item_bytes as u64 {
        return Err(broken("is not the one that was waited for"));
    }
    let places = u32::try_from(word()).unwrap_or(0);
    if !(PLACES_MIN..=PLACES_MAX).contains(&places) {
        return Err(broken("has limbs of no known length"));
    }
    let items = usize::try_from(word()).unwrap_or(usize::MAX);
    let head = Head {
        places,
        residue: word(),
        checks: Checks {
            products: word(),
            repeated: word(),
            digits: word(),
        },
    };
    Ok((head, items))
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
        let limbs: Vec<i32> = (0..1000).map(|limb| limb * 97 % 50_000 - 25_000).collect();
        Message {
            places: 5,
            square: norm_square(&limbs),
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
        let mut outgoing = Outgoing::number(Rc::new(message()));
        let mut bytes = Vec::new();
        let length = outgoing.bytes_to_come();
        while outgoing.append_to(&mut bytes) {
            assert_eq!(outgoing.bytes_to_come() + bytes.len() as u64, length);
        }
        bytes
    }

    fn received(bytes: &[u8], step: usize, limbs_max: usize) -> Result<Message, Error> {
        let mut incoming = Incoming::number(limbs_max);
        for chunk in bytes.chunks(step) {
            incoming.take(chunk)?;
        }
        match incoming.finish()? {
            Arrived::Number(message) => Ok(message),
            Arrived::Joined(..) => panic!("a number"),
        }
    }

    #[test]
    fn what_is_sent_arrives() {
        for step in [1, 2, 3, 5, 7, 64, 65, 100, 4096, 10_000] {
            assert_eq!(received(&bytes(), step, 1000), Ok(message()), "{step}");
        }
        let mut empty = message();
        empty.limbs.clear();
        empty.square = 0.0;
        let mut outgoing = Outgoing::number(Rc::new(empty.clone()));
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
