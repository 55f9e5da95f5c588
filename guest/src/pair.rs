//! Two doubles that are worked on at once: the 128-bit vectors of WebAssembly.
//!
//! Elsewhere an array stands in, so that tests and benchmarks run natively.
//! Whether [`Pair::times_plus`] rounds once or twice is up to the processor
//! (relaxed SIMD); the error bounds of [`bound`](crate::bound) hold for both.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

#[cfg(target_family = "wasm")]
use core::arch::wasm32 as simd;

/// Two doubles.
#[cfg(target_family = "wasm")]
#[derive(Clone, Copy)]
pub(crate) struct Pair(simd::v128);

/// Two doubles.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Pair([f64; 2]);

#[cfg(target_family = "wasm")]
impl Pair {
    #[inline(always)]
    pub(crate) fn new(first: f64, second: f64) -> Self {
        Self(simd::f64x2(first, second))
    }

    #[inline(always)]
    pub(crate) fn from_integers(first: i32, second: i32) -> Self {
        Self(simd::f64x2_convert_low_i32x4(simd::i32x4(
            first, second, 0, 0,
        )))
    }

    #[inline(always)]
    pub(crate) fn first(self) -> f64 {
        simd::f64x2_extract_lane::<0>(self.0)
    }

    #[inline(always)]
    pub(crate) fn second(self) -> f64 {
        simd::f64x2_extract_lane::<1>(self.0)
    }

    /// Both as integers; they must be integers of 32 bits.
    #[inline(always)]
    pub(crate) fn to_integers(self) -> [i32; 2] {
        let integers = simd::i32x4_relaxed_trunc_f64x2_zero(self.0);
        [
            simd::i32x4_extract_lane::<0>(integers),
            simd::i32x4_extract_lane::<1>(integers),
        ]
    }

    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(simd::f64x2_add(self.0, other.0))
    }

    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(simd::f64x2_sub(self.0, other.0))
    }

    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        Self(simd::f64x2_mul(self.0, other.0))
    }

    /// self · `factor` + `term`.
    #[inline(always)]
    pub(crate) fn times_plus(self, factor: Self, term: Self) -> Self {
        Self(simd::f64x2_relaxed_madd(self.0, factor.0, term.0))
    }

    /// `term` − self · `factor`.
    #[inline(always)]
    pub(crate) fn times_from(self, factor: Self, term: Self) -> Self {
        Self(simd::f64x2_relaxed_nmadd(self.0, factor.0, term.0))
    }

    #[inline(always)]
    pub(crate) fn negated(self) -> Self {
        Self(simd::f64x2_neg(self.0))
    }

    #[inline(always)]
    pub(crate) fn magnitude(self) -> Self {
        Self(simd::f64x2_abs(self.0))
    }

    /// The larger of each; neither may be NaN.
    #[inline(always)]
    pub(crate) fn larger(self, other: Self) -> Self {
        Self(simd::f64x2_pmax(self.0, other.0))
    }

    /// The smaller of each; neither may be NaN.
    #[inline(always)]
    pub(crate) fn smaller(self, other: Self) -> Self {
        Self(simd::f64x2_pmin(self.0, other.0))
    }

    /// The nearest integers, ties to even.
    #[inline(always)]
    pub(crate) fn nearest(self) -> Self {
        Self(simd::f64x2_nearest(self.0))
    }

    #[inline(always)]
    pub(crate) fn square_root(self) -> Self {
        Self(simd::f64x2_sqrt(self.0))
    }

    /// (second, first).
    #[inline(always)]
    pub(crate) fn swapped(self) -> Self {
        Self(simd::i64x2_shuffle::<1, 0>(self.0, self.0))
    }

    /// (first of self, first of `other`).
    #[inline(always)]
    pub(crate) fn firsts(self, other: Self) -> Self {
        Self(simd::i64x2_shuffle::<0, 2>(self.0, other.0))
    }

    /// (second of self, second of `other`).
    #[inline(always)]
    pub(crate) fn seconds(self, other: Self) -> Self {
        Self(simd::i64x2_shuffle::<1, 3>(self.0, other.0))
    }

    /// (second of self, first of `other`): what lies between them in a row.
    #[inline(always)]
    pub(crate) fn between(self, other: Self) -> Self {
        Self(simd::i64x2_shuffle::<1, 2>(self.0, other.0))
    }
}

#[cfg(not(target_family = "wasm"))]
impl Pair {
    #[inline(always)]
    pub(crate) fn new(first: f64, second: f64) -> Self {
        Self([first, second])
    }

    #[inline(always)]
    pub(crate) fn from_integers(first: i32, second: i32) -> Self {
        Self([f64::from(first), f64::from(second)])
    }

    #[inline(always)]
    pub(crate) fn first(self) -> f64 {
        self.0[0]
    }

    #[inline(always)]
    pub(crate) fn second(self) -> f64 {
        self.0[1]
    }

    /// Both as integers; they must be integers of 32 bits.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the caller's word")]
    pub(crate) fn to_integers(self) -> [i32; 2] {
        self.0.map(|value| value as i32)
    }

    #[inline(always)]
    fn with(self, other: Self, operation: impl Fn(f64, f64) -> f64) -> Self {
        Self([
            operation(self.0[0], other.0[0]),
            operation(self.0[1], other.0[1]),
        ])
    }

    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }

    /// self · `factor` + `term`.
    #[inline(always)]
    pub(crate) fn times_plus(self, factor: Self, term: Self) -> Self {
        self.times(factor).plus(term)
    }

    /// `term` − self · `factor`.
    #[inline(always)]
    pub(crate) fn times_from(self, factor: Self, term: Self) -> Self {
        term.minus(self.times(factor))
    }

    #[inline(always)]
    pub(crate) fn negated(self) -> Self {
        Self(self.0.map(|value| -value))
    }

    #[inline(always)]
    pub(crate) fn magnitude(self) -> Self {
        Self(self.0.map(f64::abs))
    }

    /// The larger of each; neither may be NaN.
    #[inline(always)]
    pub(crate) fn larger(self, other: Self) -> Self {
        self.with(other, |a, b| if a < b { b } else { a })
    }

    /// The smaller of each; neither may be NaN.
    #[inline(always)]
    pub(crate) fn smaller(self, other: Self) -> Self {
        self.with(other, |a, b| if b < a { b } else { a })
    }

    /// The nearest integers, ties to even.
    #[inline(always)]
    pub(crate) fn nearest(self) -> Self {
        Self(self.0.map(f64::round_ties_even))
    }

    #[inline(always)]
    pub(crate) fn square_root(self) -> Self {
        Self(self.0.map(f64::sqrt))
    }

    /// (second, first).
    #[inline(always)]
    pub(crate) fn swapped(self) -> Self {
        Self([self.0[1], self.0[0]])
    }

    /// (first of self, first of `other`).
    #[inline(always)]
    pub(crate) fn firsts(self, other: Self) -> Self {
        Self([self.0[0], other.0[0]])
    }

    /// (second of self, second of `other`).
    #[inline(always)]
    pub(crate) fn seconds(self, other: Self) -> Self {
        Self([self.0[1], other.0[1]])
    }

    /// (second of self, first of `other`): what lies between them in a row.
    #[inline(always)]
    pub(crate) fn between(self, other: Self) -> Self {
        Self([self.0[1], other.0[0]])
    }
}

impl Pair {
    #[inline(always)]
    pub(crate) fn both(value: f64) -> Self {
        Self::new(value, value)
    }
}

/// The sums of limbs times factors, for several lists of these. They are exact while
/// they stay below 2^53.
pub(crate) fn sums_of_products<const LISTS: usize, const PAIRS: usize>(
    limbs: &[i32],
    factors: &[[Pair; PAIRS]; LISTS],
) -> [f64; LISTS] {
    // Two sums for each list, so that they do not wait for each other.
    let mut sums = [[Pair::both(0.0); 2]; LISTS];
    let pair = |limbs: &[i32; 2]| Pair::from_integers(limbs[0], limbs[1]);
    let (rows, rest) = limbs.as_chunks::<8>();
    for (index, row) in rows.iter().enumerate() {
        for (place, limbs) in row.as_chunks::<2>().0.iter().enumerate() {
            let limbs = pair(limbs);
            for (sums, factors) in sums.iter_mut().zip(factors) {
                let sum = &mut sums[place % 2];
                *sum = limbs.times_plus(factors[4 * index + place], *sum);
            }
        }
    }
    for (place, limbs) in rest.chunks(2).enumerate() {
        let limbs = pair(&[limbs[0], limbs.get(1).copied().unwrap_or(0)]);
        for (sums, factors) in sums.iter_mut().zip(factors) {
            sums[0] = limbs.times_plus(factors[4 * rows.len() + place], sums[0]);
        }
    }
    sums.map(|[one, two]| {
        let sum = one.plus(two);
        sum.first() + sum.second()
    })
}

/// Two complex numbers.
#[derive(Clone, Copy)]
pub(crate) struct Complex {
    pub(crate) re: Pair,
    pub(crate) im: Pair,
}

impl Complex {
    #[inline(always)]
    pub(crate) fn zero() -> Self {
        Self::both(0.0, 0.0)
    }

    /// The same number twice.
    #[inline(always)]
    pub(crate) fn both(re: f64, im: f64) -> Self {
        Self {
            re: Pair::both(re),
            im: Pair::both(im),
        }
    }

    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            re: self.re.plus(other.re),
            im: self.im.plus(other.im),
        }
    }

    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            re: self.re.minus(other.re),
            im: self.im.minus(other.im),
        }
    }

    /// self · `other`.
    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            re: self.im.times_from(other.im, self.re.times(other.re)),
            im: self.im.times_plus(other.re, self.re.times(other.im)),
        }
    }

    /// self · conjugate of `other`.
    #[inline(always)]
    pub(crate) fn times_conjugate(self, other: Self) -> Self {
        Self {
            re: self.im.times_plus(other.im, self.re.times(other.re)),
            im: self.re.times_from(other.im, self.im.times(other.re)),
        }
    }

    /// i · self.
    #[inline(always)]
    pub(crate) fn times_i(self) -> Self {
        Self {
            re: self.im.negated(),
            im: self.re,
        }
    }

    /// self + i · `other`.
    #[inline(always)]
    pub(crate) fn plus_i(self, other: Self) -> Self {
        Self {
            re: self.re.minus(other.im),
            im: self.im.plus(other.re),
        }
    }

    /// self − i · `other`.
    #[inline(always)]
    pub(crate) fn minus_i(self, other: Self) -> Self {
        Self {
            re: self.re.plus(other.im),
            im: self.im.minus(other.re),
        }
    }

    /// self · `factor`, which is real.
    #[inline(always)]
    pub(crate) fn scaled(self, factor: Pair) -> Self {
        Self {
            re: self.re.times(factor),
            im: self.im.times(factor),
        }
    }
}
