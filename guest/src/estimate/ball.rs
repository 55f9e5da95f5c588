//! Ball arithmetic in fixed point: real numbers with certified error bounds.
//!
//! A [`Ball`] is a midpoint and a radius, both in units of 2^−bits. The ball of a result
//! contains the result for all numbers in the operands' balls.

use num_bigint::{BigInt, BigUint};

/// The numbers within `radius` of `middle`, both in units of 2^−bits.
#[derive(Clone, Debug)]
pub(crate) struct Ball {
    middle: BigInt,
    radius: BigUint,
}

/// Fixed-point arithmetic with `bits` bits after the point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precision {
    pub(crate) bits: u64,
}

impl Ball {
    /// Creates a ball from a midpoint and a radius in units of 2^−bits.
    pub(crate) fn from_units(middle: BigInt, radius: u32) -> Self {
        Self {
            middle,
            radius: radius.into(),
        }
    }

    pub(crate) fn add(mut self, other: &Self) -> Self {
        self.middle += &other.middle;
        self.radius += &other.radius;
        self
    }

    pub(crate) fn sub(mut self, other: &Self) -> Self {
        self.middle -= &other.middle;
        self.radius += &other.radius;
        self
    }

    pub(crate) fn mul(mut self, factor: impl Into<BigUint>) -> Self {
        let factor = factor.into();
        self.radius *= &factor;
        self.middle *= BigInt::from(factor);
        self
    }

    /// Divides by an integer, with a rounding error below one unit.
    pub(crate) fn div(mut self, divisor: u128) -> Self {
        self.middle /= divisor;
        self.radius = self.radius / divisor + 2_u32;
        self
    }

    /// Adds `units` to the radius.
    pub(crate) fn widen(mut self, units: impl Into<BigUint>) -> Self {
        self.radius += units.into();
        self
    }

    /// Returns the least and the greatest number, in units of 2^−bits.
    pub(crate) fn bounds(&self) -> (BigInt, BigInt) {
        let radius = BigInt::from(self.radius.clone());
        (&self.middle - &radius, &self.middle + radius)
    }
}

impl Precision {
    /// Creates the ball of an integer.
    pub(crate) fn integer(self, value: impl Into<BigInt>) -> Ball {
        Ball {
            middle: value.into() << self.bits,
            radius: BigUint::ZERO,
        }
    }

    /// Creates a ball around numerator / denominator.
    pub(crate) fn ratio(self, numerator: impl Into<BigInt>, denominator: u128) -> Ball {
        self.integer(numerator).div(denominator.max(1))
    }

    /// Computes ln 2 = 14 atanh(1/31) + 10 atanh(1/49) + 6 atanh(1/161).
    pub(crate) fn ln_2(self) -> Ball {
        self.atanh_sum([14, 10, 6])
    }

    /// Computes ln 10, by ln 5 = 32 atanh(1/31) + 24 atanh(1/49) + 14 atanh(1/161).
    pub(crate) fn ln_10(self) -> Ball {
        self.atanh_sum([46, 34, 20])
    }

    /// Sums `factors` times atanh(1/31), atanh(1/49) and atanh(1/161).
    fn atanh_sum(self, factors: [u32; 3]) -> Ball {
        let [first, second, third] = factors;
        let sum = self.arctan_of_inverse(31, true).mul(first);
        let sum = sum.add(&self.arctan_of_inverse(49, true).mul(second));
        sum.add(&self.arctan_of_inverse(161, true).mul(third))
    }

    /// Computes ½ ln 2π, by π = 16 atan(1/5) − 4 atan(1/239) (Machin 1706).
    pub(crate) fn half_ln_2_pi(self) -> Ball {
        let pi = self.arctan_of_inverse(5, false).mul(16_u32);
        let pi = pi.sub(&self.arctan_of_inverse(239, false).mul(4_u32));
        self.ln(&pi.mul(2_u32), &self.ln_2()).div(2)
    }

    /// Computes atanh(1/q) if `hyperbolic`, else atan(1/q), for q ≥ 5:
    /// Σ (±1)^k / ((2k+1) q^(2k+1)).
    ///
    /// Powers and terms are truncated, each by less than two units. The terms after the
    /// last power that is not zero are below one more.
    fn arctan_of_inverse(self, q: u32, hyperbolic: bool) -> Ball {
        let mut power = (BigInt::from(1) << self.bits) / q;
        let mut sum = BigInt::ZERO;
        let mut odd = 1_u32;
        while power != BigInt::ZERO {
            let term = &power / odd;
            if hyperbolic || odd % 4 == 1 {
                sum += term;
            } else {
                sum -= term;
            }
            power /= q * q;
            odd += 2;
        }
        Ball {
            middle: sum,
            radius: BigUint::from(2 * odd + 4),
        }
    }

    /// Computes ln x for x ≥ ½ with a small radius; `ln_2` is [`Self::ln_2`].
    ///
    /// With x = m · 2^e, ⅔ < m ≤ 4/3, and s = (m−1)/(m+1), which is within ±1/5,
    /// ln x = e ln 2 + 2 Σ s^(2k+1)/(2k+1). Each power and each term is truncated by less
    /// than three units (including that of s², since s² < 1/25); the rest after the last
    /// power that is not zero is below one. The radius of x is multiplied by the
    /// derivative 1/x.
    pub(crate) fn ln(self, x: &Ball, ln_2: &Ball) -> Ball {
        let one = BigInt::from(1) << self.bits;
        // x lies in [2^(e−1), 2^e); e stays if x > ⅔ · 2^e.
        let mut exponent = i128::from(x.middle.bits()) - i128::from(self.bits);
        let scaled = |exponent: i128| {
            if exponent >= 0 {
                &one << exponent
            } else {
                &one >> -exponent
            }
        };
        if &x.middle * 3 <= scaled(exponent) * 2 {
            exponent -= 1;
        }
        let power_of_two = scaled(exponent);
        let s = ((&x.middle - &power_of_two) << self.bits) / (&x.middle + &power_of_two);
        let square = (&s * &s) >> self.bits;
        let mut power = s;
        let mut sum = BigInt::ZERO;
        let mut odd = 1_u32;
        // Shifts round down, so that negative powers converge to −1 instead of 0.
        while power.magnitude().bits() > 1 {
            sum += &power / odd;
            power = (power * &square) >> self.bits;
            odd += 2;
        }
        let least = x.middle.magnitude().clone();
        let least = if least > x.radius {
            least - &x.radius
        } else {
            BigUint::from(1_u32)
        };
        let radius = ((&x.radius << self.bits) / least) + (8 * odd + 16);
        let sum = Ball {
            middle: sum * 2,
            radius,
        };
        let whole = ln_2.clone().mul(exponent.unsigned_abs());
        if exponent < 0 {
            sum.sub(&whole)
        } else {
            sum.add(&whole)
        }
    }

    /// Computes e^y for 0 ≤ y < 3 with a radius below ¼.
    ///
    /// Taylor's series for y / 2^32, then 32 squarings, with 64 additional bits. Each term
    /// adds more than 30 bits, so that the series has fewer than 2^16 terms for any
    /// precision below 2^20, each with an error below 2 units of 2^−(bits+64). Each
    /// squaring doubles the relative error and adds two units. In all the error is below
    /// 2^50 units relative to a value below 2^5, which is less than one unit of 2^−bits.
    /// The radius of y is multiplied by e^y · 2 < 64.
    pub(crate) fn exp(self, y: &Ball) -> Ball {
        let bits = self.bits + 64;
        let small = &y.middle << 32_u32;
        let mut term = BigInt::from(1) << bits;
        let mut sum = term.clone();
        let mut count = 1_u32;
        while term.magnitude().bits() > 1 {
            term = ((term * &small) >> bits) / count;
            sum += &term;
            count += 1;
        }
        for _ in 0..32 {
            sum = (&sum * &sum) >> bits;
        }
        Ball {
            middle: sum >> 64_u32,
            radius: &y.radius * 64_u32 + 3_u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts a ball to a double, after a check that it is narrow.
    #[expect(clippy::cast_precision_loss, reason = "doubles are compared roughly")]
    fn value(precision: Precision, ball: &Ball) -> f64 {
        assert!(ball.radius.bits() < 40, "{}", ball.radius);
        let shifted = &ball.middle >> (precision.bits - 60);
        i128::try_from(shifted).expect("small") as f64 / (1_u64 << 60) as f64
    }

    #[test]
    fn functions_agree_with_the_library() {
        let precision = Precision { bits: 256 };
        let ln_2 = precision.ln_2();
        assert!((value(precision, &ln_2) - core::f64::consts::LN_2).abs() < 1e-15);
        assert!((value(precision, &precision.ln_10()) - core::f64::consts::LN_10).abs() < 1e-15);
        let half = value(precision, &precision.half_ln_2_pi());
        assert!((half - (2.0 * core::f64::consts::PI).ln() / 2.0).abs() < 1e-15);
        for numerator in 3..200_u32 {
            let x = precision.ratio(numerator, 5);
            let ln = precision.ln(&x, &ln_2);
            assert!((value(precision, &ln) - (f64::from(numerator) / 5.0).ln()).abs() < 1e-14);
            if (5..15).contains(&numerator) {
                let back = precision.exp(&x);
                assert!(
                    (value(precision, &back) - (f64::from(numerator) / 5.0).exp()).abs() < 1e-13
                );
            }
        }
    }

    /// Balls of two precisions must overlap, which they do not if a radius is too small.
    #[test]
    fn radii_hold_at_every_precision() {
        let fine = Precision { bits: 700 };
        for bits in [64, 100, 192, 256, 640] {
            let coarse = Precision { bits };
            let agree = |rough: Ball, exact: Ball| {
                let (low, high) = rough.bounds();
                let (exact_low, exact_high) = exact.bounds();
                let shift = fine.bits - bits;
                assert!(low << shift <= exact_low && exact_high <= high << shift);
            };
            agree(coarse.ln_2(), fine.ln_2());
            agree(coarse.ln_10(), fine.ln_10());
            agree(coarse.half_ln_2_pi(), fine.half_ln_2_pi());
            for n in (1..300_u64).chain([u64::MAX, 1 << 63, (1 << 32) + 1]) {
                let of = |p: Precision| p.ln(&p.integer(n), &p.ln_2());
                agree(of(coarse), of(fine));
                let of = |p: Precision| p.exp(&p.ratio(n % 300, 128));
                agree(of(coarse), of(fine));
            }
        }
    }
}
