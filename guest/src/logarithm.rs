//! ln of every kind of number, as a ball, from n alone.
//!
//! All rest on Stirling's series ln Γ(x) = (x − ½) ln x − x + ½ ln 2π +
//! Σ `B_2j` / (2j (2j−1) x^(2j−1)), whose remainder is smaller than the first term
//! left out (NIST DLMF 5.11(ii)), and on its like for the hyperfactorial. A few
//! dozen long operations answer for any n of 64 bits.

use num_bigint::{BigInt, BigUint};

use crate::ball::{Ball, Precision};
use crate::product;
use crate::request::Kind;

/// Smallest argument of Stirling's series for multifactorials, whose first
/// factors are multiplied out.
const ARGUMENT_MIN: u64 = 64;

/// Bernoulli's numbers `B_2`, `B_4`, … as fractions; the last only bounds what is
/// left out.
const BERNOULLI: [(i64, u32); 13] = [
    (1, 6),
    (-1, 30),
    (1, 42),
    (-1, 30),
    (5, 66),
    (-691, 2730),
    (7, 6),
    (-3617, 510),
    (43867, 798),
    (-174_611, 330),
    (854_513, 138),
    (-236_364_091, 2730),
    (8_553_103, 6),
];

/// ln A, the logarithm of the constant of Glaisher and Kinkelin (OEIS A225746),
/// cut off after [`LN_GLAISHER_PLACES`] places.
const LN_GLAISHER: &str = "248754477033784262547252993576113976097369713668535116999855639690693032999910506092858433665842088871710453521218226445";
const LN_GLAISHER_PLACES: u32 = 120;

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

    /// n! = n · Γ(n).
    fn factorial(&self, n: u64) -> Ball {
        let ln = self.ln(n);
        self.gamma(u128::from(n), 1, &ln).plus(&ln)
    }

    /// !n = n!/e, rounded: it differs by less than ½, so that its logarithm
    /// differs by less than 2/n!.
    fn subfactorial(&self, n: u64) -> Ball {
        // !34 is below 2^128, 35! > 2^132, 200! > 2^1200.
        let close_bits = if n < 200 { 131 } else { 1199 };
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
        let count = product::progression_count(n, step);
        // r, the smallest factor, from 1 to k.
        let smallest = n - step * (count.saturating_sub(1));
        let plain = count.min(ARGUMENT_MIN);
        let largest_plain = smallest + step * plain.saturating_sub(1);
        let head = self.ln(product::progression(largest_plain, step, plain));
        if plain == count {
            return head;
        }
        let ln_step = self.ln(step);
        let gamma = |numerator: u128| {
            let ln = self.ln(numerator).minus(&ln_step);
            self.gamma(numerator, step, &ln)
        };
        let tail = gamma(u128::from(n) + u128::from(step))
            .minus(&gamma(u128::from(largest_plain) + u128::from(step)));
        head.plus(&tail)
            .plus(&ln_step.times(u128::from(count - plain)))
    }

    /// ln Γ(x) for x = a/k, where `ln` is ln x.
    fn gamma(&self, a: u128, k: u64, ln: &Ball) -> Ball {
        let k = u128::from(k);
        // (x − ½) ln x − x + ½ ln 2π; a < 2^65, so that nothing overflows.
        let mut sum = ln.clone().times(2 * a - k).divided_by(2 * k);
        sum = sum
            .minus(&self.precision.ratio(a, k))
            .plus(&self.half_ln_2_pi);
        let mut power = self.precision.ratio(k, a);
        for (index, (numerator, denominator)) in (1_u128..).zip(BERNOULLI) {
            let scale = u128::from(denominator) * (2 * index) * (2 * index - 1);
            let term = power
                .clone()
                .times(numerator.unsigned_abs().into())
                .divided_by(scale);
            sum = add_term(sum, term, numerator < 0, index);
            power = power.times(k).times(k).divided_by(a).divided_by(a);
        }
        sum
    }

    /// ln H(n) = ln A + (n²/2 + n/2 + 1/12) ln n − n²/4 −
    /// Σ B_(2j+2) / (2j (2j+1) (2j+2) n^(2j)).
    ///
    /// Euler and Maclaurin's sum of x ln x, whose derivatives from the second on
    /// have one sign each: the remainder is smaller than the first term left out.
    fn hyperfactorial(&self, n: u64) -> Ball {
        let ln = self.ln(n);
        let wide = BigInt::from(n);
        let digits: BigUint = LN_GLAISHER.parse().unwrap_or_default();
        let mut sum = self.precision.decimal(&digits, LN_GLAISHER_PLACES);
        // n (n+1) / 2 fits into 128 bits.
        sum = sum.plus(&ln.clone().times(u128::from(n) * (u128::from(n) + 1) / 2));
        sum = sum.plus(&ln.divided_by(12));
        sum = sum.minus(&self.precision.ratio(&wide * &wide, 4));
        let mut power = self.precision.integer(1);
        for (index, (numerator, denominator)) in (1_u128..).zip(BERNOULLI.into_iter().skip(1)) {
            power = power.divided_by(n.into()).divided_by(n.into());
            let scale = u128::from(denominator) * (2 * index) * (2 * index + 1) * (2 * index + 2);
            let term = power
                .clone()
                .times(numerator.unsigned_abs().into())
                .divided_by(scale);
            sum = add_term(sum, term, numerator > 0, index + 1);
        }
        sum
    }
}

/// Adds the term of a series by [`BERNOULLI`]; the last one, counted from 1, only
/// bounds the remainder.
fn add_term(sum: Ball, term: Ball, negative: bool, index: u128) -> Ball {
    if index == BERNOULLI.len() as u128 {
        return sum.widened(term.magnitude());
    }
    sum.plus(&if negative { term.negated() } else { term })
}
