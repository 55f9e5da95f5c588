//! ln of every kind of number, as a ball, from n alone.
//!
//! All rest on Stirling's series ln Γ(x) = (x − ½) ln x − x + ½ ln 2π +
//! Σ `B_2j` / (2j (2j−1) x^(2j−1)), whose remainder is smaller than the first term
//! left out (NIST DLMF 5.11(ii)), and on its like for the hyperfactorial. Both
//! need an argument that grows with the precision; what is below it is
//! multiplied or summed up as the definition says. A few dozen long operations
//! answer for any n of 64 bits, a few thousand for a thousand digits.

use num_bigint::{BigInt, BigUint};

use crate::ball::{Ball, Precision};
use crate::bernoulli::{self, Tail};
use crate::product::progression_count;
use crate::request::Kind;

/// Smallest argument of the series at any precision.
const ARGUMENT_MIN: u64 = 64;

/// The logarithms that all kinds share, at one precision.
pub(crate) struct Logarithms {
    precision: Precision,
    ln_2: Ball,
    half_ln_2_pi: Ball,
}

impl Logarithms {
    pub(crate) fn new(precision: Precision) -> Self {
        Self {
            precision,
            ln_2: precision.ln_2(),
            half_ln_2_pi: precision.half_ln_2_pi(),
        }
    }

    /// ln of a number above 2^128. `None` where no series is known.
    pub(crate) fn of(&self, kind: Kind, n: u64) -> Option<Ball> {
        Some(match kind {
            Kind::Factorial | Kind::Multifactorial(0 | 1) => self.factorial(n),
            Kind::Multifactorial(step) => self.multifactorial(n, step),
            Kind::Subfactorial => self.subfactorial(n),
            Kind::Primorial => return None,
            Kind::Superfactorial => {
                // sf(n) = n!^(n+1) / H(n)
                let power = self.factorial(n).times(u128::from(n) + 1);
                power.minus(&self.hyperfactorial(n))
            }
            Kind::Hyperfactorial => self.hyperfactorial(n),
            Kind::Alternating => self.alternating(n),
        })
    }

    fn ln(&self, value: impl Into<BigInt>) -> Ball {
        self.precision
            .ln(&self.precision.integer(value), &self.ln_2)
    }

    /// n! = n · Γ(n), or the product itself.
    fn factorial(&self, n: u64) -> Ball {
        if n <= self.argument_min() {
            return self.ln_product(1..=n);
        }
        let ln = self.ln(n);
        let tail = self.tail(n);
        self.gamma(u128::from(n), 1, &ln, &tail).plus(&ln)
    }

    /// !n = n!/e, rounded: it differs by less than ½, so that its logarithm
    /// differs by less than 2/n!.
    fn subfactorial(&self, n: u64) -> Ball {
        // !34 is below 2^128, 35! > 2^132, and n! > (n/e)^n > (n/4)^n.
        let close_bits = n.saturating_mul(u64::from(n.max(4).ilog2() - 2)).max(132) - 1;
        let units = BigUint::from(1_u32) << self.precision.bits.saturating_sub(close_bits);
        self.factorial(n)
            .minus(&self.precision.integer(1))
            .widened(units)
    }

    /// af(n) = n! (1 − 1/n + 1/n(n−1) − … ± 1/n(n−1)…2).
    fn alternating(&self, n: u64) -> Ball {
        // Each term is cut off by less than two units; once one is zero, all that
        // follow are together less than one.
        let one = BigInt::from(1) << self.precision.bits;
        let mut sum = one.clone();
        let mut term = one;
        let mut units = 2_u32;
        for divisor in (2..=n).rev() {
            term = -term / divisor;
            if term == BigInt::ZERO {
                break;
            }
            sum += &term;
            units += 2;
        }
        let factor = Ball::from_units(sum, units);
        self.factorial(n)
            .plus(&self.precision.ln(&factor, &self.ln_2))
    }

    /// Factors above the first few are k (x + j) with x = r/k: their product is a
    /// power of k and a quotient of two values of Γ.
    fn multifactorial(&self, n: u64, step: u32) -> Ball {
        let step = u64::from(step);
        let count = progression_count(n, step);
        // r, the smallest factor, from 1 to k.
        let smallest = n - step * (count.saturating_sub(1));
        let plain = count.min(self.argument_min());
        let largest_plain = smallest + step * plain.saturating_sub(1);
        let head = self.ln_product((0..plain).map(|index| smallest + step * index));
        if plain == count {
            return head;
        }
        let ln_step = self.ln(step);
        let tail = self.tail(plain);
        let gamma = |numerator: u128| {
            let ln = self.ln(numerator).minus(&ln_step);
            self.gamma(numerator, step, &ln, &tail)
        };
        let quotient = gamma(u128::from(n) + u128::from(step))
            .minus(&gamma(u128::from(largest_plain) + u128::from(step)));
        head.plus(&quotient).plus(&ln_step.times(count - plain))
    }

    /// ln Γ(x) for x = a/k, where `ln` is ln x.
    fn gamma(&self, a: u128, k: u64, ln: &Ball, tail: &Tail) -> Ball {
        let wide = u128::from(k);
        // (x − ½) ln x − x + ½ ln 2π; a < 2^65, so that nothing overflows.
        let sum = ln.clone().times(2 * a - wide).divided_by(2 * wide);
        sum.minus(&self.precision.ratio(a, wide))
            .plus(&self.half_ln_2_pi)
            .plus(&tail.of_gamma(self.precision, a, k))
    }

    /// H(n) is summed up to some m, from where on Euler and Maclaurin's sum of
    /// x ln x goes: ln H(n) − ln H(m) = f(n) − f(m) with
    ///
    /// f(x) = (x²/2 + x/2 + 1/12) ln x − x²/4 −
    /// Σ `B_2j` / ((2j−2) (2j−1) 2j x^(2j−2)), j from 2.
    ///
    /// The derivatives of x ln x from the second on have one sign each: the
    /// remainder of each f is smaller than its first term left out.
    fn hyperfactorial(&self, n: u64) -> Ball {
        let plain = n.min(self.argument_min());
        let sum = self.hyperfactorial_sum(plain);
        if plain == n {
            return sum;
        }
        let tail = self.tail(plain);
        let f = |x: u64| {
            let ln = self.ln(x);
            let wide = u128::from(x);
            // x (x+1) / 2 fits into 128 bits.
            let whole = ln.clone().times(wide * (wide + 1) / 2);
            whole
                .plus(&ln.divided_by(12))
                .minus(&self.precision.ratio(wide * wide, 4))
                .plus(&tail.of_hyperfactorial(self.precision, x))
        };
        sum.plus(&f(n)).minus(&f(plain))
    }

    /// Σ k ln k for k up to m: for each bit of k, the logarithm of the product of
    /// all k that have it.
    fn hyperfactorial_sum(&self, m: u64) -> Ball {
        let bits = u64::BITS - m.leading_zeros();
        (0..bits).fold(self.precision.integer(0), |sum, bit| {
            let product = self.ln_product((1..=m).filter(|k| k >> bit & 1 == 1));
            sum.plus(&product.times(1_u64 << bit))
        })
    }

    /// ln of a product of positive factors, fewer than 2^29, without its last bits.
    ///
    /// Each cut leaves the first bits + 32, and takes less than 2^−(bits+31) of the
    /// product: all of them take less than 2^−(bits+2). That and the last cut are
    /// less than two units of what is between 1 and 2 then.
    fn ln_product(&self, factors: impl Iterator<Item = u64>) -> Ball {
        let bits = self.precision.bits;
        let mut product = BigUint::from(1_u32);
        let mut exponent = 0;
        let mut cut = |product: &mut BigUint, kept_bits: u64| {
            let excess = product.bits().saturating_sub(kept_bits);
            *product >>= excess;
            exponent += excess;
        };
        for factor in factors {
            // Short factors need no long multiplication where a digit is 32 bits.
            match u32::try_from(factor) {
                Ok(short) => product *= short,
                Err(_) => product *= factor,
            }
            // Not each time: a few words more cost less than the shift.
            if product.bits() > bits + 512 {
                cut(&mut product, bits + 32);
            }
        }
        cut(&mut product, bits + 1);
        let length = product.bits();
        let middle = product << (bits + 1 - length);
        let ball = Ball::from_units(middle.into(), 2);
        let whole = self.ln_2.clone().times(exponent + length - 1);
        self.precision.ln(&ball, &self.ln_2).plus(&whole)
    }

    /// From here on the series reach the precision: their terms shrink as far as
    /// e^−2πx. For high precisions it is far more than needed, since factors cost
    /// less than terms, which all have to be held.
    fn argument_min(&self) -> u64 {
        (self.precision.bits * self.precision.bits / 512).max(ARGUMENT_MIN)
    }

    /// What the series at `argument` and above need.
    fn tail(&self, argument: u64) -> Tail {
        Tail::new(bernoulli::terms(self.precision.bits, argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coarse ball holds the fine one, however the argument lies to where the
    /// series begin.
    #[test]
    fn radii_hold_at_every_precision() {
        let (coarse, fine) = (Precision { bits: 300 }, Precision { bits: 1500 });
        let (rough, exact) = (Logarithms::new(coarse), Logarithms::new(fine));
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(3),
            Kind::Multifactorial(1_000_000_007),
            Kind::Subfactorial,
            Kind::Superfactorial,
            Kind::Hyperfactorial,
            Kind::Alternating,
        ] {
            for n in [40, 174, 175, 176, 1000, 4394, 4395, 9000, 1 << 33, u64::MAX] {
                let (low, high) = rough.of(kind, n).expect("a series").bounds();
                let (exact_low, exact_high) = exact.of(kind, n).expect("a series").bounds();
                let shift = fine.bits - coarse.bits;
                assert!(
                    low << shift <= exact_low && exact_high <= high.clone() << shift,
                    "{kind:?} {n}"
                );
                // Narrow enough to be of use: less than n² and a few more bits.
                if kind == Kind::Subfactorial && n < 700 {
                    continue;
                }
                let width = (exact_high - exact_low).bits();
                assert!(
                    width < 40 + 2 * u64::from(n.ilog2()),
                    "{kind:?} {n}: {width}"
                );
            }
        }
    }
}
