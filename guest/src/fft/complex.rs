//! Complex numbers, two at once.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use super::simd::F64x2;

/// Two complex numbers, one in each lane.
///
/// An array of these holds two neighbouring points in each element: the points 2i
/// and 2i + 1 are the lanes of element i, and M points make an array of length M/2.
#[derive(Clone, Copy)]
pub(crate) struct Complex64x2 {
    pub(crate) re: F64x2,
    pub(crate) im: F64x2,
}

impl Complex64x2 {
    #[inline(always)]
    pub(crate) fn zero() -> Self {
        Self::splat(0.0, 0.0)
    }

    /// Creates the same number in both lanes.
    #[inline(always)]
    pub(crate) fn splat(re: f64, im: f64) -> Self {
        Self {
            re: F64x2::splat(re),
            im: F64x2::splat(im),
        }
    }

    #[inline(always)]
    pub(crate) fn add(self, rhs: Self) -> Self {
        Self {
            re: self.re.add(rhs.re),
            im: self.im.add(rhs.im),
        }
    }

    #[inline(always)]
    pub(crate) fn sub(self, rhs: Self) -> Self {
        Self {
            re: self.re.sub(rhs.re),
            im: self.im.sub(rhs.im),
        }
    }

    #[inline(always)]
    pub(crate) fn mul(self, rhs: Self) -> Self {
        Self {
            re: self.im.relaxed_nmadd(rhs.im, self.re.mul(rhs.re)),
            im: self.im.relaxed_madd(rhs.re, self.re.mul(rhs.im)),
        }
    }

    /// Returns self · conjugate of `rhs`.
    #[inline(always)]
    pub(crate) fn mul_conj(self, rhs: Self) -> Self {
        Self {
            re: self.im.relaxed_madd(rhs.im, self.re.mul(rhs.re)),
            im: self.re.relaxed_nmadd(rhs.im, self.im.mul(rhs.re)),
        }
    }

    /// Returns i · self.
    #[inline(always)]
    pub(crate) fn mul_i(self) -> Self {
        Self {
            re: self.im.neg(),
            im: self.re,
        }
    }

    /// Returns self + i · `rhs`.
    #[inline(always)]
    pub(crate) fn add_i(self, rhs: Self) -> Self {
        Self {
            re: self.re.sub(rhs.im),
            im: self.im.add(rhs.re),
        }
    }

    /// Returns self − i · `rhs`.
    #[inline(always)]
    pub(crate) fn sub_i(self, rhs: Self) -> Self {
        Self {
            re: self.re.add(rhs.im),
            im: self.im.sub(rhs.re),
        }
    }

    /// Returns self · `factor`, which is real.
    #[inline(always)]
    pub(crate) fn scale(self, factor: F64x2) -> Self {
        Self {
            re: self.re.mul(factor),
            im: self.im.mul(factor),
        }
    }

    #[inline(always)]
    pub(crate) fn swap_lanes(self) -> Self {
        Self {
            re: self.re.swap_lanes(),
            im: self.im.swap_lanes(),
        }
    }

    /// Returns (lane 0 of self, lane 0 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_low(self, rhs: Self) -> Self {
        Self {
            re: self.re.unpack_low(rhs.re),
            im: self.im.unpack_low(rhs.im),
        }
    }

    /// Returns (lane 1 of self, lane 1 of `rhs`).
    #[inline(always)]
    pub(crate) fn unpack_high(self, rhs: Self) -> Self {
        Self {
            re: self.re.unpack_high(rhs.re),
            im: self.im.unpack_high(rhs.im),
        }
    }
}
