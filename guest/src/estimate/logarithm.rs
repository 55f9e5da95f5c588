//! Certified logarithms of every kind of number but the primorial, from n alone.
//!
//! The base is Stirling's series ln Γ(x) = (x − ½) ln x − x + ½ ln 2π +
//! Σ `B_2j` / (2j (2j−1) x^(2j−1)), whose remainder is smaller than the first omitted term
//! (NIST DLMF 5.11(ii)), and a similar series for the hyperfactorial. Both need an
//! argument that grows with the precision; smaller factors are multiplied or summed
//! directly. Any n of 64 bits takes a few dozen long operations, a thousand digits a few
//! thousand.

use num_bigint::{BigInt, BigUint};

use super::ball::{Ball, Precision};
use super::bernoulli::{self, BernoulliSum};
use crate::number::product_tree::count_progression;
use crate::request::Kind;

/// Smallest argument of the series at any precision.
const ARGUMENT_MIN: u64 = 64;

/// Computes logarithms at one precision. Holds the constants that all kinds share.
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

    /// Computes ln of a number above 2^128. `None` for the primorial, which has no series.
    pub(crate) fn ln_number(&self, kind: Kind, n: u64) -> Option<Ball> {
        Some(match kind {
            Kind::Factorial | Kind::Multifactorial(0 | 1) => self.ln_factorial(n),
            Kind::Multifactorial(step) => self.ln_multifactorial(n, step),
            Kind::Subfactorial => self.ln_subfactorial(n),
            Kind::Primorial => return None,
            Kind::Superfactorial => {
                // sf(n) = n!^(n+1) / H(n)
                let power = self.ln_factorial(n).mul(u128::from(n) + 1);
                power.sub(&self.ln_hyperfactorial(n))
            }
            Kind::Hyperfactorial => self.ln_hyperfactorial(n),
            Kind::Alternating => self.ln_alternating(n),
        })
    }

    fn ln(&self, value: impl Into<BigInt>) -> Ball {
        self.precision
            .ln(&self.precision.integer(value), &self.ln_2)
    }

    /// Computes ln n! by n! = n · Γ(n), or by the product for small n.
    fn ln_factorial(&self, n: u64) -> Ball {
        if n <= self.argument_min() {
            return self.ln_product(1..=n);
        }
        let ln = self.ln(n);
        let tail = self.prepare_tail(n);
        self.ln_gamma(u128::from(n), 1, &ln, &tail).add(&ln)
    }

    /// Computes ln !n. Since !n is n!/e rounded, it differs from n!/e by less than ½, and
    /// the logarithms by less than 2/n!.
    fn ln_subfactorial(&self, n: u64) -> Ball {
        // !34 is below 2^128, 35! > 2^132, and n! > (n/e)^n > (n/4)^n.
        let close_bits = n.saturating_mul(u64::from(n.max(4).ilog2() - 2)).max(132) - 1;
        let units = BigUint::from(1_u32) << self.precision.bits.saturating_sub(close_bits);
        self.ln_factorial(n)
            .sub(&self.precision.integer(1))
            .widen(units)
    }

    /// Computes ln af(n) by af(n) = n! (1 − 1/n + 1/n(n−1) − … ± 1/n(n−1)…2).
    fn ln_alternating(&self, n: u64) -> Ball {
        // Each term is truncated by less than two units; once a term is zero, all
        // following terms together are less than one.
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
        self.ln_factorial(n)
            .add(&self.precision.ln(&factor, &self.ln_2))
    }

    /// Computes ln n!(k). All but the first factors are k (x + j) with x = r/k: their
    /// product is a power of k times a quotient of two values of Γ.
    fn ln_multifactorial(&self, n: u64, step: u32) -> Ball {
        let step = u64::from(step);
        let count = count_progression(n, step);
        // r, the smallest factor, is from 1 to k.
        let smallest = n - step * (count.saturating_sub(1));
        let plain = count.min(self.argument_min());
        let largest_plain = smallest + step * plain.saturating_sub(1);
        let head = self.ln_product((0..plain).map(|index| smallest + step * index));
        if plain == count {
            return head;
        }
        let ln_step = self.ln(step);
        let tail = self.prepare_tail(plain);
        let ln_gamma = |numerator: u128| {
            let ln = self.ln(numerator).sub(&ln_step);
            self.ln_gamma(numerator, step, &ln, &tail)
        };
        let quotient = ln_gamma(u128::from(n) + u128::from(step))
            .sub(&ln_gamma(u128::from(largest_plain) + u128::from(step)));
        head.add(&quotient).add(&ln_step.mul(count - plain))
    }

    /// Computes ln Γ(x) for x = a/k, where `ln` is ln x.
    fn ln_gamma(&self, a: u128, k: u64, ln: &Ball, tail: &BernoulliSum) -> Ball {
        let wide = u128::from(k);
        // (x − ½) ln x − x + ½ ln 2π; a < 2^65, so that nothing overflows.
        let sum = ln.clone().mul(2 * a - wide).div(2 * wide);
        sum.sub(&self.precision.ratio(a, wide))
            .add(&self.half_ln_2_pi)
            .add(&tail.for_gamma(self.precision, a, k))
    }

    /// Computes ln H(n): a sum up to some m, then the Euler–Maclaurin formula of x ln x,
    /// ln H(n) − ln H(m) = f(n) − f(m) with
    ///
    /// f(x) = (x²/2 + x/2 + 1/12) ln x − x²/4 −
    /// Σ `B_2j` / ((2j−2) (2j−1) 2j x^(2j−2)), j from 2.
    ///
    /// Each derivative of x ln x from the second on keeps its sign: the remainder of each
    /// f is smaller than its first omitted term.
    fn ln_hyperfactorial(&self, n: u64) -> Ball {
        let plain = n.min(self.argument_min());
        let sum = self.sum_hyperfactorial(plain);
        if plain == n {
            return sum;
        }
        let tail = self.prepare_tail(plain);
        let f = |x: u64| {
            let ln = self.ln(x);
            let wide = u128::from(x);
            // x (x+1) / 2 fits into 128 bits.
            let whole = ln.clone().mul(wide * (wide + 1) / 2);
            whole
                .add(&ln.div(12))
                .sub(&self.precision.ratio(wide * wide, 4))
                .add(&tail.for_hyperfactorial(self.precision, x))
        };
        sum.add(&f(n)).sub(&f(plain))
    }

    /// Computes Σ k ln k for k up to m: for each bit, the logarithm of the product of all k
    /// that have it.
    fn sum_hyperfactorial(&self, m: u64) -> Ball {
        let bits = u64::BITS - m.leading_zeros();
        (0..bits).fold(self.precision.integer(0), |sum, bit| {
            let product = self.ln_product((1..=m).filter(|k| k >> bit & 1 == 1));
            sum.add(&product.mul(1_u64 << bit))
        })
    }

    /// Computes ln of a product of fewer than 2^29 positive factors.
    ///
    /// Each truncation keeps the first bits + 32 bits and loses less than 2^−(bits+31) of
    /// the product: all of them lose less than 2^−(bits+2). With the last truncation that
    /// is less than two units of a mantissa between 1 and 2.
    fn ln_product(&self, factors: impl Iterator<Item = u64>) -> Ball {
        let bits = self.precision.bits;
        let mut product = BigUint::from(1_u32);
        let mut exponent = 0;
        let mut truncate = |product: &mut BigUint, bits_max: u64| {
            let excess = product.bits().saturating_sub(bits_max);
            *product >>= excess;
            exponent += excess;
        };
        for factor in factors {
            // A factor of 32 bits is one digit of a big integer on WebAssembly.
            match u32::try_from(factor) {
                Ok(short) => product *= short,
                Err(_) => product *= factor,
            }
            // A few more words cost less than a shift after each factor.
            if product.bits() > bits + 512 {
                truncate(&mut product, bits + 32);
            }
        }
        truncate(&mut product, bits + 1);
        let length = product.bits();
        let middle = product << (bits + 1 - length);
        let ball = Ball::from_units(middle.into(), 2);
        let whole = self.ln_2.clone().mul(exponent + length - 1);
        self.precision.ln(&ball, &self.ln_2).add(&whole)
    }

    /// Returns the smallest argument for which the series reach the precision: their terms
    /// shrink to e^−2πx. High precisions use far larger arguments than needed, since
    /// factors cost less time and memory than terms.
    fn argument_min(&self) -> u64 {
        (self.precision.bits * self.precision.bits / 512).max(ARGUMENT_MIN)
    }

    /// Prepares the sums for arguments of at least `argument`.
    fn prepare_tail(&self, argument: u64) -> BernoulliSum {
        BernoulliSum::new(bernoulli::count_terms(self.precision.bits, argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coarse ball contains the fine one, on both sides of the start of the series.
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
                let (low, high) = rough.ln_number(kind, n).expect("a series").bounds();
                let (exact_low, exact_high) = exact.ln_number(kind, n).expect("a series").bounds();
                let shift = fine.bits - coarse.bits;
                assert!(
                    low << shift <= exact_low && exact_high <= high.clone() << shift,
                    "{kind:?} {n}"
                );
                // The balls are narrow: less than n² and a few more bits.
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
