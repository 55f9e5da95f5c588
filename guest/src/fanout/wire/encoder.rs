//! The encoder of a message to another sandbox.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::head::{HEAD_BYTES, Head, LIMB_BYTES, Message, POINTS_BYTES};
use crate::fft::complex::Complex64x2;

/// Most bytes of a piece, besides the head.
const PIECE_BYTES: usize = 512;

const _: () = assert!(
    PIECE_BYTES.is_multiple_of(LIMB_BYTES) && PIECE_BYTES.is_multiple_of(POINTS_BYTES),
    "pieces hold whole items"
);

/// The items after the head: limbs, or pairs of points.
enum Body {
    Limbs(Rc<Message>),
    /// Points of a half product, two in each item.
    Points(Vec<Complex64x2>),
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

/// An encoder of a message, in pieces of bounded size.
pub struct Encoder {
    head: Head,
    body: Body,
    /// Number of items in the pieces so far. `None` before the first piece, which starts
    /// with the head.
    items_written: Option<usize>,
}

impl Encoder {
    /// Creates an encoder of a number.
    pub(crate) fn number(message: Rc<Message>) -> Self {
        Self {
            head: Head {
                limb_digits: message.limb_digits,
                residue: message.residue,
                checks: message.checks,
            },
            body: Body::Limbs(message),
            items_written: None,
        }
    }

    /// Creates an encoder of the points of the first half of a product.
    pub(crate) fn half(head: Head, points: Vec<Complex64x2>) -> Self {
        Self {
            head,
            body: Body::Points(points),
            items_written: None,
        }
    }

    /// Most bytes that one call of [`Self::append_to`] appends.
    pub(crate) fn piece_max() -> usize {
        HEAD_BYTES + PIECE_BYTES
    }

    /// Number of bytes that were not appended yet.
    pub(crate) fn bytes_left(&self) -> u64 {
        let head = if self.items_written.is_none() {
            HEAD_BYTES
        } else {
            0
        };
        let items = self.body.items() - self.items_written.unwrap_or(0);
        head as u64 + self.body.item_bytes() as u64 * items as u64
    }

    /// Appends the next piece. Returns false if none was left.
    pub(crate) fn append_to(&mut self, bytes: &mut Vec<u8>) -> bool {
        let item_bytes = self.body.item_bytes();
        let start = self.items_written.unwrap_or_else(|| {
            bytes.extend(self.head.encode(self.body.items(), item_bytes));
            0
        });
        let end = self.body.items().min(start + PIECE_BYTES / item_bytes);
        let offset = bytes.len();
        bytes.resize(offset + item_bytes * (end - start), 0);
        let piece = &mut bytes[offset..];
        match &self.body {
            Body::Limbs(number) => {
                let items = piece.as_chunks_mut::<LIMB_BYTES>().0;
                for (item, limb) in items.iter_mut().zip(&number.limbs[start..end]) {
                    *item = limb.to_le_bytes();
                }
            }
            Body::Points(points) => {
                let items = piece.as_chunks_mut::<POINTS_BYTES>().0;
                for (item, points) in items.iter_mut().zip(&points[start..end]) {
                    let words = item.as_chunks_mut::<8>().0;
                    for (pair, words) in [points.re, points.im].iter().zip(words.chunks_mut(2)) {
                        words[0] = pair.lane0().to_le_bytes();
                        words[1] = pair.lane1().to_le_bytes();
                    }
                }
            }
        }
        let any = self.items_written.is_none() || end > start;
        self.items_written = Some(end);
        any
    }
}
