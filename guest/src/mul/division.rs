//! The division of an unbalanced product into parts.

use crate::fft::shape::Shape;

/// Most parts of the longer operand.
const PARTS_MAX: u64 = 64;

/// The longer operand in equal parts. Each part is multiplied by all of the shorter
/// operand, which is transformed once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    pub(super) part_limbs: usize,
    pub(super) shape: Shape,
}

impl Division {
    /// Chooses the division with the fewest points to transform.
    pub(super) fn new(long_limbs: u64, short_limbs: u64) -> Self {
        let divide = |parts: u64| {
            let part_limbs = long_limbs.div_ceil(parts);
            let shape = product_shape(part_limbs + short_limbs);
            let part_limbs = usize::try_from(part_limbs).unwrap_or(usize::MAX);
            Self { part_limbs, shape }
        };
        let cost = |parts: u64, division: &Self| {
            // Two transforms for each part, and one for the shorter operand.
            (2 * parts + 1) * division.shape.points() as u64
        };
        let parts_max = (long_limbs / short_limbs.max(1)).clamp(1, PARTS_MAX);
        let mut best = divide(1);
        let mut best_cost = cost(1, &best);
        for parts in 2..=parts_max {
            let division = divide(parts);
            let cost = cost(parts, &division);
            if cost < best_cost {
                (best, best_cost) = (division, cost);
            }
        }
        best
    }
}

/// Returns the shape of a transform for products of this many limbs.
pub(super) fn product_shape(limbs: u64) -> Shape {
    Shape::of_at_least(usize::try_from(limbs.div_ceil(2)).unwrap_or(usize::MAX / 2))
}
