//! Roots of unity, each within [`ERROR`] of the true one.
//!
//! A root is computed in double-double arithmetic with an error far below 2^−70,
//! and rounded once at the end. The angle is never rounded.

use alloc::vec::Vec;

use super::complex::Complex64x2;
use super::double_double::DoubleDouble;

/// Largest error of a rounded root, in units of 2^−53.
///
/// Each part is at most 1 and off by half a unit in the last place, at most 2^−54:
/// together √2 · 2^−54, and a little for the double-double.
pub(crate) const ERROR: f64 = 0.7072;

/// A root of unity, rounded to doubles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Root {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Root {
    /// Puts the root into both lanes.
    #[expect(
        clippy::inline_always,
        reason = "a few instructions in innermost loops"
    )]
    #[inline(always)]
    pub(super) fn splat(self) -> Complex64x2 {
        Complex64x2::splat(self.re, self.im)
    }
}

/// Returns √i in both lanes.
pub(crate) fn sqrt_i() -> Complex64x2 {
    let part = core::f64::consts::FRAC_1_SQRT_2;
    Complex64x2::splat(part, part)
}

/// A root of unity in double-double precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreciseRoot {
    re: DoubleDouble,
    im: DoubleDouble,
}

impl PreciseRoot {
    /// 1.
    pub(super) const ONE: Self = Self {
        re: DoubleDouble::ONE,
        im: DoubleDouble::ZERO,
    };

    /// Computes e^(2πi / `order`) by the series of sine and cosine, for an order
    /// from 8 to 2^50.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers below 2^53 are doubles"
    )]
    pub(crate) fn of_order(order: u64) -> Self {
        debug_assert!((8..=1 << 50).contains(&order), "the angle is at most π/4");
        // 2π / order = (π/4) · 8 / order ≤ π/4
        let angle = DoubleDouble::QUARTER_PI
            .mul(DoubleDouble::from_f64(8.0))
            .div(order as f64);
        let mut re = DoubleDouble::ONE;
        let mut im = angle;
        let mut term = angle;
        // Each term is less than half of the one before: 27 are enough for π/4.
        for index in 2..40_u32 {
            term = term.mul(angle).div(f64::from(index));
            match index % 4 {
                0 => re = re.add(term),
                1 => im = im.add(term),
                2 => re = re.sub(term),
                _ => im = im.sub(term),
            }
            // Below 2^−110 of the sum.
            if term.high < angle.high * 7e-34 {
                break;
            }
        }
        Self { re, im }
    }

    pub(crate) fn mul(self, other: Self) -> Self {
        Self {
            re: self.re.mul(other.re).sub(self.im.mul(other.im)),
            im: self.re.mul(other.im).add(self.im.mul(other.re)),
        }
    }

    pub(crate) fn conj(self) -> Self {
        Self {
            re: self.re,
            im: self.im.neg(),
        }
    }

    pub(super) fn round(self) -> Root {
        // The high part of a double-double is its nearest double.
        Root {
            re: self.re.high,
            im: self.im.high,
        }
    }

    /// Computes 1, self, self², …: `length` powers.
    pub(super) fn powers(self, length: usize) -> Vec<Self> {
        let mut powers = Vec::with_capacity(length);
        let mut power = Self::ONE;
        for _ in 0..length {
            powers.push(power);
            power = power.mul(self);
        }
        powers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_the_nearest_doubles() {
        // cos and sin of π/8 (OEIS A144981 and A182168).
        let root = PreciseRoot::of_order(16);
        assert_eq!(
            root.re.high.to_bits(),
            0.923_879_532_511_286_7_f64.to_bits()
        );
        assert_eq!(
            root.im.high.to_bits(),
            0.382_683_432_365_089_8_f64.to_bits()
        );
        for bits in 3..40 {
            let root = PreciseRoot::of_order(1 << bits);
            let square = PreciseRoot::of_order(1 << (bits + 1));
            let square = square.mul(square);
            for (a, b) in [(root.re, square.re), (root.im, square.im)] {
                let difference = a.sub(b);
                assert!(difference.high.abs() < 1e-31, "{bits} {difference:?}");
            }
        }
        for order in [9_u64, 10, 12, 15, 48, 80, 5 << 30, 3 << 31] {
            let root = PreciseRoot::of_order(order);
            let one = root
                .re
                .mul(root.re)
                .add(root.im.mul(root.im))
                .sub(PreciseRoot::ONE.re);
            assert!(one.high.abs() < 1e-31, "{order}");
        }
        // The fifth power of the fifth root of i.
        let root = PreciseRoot::of_order(20);
        let power = root.powers(6)[5];
        assert!(power.re.high.abs() < 1e-31);
        assert!((power.im.high - 1.0).abs() < 1e-31);
    }
}
