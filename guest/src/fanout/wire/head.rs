//! The head of a message, and the number behind it.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Display;

use crate::mul::grade::Checks;
use crate::natural::limb::{LIMB_DIGITS_MAX, LIMB_DIGITS_MIN};
use crate::request::Error;

/// First word of a message.
const MAGIC: u64 = u64::from_le_bytes(*b"cocoon\0\x02");

/// Words of the head: magic, bytes of an item, digits of a limb, number of items,
/// residue, products checked, products repeated, digits checked.
const HEAD_WORDS: usize = 8;

/// Bytes of the head.
pub(super) const HEAD_BYTES: usize = HEAD_WORDS * 8;

/// Bytes of a limb.
pub(super) const LIMB_BYTES: usize = 4;

/// Bytes of two points: both real parts, then both imaginary parts.
pub(super) const POINTS_BYTES: usize = 32;

/// A number that one sandbox sends to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// Decimal digits of a limb.
    pub(crate) limb_digits: u32,
    pub(crate) limbs: Vec<i32>,
    /// Sum of the squares of the limbs, which the receiver computes itself.
    pub(crate) norm_square: f64,
    /// Residue of the number.
    pub(crate) residue: u64,
    /// Checks on the way to the number.
    pub(crate) checks: Checks,
}

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Decimal digits of a limb.
    pub(crate) limb_digits: u32,
    /// Residue of the number, or of the product of which the message has half.
    pub(crate) residue: u64,
    /// Checks on the way to it.
    pub(crate) checks: Checks,
}

impl Head {
    /// Encodes the head of a message with `items` items of `item_bytes` bytes.
    pub(super) fn encode(self, items: usize, item_bytes: usize) -> impl Iterator<Item = u8> {
        let words: [u64; HEAD_WORDS] = [
            MAGIC,
            item_bytes as u64,
            self.limb_digits.into(),
            items as u64,
            self.residue,
            self.checks.products,
            self.checks.repeated,
            self.checks.digits,
        ];
        words.into_iter().flat_map(u64::to_le_bytes)
    }

    /// Decodes a head, and the number of items after it.
    pub(super) fn decode(bytes: &[u8], item_bytes: usize) -> Result<(Self, usize), Error> {
        let words = bytes.as_chunks::<8>().0.iter().copied();
        let mut words = words.map(u64::from_le_bytes);
        let mut word = || words.next().unwrap_or(0);
        let magic = word();
        if magic != MAGIC {
            let expected = format!("{MAGIC:#x} at its start");
            return Err(broken_message(&expected, format_args!("{magic:#x}")));
        }
        let found = word();
        if found != item_bytes as u64 {
            let expected = format!("items of {item_bytes} bytes");
            return Err(broken_message(&expected, found));
        }
        let found = word();
        let limb_digits = u32::try_from(found).unwrap_or(0);
        if !(LIMB_DIGITS_MIN..=LIMB_DIGITS_MAX).contains(&limb_digits) {
            return Err(broken_message("limbs of 2 to 6 digits", found));
        }
        let items = usize::try_from(word()).unwrap_or(usize::MAX);
        let head = Self {
            limb_digits,
            residue: word(),
            checks: Checks {
                products: word(),
                repeated: word(),
                digits: word(),
            },
        };
        Ok((head, items))
    }
}

/// Creates an error for a message that is not as expected.
pub(crate) fn broken_message(expected: &str, got: impl Display) -> Error {
    Error::Failed(format!(
        "broken message from another sandbox: expected {expected}, got {got}"
    ))
}
