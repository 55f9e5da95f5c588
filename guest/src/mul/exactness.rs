//! The choice of limb length: how large rounding errors may become.
#![expect(
    clippy::cast_precision_loss,
    reason = "lengths are below 2^32 and bases below 2^20"
)]

use super::rounding::DISTANCE_MAX;
use crate::fft::error_bound;
use crate::fft::shape::Shape;
use crate::natural::limb::{LIMB_DIGITS_MIN, base};

/// Bound on the error of a coefficient below which rounding is exact.
const PROOF_MAX: f64 = 0.5;

/// Largest rounding error that a verified product may expect; see [`estimate_square_error`].
const EXPECTED_MAX: f64 = 0.3;

const _: () = assert!(
    EXPECTED_MAX < DISTANCE_MAX && DISTANCE_MAX < PROOF_MAX,
    "an expected error is plausible, and a plausible coefficient rounds to one integer"
);

/// Factor of [`estimate_square_error`], as measured in `benches/README.md`.
const EXPECTED_FACTOR: f64 = 1e-30;

/// Additions of a half product besides those of its transforms: the radix-2 step and the
/// twiddle factor after it.
const HALF_STEPS: u32 = 3;

/// How a product is made sure to be exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exactness {
    /// By a bound on its rounding errors.
    Proved,
    /// By a check modulo a random prime. Limbs may be as long as random operands allow.
    Verified,
}

impl Exactness {
    /// Whether limbs are short enough to multiply in this shape. `square` is the square
    /// of the product of the operands' norms.
    pub(super) fn admits(self, shape: Shape, square: f64) -> bool {
        match self {
            Self::Proved => is_proved(shape, square),
            Self::Verified => {
                let expected = estimate_square_error(shape.points(), shape.steps(), square);
                expected < EXPECTED_MAX * EXPECTED_MAX
            }
        }
    }

    /// The same for half products by transforms of shape `half`.
    pub(super) fn admits_halves(self, half: Shape, square: f64) -> bool {
        match self {
            Self::Proved => {
                error_bound::bound_half_product_error(half, error_bound::sqrt_above(square))
                    < PROOF_MAX
            }
            Self::Verified => {
                let steps = half.steps() + HALF_STEPS;
                estimate_square_error(2 * half.points(), steps, square)
                    < EXPECTED_MAX * EXPECTED_MAX
            }
        }
    }

    /// Decides whether a product is worth computing, and if so whether it is proved.
    /// `None` if limbs are too long.
    pub(super) fn try_proof(self, shape: Shape, square: f64, limb_digits: u32) -> Option<bool> {
        // Limbs of two digits are always short enough; see `error_tests`.
        let proved = limb_digits == LIMB_DIGITS_MIN || is_proved(shape, square);
        (proved || (self == Self::Verified && self.admits(shape, square))).then_some(proved)
    }
}

/// Whether a bound proves that every coefficient rounds to the true integer.
fn is_proved(shape: Shape, square: f64) -> bool {
    error_bound::bound_product_error(shape, error_bound::sqrt_above(square)) < PROOF_MAX
}

/// Whether this bound on the errors of half products proves their product exact.
pub(super) fn is_half_proved(error_max: f64) -> bool {
    error_max < PROOF_MAX
}

/// Estimates the square of the largest rounding error of random operands, whose errors
/// are as independent as their limbs. `square` is the square of the product of their
/// norms.
pub(super) fn estimate_square_error(points: usize, steps: u32, square: f64) -> f64 {
    square / points as f64 * f64::from(steps) * EXPECTED_FACTOR
}

/// Estimates the square of the product of the norms of two random numbers with this many
/// limbs. The square of a random limb is a twelfth of its base's on average.
pub(super) fn estimate_random_square(lhs_limbs: u64, rhs_limbs: u64, limb_digits: u32) -> f64 {
    let limb = base(limb_digits) as f64 * base(limb_digits) as f64 / 12.0;
    (lhs_limbs as f64 * limb) * (rhs_limbs as f64 * limb)
}
