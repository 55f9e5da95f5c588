//! Two doubles at once: the 128-bit vectors of WebAssembly.
//!
//! Operations are named for WebAssembly's instructions. Native builds, for tests
//! and benchmarks, use an array of two doubles. Relaxed SIMD lets the processor
//! choose whether [`F64x2::relaxed_madd`] rounds once or twice; the bounds of
//! [`error_bound`](crate::fft::error_bound) hold for both.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

#[cfg(target_family = "wasm")]
use core::arch::wasm32 as simd;

/// Two doubles, in lanes 0 and 1.
#[cfg(target_family = "wasm")]
#[derive(Clone, Copy)]
pub(crate) struct F64x2(simd::v128);

/// Two doubles, in lanes 0 and 1.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct F64x2([f64; 2]);

#[cfg(target_family = "wasm")]
impl F64x2 {
    #[inline(always)]
    pub(crate) fn new(lane0: f64, lane1: f64) -> Self {
        Self(simd::f64x2(lane0, lane1))
    }

    #[inline(always)]
    pub(crate) fn from_i32s(lane0: i32, lane1: i32) -> Self {
        Self(simd::f64x2_convert_low_i32x4(simd::i32x4(
            lane0, lane1, 0, 0,
        )))
    }

    #[inline(always)]
    pub(crate) fn lane0(self) -> f64 {
        simd::f64x2_extract_lane::<0>(self.0)
    }

    #[inline(always)]
    pub(crate) fn lane1(self) -> f64 {
        simd::f64x2_extract_lane::<1>(self.0)
    }

    /// Converts both lanes, which must hold integers of 32 bits.
    #[inline(always)]
    pub(crate) fn to_i32s(self) -> [i32; 2] {
        let integers = simd::i32x4_relaxed_trunc_f64x2_zero(self.0);
        [
            simd::i32x4_extract_lane::<0>(integers),
            simd::i32x4_extract_lane::<1>(integers),
        ]
    }

    #[inline(always)]
    pub(crate) fn add(self, rhs: Self) -> Self {
        Self(simd::f64x2_add(self.0, rhs.0))
    }

    #[inline(always)]
    pub(crate) fn sub(self, rhs: Self) -> Self {
        Self(simd::f64x2_sub(self.0, rhs.0))
    }

    #[inline(always)]
    pub(crate) fn mul(self, rhs: Self) -> Self {
        Self(simd::f64x2_mul(self.0, rhs.0))
    }

    /// Returns self · `factor` + `term`, rounded once or twice.
    #[inline(always)]
    pub(crate) fn relaxed_madd(self, factor: Self, term: Self) -> Self {
        Self(simd::f64x2_relaxed_madd(self.0, factor.0, term.0))
    }

    /// Returns `term` − self · `factor`, rounded once or twice.
    #[inline(always)]
    pub(crate) fn relaxed_nmadd(self, factor: Self, term: Self) -> Self {
        Self(simd::f64x2_relaxed_nmadd(self.0, factor.0, term.0))
    }

    #[inline(always)]
    pub(crate) fn neg(self) -> Self {
        Self(simd::f64x2_neg(self.0))
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        Self(simd::f64x2_abs(self.0))
    }

    /// Returns the larger of each pair of lanes; neither may be NaN.
    #[inline(always)]
    pub(crate) fn pmax(self, rhs: Self) -> Self {
        Self(simd::f64x2_pmax(self.0, rhs.0))
    }

    /// Returns the smaller of each pair of lanes; neither may be NaN.
    #[inline(always)]
    pub(crate) fn pmin(self, rhs: Self) -> Self {
        Self(simd::f64x2_pmin(self.0, rhs.0))
    }

    /// Rounds to the nearest integers, ties to even.
    #[inline(always)]
    pub(crate) fn nearest(self) -> Self {
        Self(simd::f64x2_nearest(self.0))
    }

    #[inline(always)]
    pub(crate) fn sqrt(self) -> Self {
        Self(simd::f64x2_sqrt(self.0))
    }

    /// Returns (lane 1, lane 0).
    #[inline(always)]
    pub(crate) fn swap_lanes(self) -> Self {
        Self(simd::i64x2_shuffle::<1, 0>(self.0, self.0))
    }

    /// Returns (lane 0 of self, lane 0 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_low(self, rhs: Self) -> Self {
        Self(simd::i64x2_shuffle::<0, 2>(self.0, rhs.0))
    }

    /// Returns (lane 1 of self, lane 1 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_high(self, rhs: Self) -> Self {
        Self(simd::i64x2_shuffle::<1, 3>(self.0, rhs.0))
    }

    /// Returns (lane 1 of self, lane 0 of `rhs`), the pair between two neighbours.
    #[inline(always)]
    pub(crate) fn straddle(self, rhs: Self) -> Self {
        Self(simd::i64x2_shuffle::<1, 2>(self.0, rhs.0))
    }
}

#[cfg(not(target_family = "wasm"))]
impl F64x2 {
    #[inline(always)]
    pub(crate) fn new(lane0: f64, lane1: f64) -> Self {
        Self([lane0, lane1])
    }

    #[inline(always)]
    pub(crate) fn from_i32s(lane0: i32, lane1: i32) -> Self {
        Self([f64::from(lane0), f64::from(lane1)])
    }

    #[inline(always)]
    pub(crate) fn lane0(self) -> f64 {
        self.0[0]
    }

    #[inline(always)]
    pub(crate) fn lane1(self) -> f64 {
        self.0[1]
    }

    /// Converts both lanes, which must hold integers of 32 bits.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the caller passes integers of 32 bits"
    )]
    pub(crate) fn to_i32s(self) -> [i32; 2] {
        self.0.map(|value| value as i32)
    }

    #[inline(always)]
    fn zip_with(self, rhs: Self, operation: impl Fn(f64, f64) -> f64) -> Self {
        Self([
            operation(self.0[0], rhs.0[0]),
            operation(self.0[1], rhs.0[1]),
        ])
    }

    #[inline(always)]
    pub(crate) fn add(self, rhs: Self) -> Self {
        self.zip_with(rhs, |a, b| a + b)
    }

    #[inline(always)]
    pub(crate) fn sub(self, rhs: Self) -> Self {
        self.zip_with(rhs, |a, b| a - b)
    }

    #[inline(always)]
    pub(crate) fn mul(self, rhs: Self) -> Self {
        self.zip_with(rhs, |a, b| a * b)
    }

    /// Returns self · `factor` + `term`, rounded once or twice.
    #[inline(always)]
    pub(crate) fn relaxed_madd(self, factor: Self, term: Self) -> Self {
        self.mul(factor).add(term)
    }

    /// Returns `term` − self · `factor`, rounded once or twice.
    #[inline(always)]
    pub(crate) fn relaxed_nmadd(self, factor: Self, term: Self) -> Self {
        term.sub(self.mul(factor))
    }

    #[inline(always)]
    pub(crate) fn neg(self) -> Self {
        Self(self.0.map(|value| -value))
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        Self(self.0.map(f64::abs))
    }

    /// Returns the larger of each pair of lanes; neither may be NaN.
    #[inline(always)]
    pub(crate) fn pmax(self, rhs: Self) -> Self {
        self.zip_with(rhs, |a, b| if a < b { b } else { a })
    }

    /// Returns the smaller of each pair of lanes; neither may be NaN.
    #[inline(always)]
    pub(crate) fn pmin(self, rhs: Self) -> Self {
        self.zip_with(rhs, |a, b| if b < a { b } else { a })
    }

    /// Rounds to the nearest integers, ties to even.
    #[inline(always)]
    pub(crate) fn nearest(self) -> Self {
        Self(self.0.map(f64::round_ties_even))
    }

    #[inline(always)]
    pub(crate) fn sqrt(self) -> Self {
        Self(self.0.map(f64::sqrt))
    }

    /// Returns (lane 1, lane 0).
    #[inline(always)]
    pub(crate) fn swap_lanes(self) -> Self {
        Self([self.0[1], self.0[0]])
    }

    /// Returns (lane 0 of self, lane 0 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_low(self, rhs: Self) -> Self {
        Self([self.0[0], rhs.0[0]])
    }

    /// Returns (lane 1 of self, lane 1 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_high(self, rhs: Self) -> Self {
        Self([self.0[1], rhs.0[1]])
    }

    /// Returns (lane 1 of self, lane 0 of `rhs`), the pair between two neighbours.
    #[inline(always)]
    pub(crate) fn straddle(self, rhs: Self) -> Self {
        Self([self.0[1], rhs.0[0]])
    }
}

impl F64x2 {
    #[inline(always)]
    pub(crate) fn splat(value: f64) -> Self {
        Self::new(value, value)
    }
}
