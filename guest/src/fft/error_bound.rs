//! Bounds on the rounding errors of a product by transforms.
//!
//! Let u = 2^−53, and let x, y be the coefficients of the operands, as complex
//! numbers of the ring of [`transform`](crate::fft::transform). Every coefficient of
//! the computed product is within
//!
//! > ‖x‖ ‖y‖ ((1 + f)² (1 + p) (1 + b) (1 + 2u) − 1)
//!
//! of the true one. ‖·‖ is the Euclidean norm; f, p and b are the relative errors of
//! splitting, of the base case and of joining. The method is that of C. Percival
//! ("Rapid multiplication modulo the sum and difference of highly composite
//! numbers", Math. Comp. 72 (2003), theorem 5.1), applied to each step of this
//! transform:
//!
//! - *Sums.* |fl(a + b) − (a + b)| ≤ u |a + b| for complex a and b, since it
//!   holds for both parts.
//! - *Products.* |fl(ab) − ab| ≤ √5 u |ab| for complex a and b (R. Brent,
//!   C. Percival, P. Zimmermann, "Error bounds on complex floating-point
//!   multiplication", Math. Comp. 76 (2007), theorem 2), and 2u |ab| where the
//!   second product of each part is fused with the sum (C.-P. Jeannerod,
//!   P. Kornerup, N. Louvet, J.-M. Muller, "Error bounds on complex floating-point
//!   multiplication with an FMA", Math. Comp. 86 (2017)). The larger bound covers
//!   both.
//! - *Roots.* A root c is off by at most [`roots::ERROR`] u. Its square and cube are
//!   computed: they are off by 2 and 3 times that, and by one or two products.
//! - *A radix-4 step* multiplies three of four parts by roots and adds twice. Each
//!   operation has a relative error per element, and computes a unitary map times 2
//!   (times √2 for each sum). So its relative error in the Euclidean norm is at most
//!   that of one element: one root (at worst the cube's), one product, two sums. A
//!   radix-2 step has one sum less and the root √i.
//! - *A radix-3 or radix-5 step* is a unitary map times √3 or √5. Each element is a
//!   sum of parts times constants that are off by at most u. The error from each
//!   part in each element is at most 4.3u (radix 3) or 7u (radix 5) times the part,
//!   along the longest chain of constant, product and sums. As a matrix these errors
//!   have a Frobenius norm below 3 · 5u and 5 · 6u (the latter since only a few are
//!   above 6u: their squares add up to less than 26² u²), hence √3 · 5u and √5 · 6u
//!   relative to the map. One root that is a product of two follows, and one product.
//! - *The base case.* The product (a0 + a1 x)(b0 + b1 x) modulo x² − c is off by at
//!   most p = (two products, one root, one sum) times ‖a‖ ‖b‖ in both coefficients,
//!   again by Cauchy and Schwarz. Over all M/2 rings the errors are at most
//!   p ‖x̂‖ ‖ŷ‖, and ‖x̂‖² = (M/2) ‖x‖².
//! - *Joining.* A coefficient of the product is a sum over all rings: one coefficient
//!   of each, times a root, divided by M/2. Its steps are sums and products with
//!   roots, so that the error is relative to the sum of the magnitudes, as above. That
//!   sum is at most ‖x̂‖ ‖ŷ‖ / (M/2) = ‖x‖ ‖y‖.
//! - *Scaling* by 2/M rounds the factor and the product: 2u.
//!
//! Nothing overflows: magnitudes stay below 2^100. A result that cancels to less than
//! 2^−1022 is off by at most 2^−1074, which the slack covers.

use super::roots;
use super::shape::Shape;
use super::simd::F64x2;

/// u = 2^−53.
const UNIT: f64 = 1.110_223_024_625_156_5e-16;

/// Error of a complex product in units: above √5.
const PRODUCT: f64 = 2.236_068;

/// Error of a radix-2 step in units: a root, a product and a sum.
const RADIX2: f64 = 1.0 + PRODUCT + 1.0;

/// Error of an entry of a power table in units: two rounded roots and their product.
const TABLE_ROOT: f64 = 2.0 * roots::ERROR + PRODUCT;

/// Covers the rounding errors of the bound itself, and all second-order terms that the
/// sums of units leave out.
const SLACK: f64 = 1.000_1;

/// Bounds the error of each coefficient of a product. `norms` is the product of the
/// operands' Euclidean norms.
pub(crate) fn bound_product_error(shape: Shape, norms: f64) -> f64 {
    norms * product_units(split_units(shape)) * UNIT * SLACK
}

/// Bounds the error of each coefficient of a product that is joined from two half
/// products, each by transforms of shape `half`.
///
/// Before each of these transforms come a radix-2 step, an entry of a power table and
/// one product.
pub(crate) fn bound_half_product_error(half: Shape, norms: f64) -> f64 {
    norms * product_units(RADIX2 + TABLE_ROOT + PRODUCT + split_units(half)) * UNIT * SLACK
}

/// Returns the square root of `square`, or slightly more.
///
/// The sums of squares behind it may be off by a few billionths, which the factor
/// covers.
pub(crate) fn sqrt_above(square: f64) -> f64 {
    F64x2::splat(square).sqrt().lane0() * (1.0 + 1e-9)
}

/// Error of splitting one operand, in units.
fn split_units(shape: Shape) -> f64 {
    let (twos, fours) = shape.levels();
    let cube = 3.0 * roots::ERROR + 2.0 * PRODUCT;
    let radix4 = cube + PRODUCT + 2.0;
    let radix3 = 1.733 * 5.0 + TABLE_ROOT + PRODUCT;
    let radix5 = 2.237 * 6.0 + TABLE_ROOT + PRODUCT;
    f64::from(fours) * radix4
        + f64::from(twos) * RADIX2
        + f64::from(shape.threes) * radix3
        + f64::from(shape.fives) * radix5
}

/// Error of a whole product in units: two splits, the base case, joining and scaling.
fn product_units(split: f64) -> f64 {
    let base_case = 2.0 * PRODUCT + roots::ERROR + 1.0;
    // Joining has the same steps as one split, on magnitudes.
    3.0 * split + base_case + 2.0
}
