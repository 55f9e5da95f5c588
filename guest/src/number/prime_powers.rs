//! Products of prime powers: factorials, double factorials, primorials, super- and
//! hyperfactorials.
//!
//! Each number is first written as Π p^e(p), with exponents from closed forms. Powers of
//! ten are split off, since they are zeros at the end. The rest is evaluated bit by bit
//! of the exponents, from the highest: square the product so far, then multiply by the
//! primes whose exponents have the bit (A. Schönhage 1994; P. Borwein, "On the complexity
//! of calculating factorials", 1985). The last squaring dominates.
#![expect(
    clippy::cast_precision_loss,
    reason = "lengths are estimates, which only have to be the same in every sandbox"
)]

use alloc::vec::Vec;

use super::exponents::exponent;
use super::product_tree::Factors;
use super::sieve;
use crate::mul::Multiplier;
use crate::mul::schoolbook::SHORT_LIMBS_MAX;
use crate::natural::Natural;
use crate::request::Kind;

/// Most factors that are multiplied one by one instead of by squaring, as measured in
/// `benches/README.md`.
const PLAIN_FACTORS_MAX: u64 = 256;

/// For each bit, the end of the runs whose exponents are at least that bit's power of two.
type Ends = [usize; u64::BITS as usize];

/// A number as powers of primes.
pub(crate) struct PrimePowers {
    /// Primes in ascending order.
    primes: Vec<u64>,
    /// Runs of primes with equal exponents: the exponents of large primes rarely change.
    runs: Vec<Run>,
    /// The exponent of ten, by which the exponents of 2 and 5 are reduced.
    pub(crate) tens: u64,
}

/// Consecutive primes with the same exponent.
struct Run {
    /// The exponent, which is positive.
    exponent: u64,
    /// End of the run in the list of primes.
    end: usize,
}

impl PrimePowers {
    /// Factors a number. `None` for kinds that are not products of known primes.
    pub(crate) fn factor(kind: Kind, n: u64) -> Option<Self> {
        exponent(kind, n, 2)?;
        let primes_max = prime_count_max(largest_prime_max(kind, n));
        let mut powers = Self::with_capacity(usize::try_from(primes_max).unwrap_or(0));
        for_each_power(
            kind,
            n,
            |_| true,
            |prime, exponent| powers.push(prime, exponent),
        );
        powers.tens = Self::tens(kind, n);
        Some(powers)
    }

    /// Creates an empty product with capacity for `primes` primes.
    pub(crate) fn with_capacity(primes: usize) -> Self {
        Self {
            primes: Vec::with_capacity(primes),
            runs: Vec::new(),
            tens: 0,
        }
    }

    /// Appends a power of a prime. Primes must ascend, and exponents be positive.
    pub(crate) fn push(&mut self, prime: u64, exponent: u64) {
        debug_assert!(exponent > 0 && self.primes.last().is_none_or(|&last| last < prime));
        self.primes.push(prime);
        let end = self.primes.len();
        match self.runs.last_mut() {
            Some(run) if run.exponent == exponent => run.end = end,
            _ => self.runs.push(Run { exponent, end }),
        }
    }

    /// Returns the exponent of ten that is split off. 0 for kinds that are not products of
    /// known primes.
    pub(crate) fn tens(kind: Kind, n: u64) -> u64 {
        let exponent = |prime| exponent(kind, n, prime).unwrap_or(0);
        exponent(2).min(exponent(5))
    }

    /// Multiplies the powers, without the powers of ten.
    pub(crate) fn multiply(&self, multiplier: &mut Multiplier) -> Natural {
        let exponent_max = self.runs.iter().map(|run| run.exponent).max();
        let mut pairs = exponent_max.unwrap_or(0).checked_ilog2().unwrap_or(0) / 2 + 1;
        let ends = self.ends();
        let factors = self
            .runs_to(0, &ends)
            .fold(0_u64, |sum, (exponent, primes)| {
                sum.saturating_add(exponent.saturating_mul(primes.len() as u64))
            });
        while pairs > 0 && factors >> (2 * (pairs - 1)) <= PLAIN_FACTORS_MAX {
            pairs -= 1;
        }
        let mut product = self.multiply_plain(2 * pairs, &ends, multiplier);
        for pair in (0..pairs).rev() {
            product = multiplier.square(&product);
            if product.limbs().len() <= SHORT_LIMBS_MAX {
                // Without transforms, a separate factor saves nothing.
                let high = self.multiply_bit(2 * pair + 1, &ends, multiplier);
                product = multiplier.multiply(&product, &high);
                product = multiplier.square(&product);
                let low = self.multiply_bit(2 * pair, &ends, multiplier);
                product = multiplier.multiply(&product, &low);
                continue;
            }
            product = multiplier.square(&product);
            let high = self.multiply_bit(2 * pair + 1, &ends, multiplier);
            let high = multiplier.square(&high);
            let low = self.multiply_bit(2 * pair, &ends, multiplier);
            let factor = multiplier.multiply(&high, &low);
            // Shares of whole units have no such factors; see `fanout::shares`.
            if !factor.is_one() {
                product = multiplier.multiply(&product, &factor);
            }
        }
        product
    }

    /// Computes the end of the runs that each bit concerns: mostly those of small primes.
    fn ends(&self) -> Ends {
        let mut ends = [0; u64::BITS as usize];
        for (index, run) in self.runs.iter().enumerate() {
            ends[run.exponent.ilog2() as usize] = index + 1;
        }
        let mut longest = 0;
        for end in ends.iter_mut().rev() {
            longest = longest.max(*end);
            *end = longest;
        }
        ends
    }

    /// Iterates over exponents and primes of the runs that the bit concerns.
    fn runs_to(&self, bit: u32, ends: &Ends) -> impl Iterator<Item = (u64, &[u64])> {
        let mut start = 0;
        self.runs[..ends[bit as usize]].iter().map(move |run| {
            let primes = &self.primes[start..run.end];
            start = run.end;
            (run.exponent, primes)
        })
    }

    /// Multiplies p^(e >> `bits`), prime by prime.
    fn multiply_plain(&self, bits: u32, ends: &Ends, multiplier: &mut Multiplier) -> Natural {
        let mut factors = Factors::with_capacity(0);
        for (exponent, primes) in self.runs_to(bits, ends) {
            for &prime in primes {
                for _ in 0..exponent >> bits {
                    factors.push(prime);
                }
            }
        }
        factors.multiply(multiplier)
    }

    /// Multiplies the primes whose exponents have the bit.
    fn multiply_bit(&self, bit: u32, ends: &Ends, multiplier: &mut Multiplier) -> Natural {
        let mut factors = Factors::with_capacity(0);
        for (exponent, primes) in self.runs_to(bit, ends) {
            if exponent >> bit & 1 == 1 {
                for &prime in primes {
                    factors.push(prime);
                }
            }
        }
        factors.multiply(multiplier)
    }
}

/// Returns a bound up to which all primes from `prime` on have its exponent.
fn same_exponent_to(kind: Kind, n: u64, prime: u64, exponent: u64) -> u64 {
    match kind {
        // ⌊n / p⌋, where no square of it divides any number up to n.
        Kind::Factorial if exponent > 0 && exponent < prime => n / exponent,
        Kind::Primorial => n,
        _ => prime,
    }
}

/// Returns a bound on the primes of a number.
pub(crate) fn largest_prime_max(kind: Kind, n: u64) -> u64 {
    match kind {
        // (2m)!! = 2^m · m!
        Kind::Multifactorial(2) if n.is_multiple_of(2) => (n / 2).max(2),
        _ => n,
    }
}

/// Calls `visit` with each prime of a number and its exponent, without the powers of ten.
/// `is_wanted` selects segments of the sieve.
pub(crate) fn for_each_power(
    kind: Kind,
    n: u64,
    is_wanted: impl Fn(u64) -> bool,
    mut visit: impl FnMut(u64, u64),
) {
    let tens = PrimePowers::tens(kind, n);
    // The exponent of all primes up to `here`.
    let (mut exponent_here, mut here) = (0, 0);
    sieve::for_each_prime_in(largest_prime_max(kind, n), is_wanted, |prime| {
        if prime > here {
            exponent_here = exponent(kind, n, prime).unwrap_or(0);
            here = same_exponent_to(kind, n, prime, exponent_here);
        }
        let exponent = match prime {
            2 | 5 => exponent_here - tens,
            _ => exponent_here,
        };
        if exponent > 0 {
            visit(prime, exponent);
        }
    });
}

/// Returns log2 of a number to 0.01: log2(1 + f) is about f + 0.347 f (1 − f).
pub(crate) fn log2(number: u64) -> f64 {
    let bits = number.checked_ilog2().unwrap_or(0);
    let fraction = number as f64 / (1_u64 << bits) as f64 - 1.0;
    f64::from(bits) + fraction + 0.347 * fraction * (1.0 - fraction)
}

/// Bounds the number of primes up to `bound`.
///
/// π(x) < 1.25506 x / ln x (Rosser and Schoenfeld 1962, corollary 1), and
/// ln x > 0.6931 ⌊log2 x⌋.
pub(crate) fn prime_count_max(bound: u64) -> u64 {
    let bits = u64::from(bound.max(2).ilog2());
    bound.saturating_mul(1_811) / (1000 * bits) + 4
}

/// Returns the bytes of a list of this many primes.
pub(crate) fn prime_list_bytes(primes: u64) -> u64 {
    primes.saturating_mul(size_of::<u64>() as u64)
}

#[cfg(test)]
impl PrimePowers {
    /// Iterates over primes and exponents.
    pub(crate) fn powers(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut start = 0;
        self.runs.iter().flat_map(move |run| {
            let primes = &self.primes[start..run.end];
            start = run.end;
            primes.iter().map(|&prime| (prime, run.exponent))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::product_tree::multiply_progression;
    use num_bigint::BigUint;

    /// Computes the number from its prime powers.
    fn number(kind: Kind, n: u64) -> BigUint {
        let powers = PrimePowers::factor(kind, n).expect("a product of primes");
        let tens = u32::try_from(powers.tens).expect("few");
        let number = powers.multiply(&mut Multiplier::proved()).to_big();
        number * BigUint::from(10_u32).pow(tens)
    }

    #[test]
    fn agree_with_plain_products() {
        let mut factorial_naive = BigUint::from(1_u32);
        let mut super_naive = BigUint::from(1_u32);
        let mut hyper_naive = BigUint::from(1_u32);
        for n in 0..200_u64 {
            if n > 0 {
                factorial_naive *= n;
                super_naive *= &factorial_naive;
                hyper_naive *= BigUint::from(n).pow(u32::try_from(n).expect("small"));
            }
            assert_eq!(number(Kind::Factorial, n), factorial_naive, "{n}!");
            let superfactorial = number(Kind::Superfactorial, n);
            assert_eq!(superfactorial, super_naive, "sf({n})");
            let hyperfactorial = number(Kind::Hyperfactorial, n);
            assert_eq!(hyperfactorial, hyper_naive, "H({n})");
            if n > 0 {
                let mut multiplier = Multiplier::proved();
                assert_eq!(
                    number(Kind::Multifactorial(2), n),
                    multiply_progression(n, 2, n.div_ceil(2), &mut multiplier).to_big(),
                    "{n}!!"
                );
            }
        }
    }

    /// Squares of 32-bit numbers overflow here.
    #[test]
    fn agree_around_the_edges_of_32_bits() {
        let mut multiplier = Multiplier::proved();
        for n in [46_340, 46_341, 65_535, 65_536, 65_537] {
            let plain = multiply_progression(n, 1, n, &mut multiplier).to_big();
            assert_eq!(number(Kind::Factorial, n), plain, "{n}!");
        }
    }

    #[test]
    fn prime_counts_are_bounded() {
        for bound in (0..2000).chain([10_000, 100_000, 1_000_000]) {
            let mut count = 0;
            sieve::for_each_prime(bound, |_| count += 1);
            assert!(count <= prime_count_max(bound), "{bound}");
        }
    }
}
