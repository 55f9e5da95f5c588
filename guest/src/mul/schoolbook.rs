//! Schoolbook multiplication of short numbers in double precision. Every intermediate
//! is an integer below 2^53, so that products are exact.
#![expect(clippy::cast_precision_loss, reason = "bases are below 2^20")]

use alloc::vec;
use alloc::vec::Vec;

use crate::fft::simd::F64x2;
use crate::natural::Natural;
use crate::natural::carry::{self, COEFFICIENT_MAX, ROW};
use crate::natural::limb::{LIMB_DIGITS_MAX, base};

/// Most limbs of the shorter operand, as measured in `benches/README.md`.
pub const SHORT_LIMBS_MAX: usize = 192;

/// Most limbs of the longer operand. Its blocks take about four times the memory of its
/// limbs.
const LONG_LIMBS_MAX: usize = 1024;

/// Limbs of the shorter operand that are multiplied at once.
const BLOCK_LIMBS: usize = 2 * ROW;

// The shorter operand is no longer than the longer one, and sums of as many products of
// limbs are carried exactly.
const _: () = {
    assert!(SHORT_LIMBS_MAX <= LONG_LIMBS_MAX);
    let product = base(LIMB_DIGITS_MAX) as f64 * base(LIMB_DIGITS_MAX) as f64;
    assert!(SHORT_LIMBS_MAX as f64 * product < COEFFICIENT_MAX);
};

/// Whether the schoolbook method is faster than a transform for these operands.
pub(super) fn is_faster(long: &Natural, short: &Natural) -> bool {
    short.limbs().len() <= SHORT_LIMBS_MAX
        && long.limbs().len() <= LONG_LIMBS_MAX
        && long.limb_digits() == short.limb_digits()
}

/// Multiplies two numbers.
pub(super) fn multiply(long: &Natural, short: &Natural) -> Natural {
    let mut sums = Sums::new(long, short, 1.0);
    for (block, limbs) in short.limbs().chunks(BLOCK_LIMBS).enumerate() {
        sums.add(block, 0, limbs);
    }
    sums.carry(long.limb_digits())
}

/// Squares a number. Products of two different limbs are computed once and doubled.
pub(super) fn square(number: &Natural) -> Natural {
    let mut sums = Sums::new(number, number, 2.0);
    for (block, limbs) in number.limbs().chunks(BLOCK_LIMBS).enumerate() {
        // Multiplies a block by itself, and by twice each higher block. Earlier
        // iterations covered the lower blocks.
        sums.set(block, limbs, 1.0);
        sums.add(block, block, limbs);
        sums.set(block, limbs, 0.0);
    }
    sums.carry(number.limb_digits())
}

/// [`BLOCK_LIMBS`] values, from the least significant.
type Block = [F64x2; ROW];

/// Coefficients of a product, accumulated block by block.
struct Sums {
    /// Limbs of the longer operand times a scale, with a block of zeros on either side.
    factors: Vec<Block>,
    /// Coefficients of the product.
    sums: Vec<Block>,
}

impl Sums {
    fn new(long: &Natural, short: &Natural, scale: f64) -> Self {
        let zeros = [F64x2::splat(0.0); ROW];
        let blocks = |number: &Natural| number.limbs().len().div_ceil(BLOCK_LIMBS);
        let mut factors = Vec::with_capacity(blocks(long) + 2);
        factors.push(zeros);
        let limbs = long.limbs().chunks(BLOCK_LIMBS);
        factors.extend(limbs.map(|limbs| to_block(limbs, scale)));
        factors.push(zeros);
        Self {
            factors,
            sums: vec![zeros; blocks(long) + blocks(short)],
        }
    }

    /// Replaces a block of factors by limbs times `scale`.
    fn set(&mut self, index: usize, limbs: &[i32], scale: f64) {
        self.factors[index + 1] = to_block(limbs, scale);
    }

    /// Adds the products of the limbs of block `index` and all factors from block `from`
    /// on.
    fn add(&mut self, index: usize, from: usize, limbs: &[i32]) {
        let mut scales = [F64x2::splat(0.0); BLOCK_LIMBS];
        for (scale, &limb) in scales.iter_mut().zip(limbs) {
            *scale = F64x2::splat(f64::from(limb));
        }
        let [s0, s1, s2, s3, s4, s5, s6, s7] = scales;
        let factors = self.factors[from..].array_windows();
        let sums = self.sums[index + from..].iter_mut();
        // WebAssembly reloads loop invariants in each iteration; a block is long enough
        // to pay for that.
        for (sums, [below, factors]) in sums.zip(factors) {
            let [e0, e1, e2, e3] = *below;
            let [e4, e5, e6, e7] = *factors;
            // The same, one limb lower.
            let [o1, o2, o3] = [e0.straddle(e1), e1.straddle(e2), e2.straddle(e3)];
            let o4 = e3.straddle(e4);
            let [o5, o6, o7] = [e4.straddle(e5), e5.straddle(e6), e6.straddle(e7)];
            // Two coefficients are s0 times two factors, s1 times the factors one limb
            // lower, and so on.
            let sum = |sum: F64x2, [e0, e1, e2, e3]: [F64x2; 4], [o0, o1, o2, o3]: [F64x2; 4]| {
                let low = o3.relaxed_madd(s1, e3.relaxed_madd(s0, sum));
                let low = o2.relaxed_madd(s3, e2.relaxed_madd(s2, low));
                let high = o1.relaxed_madd(s5, e1.mul(s4));
                let high = o0.relaxed_madd(s7, e0.relaxed_madd(s6, high));
                low.add(high)
            };
            *sums = [
                sum(sums[0], [e1, e2, e3, e4], [o1, o2, o3, o4]),
                sum(sums[1], [e2, e3, e4, e5], [o2, o3, o4, o5]),
                sum(sums[2], [e3, e4, e5, e6], [o3, o4, o5, o6]),
                sum(sums[3], [e4, e5, e6, e7], [o4, o5, o6, o7]),
            ];
        }
    }

    /// Carries the coefficients to limbs.
    fn carry(self, limb_digits: u32) -> Natural {
        let base = base(limb_digits);
        let (mut limbs, carry) = carry::carry_rows(self.sums.into_iter(), base);
        let end = limbs.len();
        carry::add(&mut limbs, end, carry, base);
        Natural::from_limbs(limb_digits, limbs)
    }
}

/// Multiplies up to [`BLOCK_LIMBS`] limbs by `scale` and pads them with zeros.
fn to_block(limbs: &[i32], scale: f64) -> Block {
    let mut pairs = [[0; 2]; ROW];
    pairs.as_flattened_mut()[..limbs.len()].copy_from_slice(limbs);
    let scale = F64x2::splat(scale);
    pairs.map(|[first, second]| F64x2::from_i32s(first, second).mul(scale))
}
