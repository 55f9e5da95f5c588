//! Convolution by a fast Fourier transform over a tower of rings.
//!
//! Real polynomials modulo x^2M + 1 are complex polynomials modulo x^M − i:
//! coefficient M + t becomes the imaginary part of coefficient t, since x^M = i.
//! That ring splits by roots, x^4m − c⁴ = (x^m − c)(x^m + c)(x^m − ic)(x^m + ic),
//! down to x² − c, where the base case multiplies polynomials directly.
//!
//! Splitting and joining pass through memory in the same order, so that no
//! permutation is needed, and each block has one root (D. J. Bernstein,
//! "Multidigit multiplication for mathematicians", 2001). A block is split,
//! multiplied and joined while it is in the cache, before the next block.
//!
//! Lengths are 2^a · 3^b · 5^c. The odd factors are split off first; see
//! [`odd_radix`](crate::fft::odd_radix).

use alloc::vec::Vec;

use super::butterfly::{Twiddles, join_radix2, join_radix4, split_radix2, split_radix4};
use super::complex::Complex64x2;
use super::odd_radix::OddRadix;
use super::roots::Root;
use super::shape::{POINTS_MIN, Shape};
use super::twiddles::tabulate_level;

/// Elements (pairs of points) of the longest block that is split level by level, in a
/// cache of 32 KiB. Longer blocks are split part by part.
const CACHED_MAX: usize = 1 << 9;

/// Elements of a block of the base case: four polynomials of two coefficients.
const BASE_BLOCK: usize = 4;

const _: () = assert!(
    POINTS_MIN == 2 * BASE_BLOCK && BASE_BLOCK <= CACHED_MAX,
    "the shortest transform is one block"
);

/// The right operand of a product.
pub(crate) enum Rhs<'a> {
    /// The left operand itself: the product is a square.
    Same,
    /// Coefficients. The transform replaces them by their transform.
    Coefficients(&'a mut [Complex64x2]),
    /// An operand that an earlier product transformed.
    Transformed(&'a [Complex64x2]),
}

impl Rhs<'_> {
    /// Returns the elements from `from` to `to`.
    fn slice(&mut self, from: usize, to: usize) -> Rhs<'_> {
        match self {
            Self::Same => Rhs::Same,
            Self::Coefficients(rhs) => Rhs::Coefficients(&mut rhs[from..to]),
            Self::Transformed(rhs) => Rhs::Transformed(&rhs[from..to]),
        }
    }

    /// Applies a step of the transform to an operand that is not transformed yet.
    fn split(&mut self, split: impl FnOnce(&mut [Complex64x2])) {
        if let Self::Coefficients(rhs) = self {
            split(rhs);
        }
    }
}

/// The transform's tables of twiddle factors, computed on first use.
#[derive(Default)]
pub(crate) struct Transform {
    /// One root for each block of each level; empty until the level is needed.
    levels: Vec<Vec<Root>>,
    odd_radices: Vec<(Shape, OddRadix)>,
}

impl Transform {
    /// Multiplies `lhs` by `rhs` in the ring x^M − i, in place. The product is M/2 times
    /// too large.
    ///
    /// Both operands hold M = `shape.points()` points in M/2 elements.
    pub(crate) fn multiply(&mut self, lhs: &mut [Complex64x2], mut rhs: Rhs<'_>, shape: Shape) {
        debug_assert_eq!(2 * lhs.len(), shape.points(), "two points an element");
        self.prepare(shape);
        self.multiply_odd(lhs, &mut rhs, shape);
    }

    /// Computes the tables that the shape needs.
    fn prepare(&mut self, shape: Shape) {
        let (twos, fours) = shape.levels();
        let end = twos + 2 * fours;
        let mut level = twos;
        while level < end {
            let index = level as usize;
            if self.levels.len() <= index {
                self.levels.resize(index + 1, Vec::new());
            }
            if self.levels[index].is_empty() {
                self.levels[index] = tabulate_level(level);
            }
            level += 2;
        }
        let mut shape = shape;
        while let Some(factor) = shape.odd_factor() {
            if !self.odd_radices.iter().any(|(known, _)| *known == shape) {
                let radix = OddRadix::new(factor, shape.divide(factor).points());
                self.odd_radices.push((shape, radix));
            }
            shape = shape.divide(factor);
        }
    }

    /// Multiplies after splitting off the odd factors one by one.
    fn multiply_odd(&self, lhs: &mut [Complex64x2], rhs: &mut Rhs<'_>, shape: Shape) {
        let Some(factor) = shape.odd_factor() else {
            self.multiply_power_of_two(lhs, rhs, shape);
            return;
        };
        let Some((_, radix)) = self.odd_radices.iter().find(|(known, _)| *known == shape) else {
            debug_assert!(false, "prepare computed the tables of this shape");
            return;
        };
        let rest = shape.divide(factor);
        radix.split(lhs);
        rhs.split(|rhs| radix.split(rhs));
        let part = rest.points() / 2;
        for (index, lhs) in lhs.chunks_exact_mut(part).enumerate() {
            let mut rhs = rhs.slice(index * part, (index + 1) * part);
            self.multiply_odd(lhs, &mut rhs, rest);
        }
        radix.join(lhs);
    }

    /// Multiplies after a radix-2 step where the number of levels is odd.
    fn multiply_power_of_two(&self, lhs: &mut [Complex64x2], rhs: &mut Rhs<'_>, shape: Shape) {
        let (twos, _) = shape.levels();
        if twos == 0 {
            self.multiply_block(lhs, rhs, 0, 0);
            return;
        }
        split_radix2(lhs);
        rhs.split(split_radix2);
        let half = lhs.len() / 2;
        for (index, lhs) in lhs.chunks_exact_mut(half).enumerate() {
            let mut rhs = rhs.slice(index * half, (index + 1) * half);
            self.multiply_block(lhs, &mut rhs, 1, index);
        }
        join_radix2(lhs);
    }

    /// Multiplies in block `index` of a level by recursion over its quarters.
    fn multiply_block(
        &self,
        lhs: &mut [Complex64x2],
        rhs: &mut Rhs<'_>,
        level: usize,
        index: usize,
    ) {
        if lhs.len() <= CACHED_MAX {
            self.multiply_cached(lhs, rhs, level, index);
            return;
        }
        let root = self.levels[level][index];
        split_radix4(lhs, root);
        rhs.split(|rhs| split_radix4(rhs, root));
        let part = lhs.len() / 4;
        for (quarter, lhs) in lhs.chunks_exact_mut(part).enumerate() {
            let mut rhs = rhs.slice(quarter * part, (quarter + 1) * part);
            self.multiply_block(lhs, &mut rhs, level + 2, 4 * index + quarter);
        }
        join_radix4(lhs, root);
    }

    /// Multiplies in a block that the cache holds, level by level.
    fn multiply_cached(
        &self,
        lhs: &mut [Complex64x2],
        rhs: &mut Rhs<'_>,
        level: usize,
        index: usize,
    ) {
        self.split_cached(lhs, level, index);
        rhs.split(|rhs| self.split_cached(rhs, level, index));
        let (mut level, mut index, mut length) = (level, index, lhs.len());
        while length > BASE_BLOCK {
            (level, index, length) = (level + 2, 4 * index, length / 4);
        }
        let roots = &self.levels[level][index..];
        let blocks = lhs.as_chunks_mut::<BASE_BLOCK>().0;
        match rhs {
            Rhs::Same => {
                for (block, &root) in blocks.iter_mut().zip(roots) {
                    let twiddles = Twiddles::new(root);
                    let split = twiddles.split(*block);
                    *block = twiddles.join(twiddles.multiply(split, split));
                }
            }
            Rhs::Coefficients(rhs) => multiply_base_blocks(blocks, rhs, roots),
            Rhs::Transformed(rhs) => multiply_base_blocks(blocks, rhs, roots),
        }
        let (mut level, mut index) = (level, index);
        while length < lhs.len() {
            (level, index, length) = (level - 2, index / 4, 4 * length);
            let roots = &self.levels[level][index..];
            for (block, &root) in lhs.chunks_exact_mut(length).zip(roots) {
                join_radix4(block, root);
            }
        }
    }

    /// Splits a block down to the level before the last.
    fn split_cached(&self, data: &mut [Complex64x2], level: usize, index: usize) {
        let (mut level, mut index, mut length) = (level, index, data.len());
        while length > BASE_BLOCK {
            let roots = &self.levels[level][index..];
            for (block, &root) in data.chunks_exact_mut(length).zip(roots) {
                split_radix4(block, root);
            }
            (level, index, length) = (level + 2, 4 * index, length / 4);
        }
    }
}

/// Splits blocks of the last level, multiplies and joins them.
fn multiply_base_blocks(
    blocks: &mut [[Complex64x2; BASE_BLOCK]],
    rhs: &[Complex64x2],
    roots: &[Root],
) {
    let rhs_blocks = rhs.as_chunks::<BASE_BLOCK>().0;
    for ((block, rhs), &root) in blocks.iter_mut().zip(rhs_blocks).zip(roots) {
        let twiddles = Twiddles::new(root);
        let (lhs, rhs) = (twiddles.split(*block), twiddles.split(*rhs));
        *block = twiddles.join(twiddles.multiply(lhs, rhs));
    }
}
