//! How far a product by floating-point transforms can be from the integers that
//! it stands for.
//!
//! Let u = 2^−53, and x, y the coefficients of the operands, as complex numbers
//! of [`transform`](crate::transform)'s ring. Every coefficient of the computed
//! product is within
//!
//! > ‖x‖ ‖y‖ ((1 + f)² (1 + p) (1 + b) (1 + 2u) − 1)
//!
//! of the true one, where ‖·‖ is the Euclidean norm and f, p and b are relative
//! errors of splitting, multiplying in the last rings, and joining. This is the
//! method of C. Percival ("Rapid multiplication modulo the sum and difference
//! of highly composite numbers", Math. Comp. 72 (2003), theorem 5.1), step by
//! step for the steps that are really done:
//!
//! - *Sums.* |fl(a + b) − (a + b)| ≤ u |a + b| for complex a and b, since it
//!   holds for both parts.
//! - *Products.* |fl(ab) − ab| ≤ √5 u |ab| for complex a and b (R. Brent,
//!   C. Percival, P. Zimmermann, "Error bounds on complex floating-point
//!   multiplication", Math. Comp. 76 (2007), theorem 2), and 2u |ab| where the
//!   second product of each part is fused with the sum (C.-P. Jeannerod,
//!   P. Kornerup, N. Louvet, J.-M. Muller, "Error bounds on complex floating-point
//!   multiplication with an FMA", Math. Comp. 86 (2017)). The larger serves for
//!   both.
//! - *Roots.* A root c is off by at most [`roots::ERROR`] u. Its square and cube
//!   are computed: they are off by 2 and 3 times that and one or two products.
//! - *A split in four* multiplies three of four parts by roots and adds twice.
//!   Each step is exact up to a relative error per element, and what it computes
//!   is a unitary map times 2 (times √2 for each sum), so that in the Euclidean
//!   norm its relative error is at most that of one element: one root (the cube's
//!   at worst), one product, two sums. A split in two has one sum less and the
//!   root √i.
//! - *A split by 3 or 5* is a unitary map times √3 or √5. An element of it is a
//!   sum of parts times constants that are off by u at most: what is off is at
//!   most 4.3u (for 3) or 7u (for 5) times the part, for each part in each
//!   element, by the longest row of constant, product and sums that it goes
//!   through. As a matrix these errors have a Frobenius norm below 3 · 5u and
//!   5 · 6u (the latter since only a few of them are above 6u: the squares add up
//!   to less than 26² u²), hence √3 · 5u and √5 · 6u relative to the map. Then
//!   comes one root that is a product of two, and one product.
//! - *The last rings.* The result of (a0 + a1 x)(b0 + b1 x) modulo x² − c is off by
//!   at most p = (two products, one root, one sum) times ‖a‖ ‖b‖ in both
//!   coefficients, again by Cauchy and Schwarz. Over all M/2 rings the errors
//!   are at most p ‖x̂‖ ‖ŷ‖, and ‖x̂‖² = (M/2) ‖x‖².
//! - *Joining.* A coefficient of the product is the sum, over all rings, of one
//!   coefficient each, turned, divided by M/2. The steps towards it are sums and
//!   products with roots: an error relative to the sum of the magnitudes, as
//!   above, which is at most ‖x̂‖ ‖ŷ‖ / (M/2) = ‖x‖ ‖y‖.
//! - *Scaling* by 2/M rounds the factor and the product: 2u.
//!
//! Nothing overflows: magnitudes stay below 2^100. What cancels to less than
//! 2^−1022 is off by 2^−1074 at most, which is as good as nothing.

use crate::roots;
use crate::transform::Shape;

/// u = 2^−53.
const UNIT: f64 = 1.110_223_024_625_156_5e-16;

/// Above √5.
const PRODUCT: f64 = 2.236_068;

/// Above what computing the bound itself can be off by, and all second-order
/// terms that the sums of units below leave out.
const SLACK: f64 = 1.000_1;

/// The bound on the distance between any coefficient of the computed product and
/// the true one, for operands whose Euclidean norms have this product.
pub(crate) fn distance(shape: Shape, norms: f64) -> f64 {
    norms * units(splits(shape)) * UNIT * SLACK
}

/// The same for a product that is put together from two [`halves`](crate::halves)
/// by transforms of this shape: before each there is a split in two, a root that is a
/// product of two, and one product.
pub(crate) fn distance_of_halves(part: Shape, norms: f64) -> f64 {
    norms * units(TWO + RAMP + PRODUCT + splits(part)) * UNIT * SLACK
}

/// A split in two, in units.
const TWO: f64 = 1.0 + PRODUCT + 1.0;

/// A ramp's root: two rounded roots and their product.
const RAMP: f64 = 2.0 * roots::ERROR + PRODUCT;

/// All splits, in units.
fn splits(shape: Shape) -> f64 {
    let (twos, fours) = shape.splits();
    let cube = 3.0 * roots::ERROR + 2.0 * PRODUCT;
    let four = cube + PRODUCT + 2.0;
    let three = 1.733 * 5.0 + RAMP + PRODUCT;
    let five = 2.237 * 6.0 + RAMP + PRODUCT;
    f64::from(fours) * four
        + f64::from(twos) * TWO
        + f64::from(shape.threes) * three
        + f64::from(shape.fives) * five
}

/// All steps of a product, in units.
fn units(splits: f64) -> f64 {
    let last = 2.0 * PRODUCT + roots::ERROR + 1.0;
    // Joining does the same steps as one splitting, on magnitudes.
    3.0 * splits + last + 2.0
}
