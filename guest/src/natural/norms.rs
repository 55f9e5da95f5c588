//! Euclidean norms of limbs, from which rounding errors are bounded.

use crate::fft::simd::F64x2;

/// Limbs of a block of [`norm_square`]. Sums are taken block by block, so that the total
/// does not depend on the chunks in which limbs arrive.
pub(crate) const NORM_BLOCK: usize = 4096;

/// Returns the sum of the squares of the limbs.
pub(crate) fn norm_square(limbs: &[i32]) -> f64 {
    limbs.chunks(NORM_BLOCK).map(sum_squares).sum()
}

fn sum_squares(limbs: &[i32]) -> f64 {
    // Four sums, so that no addition waits for the one before.
    let mut sums = [F64x2::splat(0.0); 4];
    let (rows, rest) = limbs.as_chunks::<8>();
    for row in rows {
        for (sum, &[first, second]) in sums.iter_mut().zip(row.as_chunks::<2>().0) {
            let limbs = F64x2::from_i32s(first, second);
            *sum = limbs.relaxed_madd(limbs, *sum);
        }
    }
    let rest = rest.iter().map(|&limb| f64::from(limb) * f64::from(limb));
    let [a, b, c, d] = sums;
    let sum = a.add(b).add(c.add(d));
    sum.lane0() + sum.lane1() + rest.sum::<f64>()
}
