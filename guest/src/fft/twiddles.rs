//! Tables of twiddle factors.

use alloc::vec::Vec;

use super::complex::Complex64x2;
use super::roots::{PreciseRoot, Root};
use super::simd::F64x2;

/// log2 of the entries of the fine table of a level.
const LEVEL_FINE_BITS: u32 = 7;

/// Computes the twiddle factors of one level, one for each of its 2^`level` blocks.
///
/// Block k has the angle (2^−level / 4 + r(k)) / 4 in turns, where r reverses the
/// bits of k behind the point.
pub(super) fn tabulate_level(level: u32) -> Vec<Root> {
    let fine_bits = level.min(LEVEL_FINE_BITS);
    let first = PreciseRoot::of_order(1 << (level + 4));
    // The roots of order 8, 16, … by squaring. Each squaring doubles the error, which
    // stays below 2^−75.
    let mut steps: Vec<PreciseRoot> =
        core::iter::successors(Some(first), |&root| Some(root.mul(root)))
            .take(level as usize + 2)
            .collect();
    steps.reverse();
    let mut fine = multiply_bit_reversed(first, &steps, 0, fine_bits);
    if level == fine_bits {
        return fine.drain(..).map(PreciseRoot::round).collect();
    }
    let coarse = multiply_bit_reversed(PreciseRoot::ONE, &steps, fine_bits, level);
    let mut roots = Vec::with_capacity(1 << level);
    for &coarse in &coarse {
        roots.extend(fine.iter().map(|fine| fine.mul(coarse).round()));
    }
    roots
}

/// Multiplies `first` by the roots that the bits from `from` to `to` of each index
/// select. `steps` are the roots of order 8, 16 and so on.
fn multiply_bit_reversed(
    first: PreciseRoot,
    steps: &[PreciseRoot],
    from: u32,
    to: u32,
) -> Vec<PreciseRoot> {
    let mut roots = Vec::with_capacity(1 << (to - from));
    roots.push(first);
    // Bit b stands for 2^−(b+1) of a quarter turn.
    for &step in &steps[from as usize..to as usize] {
        for index in 0..roots.len() {
            roots.push(roots[index].mul(step));
        }
    }
    roots
}

/// log2 of the most elements of the fine table of a [`PowerTable`].
const FINE_BITS: u32 = 6;

/// Most elements of a row of a [`PowerTable`].
pub(crate) const ROW_MAX: usize = 1 << FINE_BITS;

/// The powers of a root, as products of an entry of a fine and one of a coarse table.
///
/// Elements are pairs of powers, as in the arrays of [`Complex64x2`] that they multiply.
pub(crate) struct PowerTable {
    pub(super) fine: Vec<Complex64x2>,
    pub(super) coarse: Vec<Root>,
}

impl PowerTable {
    /// Tabulates the powers 0 to `points` − 1 of `root`.
    pub(crate) fn new(root: PreciseRoot, points: usize) -> Self {
        // A power of two that divides the length, so that all rows are equally long.
        let fine_length = 1_usize << (points / 2).trailing_zeros().min(FINE_BITS);
        let mut powers = root.powers(2 * fine_length + 1);
        let step = powers.pop().unwrap_or(PreciseRoot::ONE);
        let fine = powers
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[even, odd]| {
                let (even, odd) = (even.round(), odd.round());
                Complex64x2 {
                    re: F64x2::new(even.re, odd.re),
                    im: F64x2::new(even.im, odd.im),
                }
            })
            .collect();
        let coarse = step.powers(points / 2 / fine_length);
        Self {
            fine,
            coarse: coarse.into_iter().map(PreciseRoot::round).collect(),
        }
    }

    /// Iterates over the powers in rows of at most [`ROW_MAX`] elements.
    #[expect(
        clippy::inline_always,
        reason = "a few instructions in innermost loops"
    )]
    #[inline(always)]
    pub(crate) fn rows(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = Complex64x2>> {
        self.coarse.iter().map(|coarse| {
            let coarse = coarse.splat();
            self.fine.iter().map(move |fine| fine.mul(coarse))
        })
    }

    /// Replaces each element by `change` of the element and the powers at its index.
    #[expect(
        clippy::inline_always,
        reason = "a few instructions in innermost loops"
    )]
    #[inline(always)]
    pub(crate) fn for_each_mut(
        &self,
        data: &mut [Complex64x2],
        mut change: impl FnMut(Complex64x2, Complex64x2) -> Complex64x2,
    ) {
        for (row, coarse) in data.chunks_exact_mut(self.fine.len()).zip(&self.coarse) {
            let coarse = coarse.splat();
            for (element, fine) in row.iter_mut().zip(&self.fine) {
                *element = change(*element, fine.mul(coarse));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn levels_have_their_angles() {
        for j in 0..12_u32 {
            let roots = tabulate_level(j);
            assert_eq!(roots.len(), 1 << j);
            for (k, root) in roots.iter().enumerate() {
                let reversed = (k as u64).reverse_bits() as f64 / 2_f64.powi(64);
                let angle = (2_f64.powi(-i32::try_from(j).expect("few") - 2) + reversed) / 4.0;
                let radians = core::f64::consts::TAU * angle;
                assert!((root.re - radians.cos()).abs() < 3e-16, "{j} {k}");
                assert!((root.im - radians.sin()).abs() < 3e-16, "{j} {k}");
            }
        }
    }
}
