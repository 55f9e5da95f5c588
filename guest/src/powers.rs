//! Products of prime powers: factorials, double factorials, primorials, super-
//! and hyperfactorials.
//!
//! Each is first written as Π p^e(p), with exponents from closed forms. Powers of
//! ten are taken out, since they are only zeros at the end. The rest is evaluated
//! bit by bit of the exponents, from the highest: square what there is, multiply
//! by the primes whose exponent has the bit (A. Schönhage 1994; P. Borwein, "On
//! the complexity of calculating factorials", 1985). The last squaring dominates,
//! and the powers of two among the rest cost nothing of their own.
#![expect(
    clippy::cast_precision_loss,
    reason = "how long a power is need not be known exactly, only alike everywhere"
)]

use alloc::vec::Vec;

use crate::direct::DIRECT_LIMBS_MAX;
use crate::multiply::Multiplier;
use crate::natural::Natural;
use crate::product::Factors;
use crate::request::Kind;
use crate::sieve;

/// Up to so many factors are multiplied one after the other rather than by squaring:
/// in a sandbox a product takes a quarter of a microsecond however short it is.
const PLAIN_FACTORS_MAX: u64 = 256;

/// For each bit, where the runs end whose exponents reach it.
type Ends = [usize; u64::BITS as usize];

/// A number as powers of primes.
pub(crate) struct PrimePowers {
    /// In ascending order.
    primes: Vec<u64>,
    /// Of one exponent each: large primes have few.
    runs: Vec<Run>,
    /// The exponent of ten, which is not among the others.
    pub(crate) tens: u64,
}

/// Primes in a row that have the same exponent.
struct Run {
    /// Positive.
    exponent: u64,
    /// Where it ends among the primes.
    end: usize,
}

impl PrimePowers {
    /// The prime powers of a number, unless it is of a kind that is no product of
    /// known primes.
    pub(crate) fn of(kind: Kind, n: u64) -> Option<Self> {
        exponent(kind, n, 2)?;
        let primes_max = count_max(largest(kind, n));
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

    /// None yet, with room for so many primes.
    pub(crate) fn with_capacity(primes: usize) -> Self {
        Self {
            primes: Vec::with_capacity(primes),
            runs: Vec::new(),
            tens: 0,
        }
    }

    /// Adds a power of a prime that is larger than those before. Its exponent is positive.
    pub(crate) fn push(&mut self, prime: u64, exponent: u64) {
        self.primes.push(prime);
        let end = self.primes.len();
        match self.runs.last_mut() {
            Some(run) if run.exponent == exponent => run.end = end,
            _ => self.runs.push(Run { exponent, end }),
        }
    }

    /// The exponent of ten that is taken out, 0 for all other kinds.
    pub(crate) fn tens(kind: Kind, n: u64) -> u64 {
        let exponent = |prime| exponent(kind, n, prime).unwrap_or(0);
        exponent(2).min(exponent(5))
    }

    /// The product of the powers, without the tens.
    pub(crate) fn product(&self, multiplier: &mut Multiplier) -> Natural {
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
        let mut product = self.plain(2 * pairs, &ends, multiplier);
        for pair in (0..pairs).rev() {
            product = multiplier.square(&product);
            if product.limbs().len() <= DIRECT_LIMBS_MAX {
                // Nothing is gained by a factor of its own where there are no
                // transforms.
                let high = self.with_bit(2 * pair + 1, &ends, multiplier);
                product = multiplier.product(&product, &high);
                product = multiplier.square(&product);
                let low = self.with_bit(2 * pair, &ends, multiplier);
                product = multiplier.product(&product, &low);
                continue;
            }
            product = multiplier.square(&product);
            let high = self.with_bit(2 * pair + 1, &ends, multiplier);
            let high = multiplier.square(&high);
            let low = self.with_bit(2 * pair, &ends, multiplier);
            let factor = multiplier.product(&high, &low);
            // Powers that were dealt out by the four have no such factors.
            if !factor.is_one() {
                product = multiplier.product(&product, &factor);
            }
        }
        product
    }

    /// Up to where exponents have a bit, or a higher one: mostly those of small primes.
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

    /// Exponents and primes of those runs.
    fn runs_to(&self, bit: u32, ends: &Ends) -> impl Iterator<Item = (u64, &[u64])> {
        let mut start = 0;
        self.runs[..ends[bit as usize]].iter().map(move |run| {
            let primes = &self.primes[start..run.end];
            start = run.end;
            (run.exponent, primes)
        })
    }

    /// The product without the lowest bits of the exponents, one factor after the
    /// other.
    fn plain(&self, bits: u32, ends: &Ends, multiplier: &mut Multiplier) -> Natural {
        let mut factors = Factors::with_capacity(0);
        for (exponent, primes) in self.runs_to(bits, ends) {
            for &prime in primes {
                for _ in 0..exponent >> bits {
                    factors.push(prime);
                }
            }
        }
        factors.product(multiplier)
    }

    /// The product of the primes whose exponents have a bit.
    fn with_bit(&self, bit: u32, ends: &Ends, multiplier: &mut Multiplier) -> Natural {
        let mut factors = Factors::with_capacity(0);
        for (exponent, primes) in self.runs_to(bit, ends) {
            if exponent >> bit & 1 == 1 {
                for &prime in primes {
                    factors.push(prime);
                }
            }
        }
        factors.product(multiplier)
    }
}

/// The exponent of a prime in a number, or `None` for kinds of which it is not
/// known.
pub(crate) fn exponent(kind: Kind, n: u64, prime: u64) -> Option<u64> {
    Some(match kind {
        Kind::Factorial | Kind::Multifactorial(0 | 1) => legendre(n, prime),
        // (2m)!! = 2^m · m!
        Kind::Multifactorial(2) if n.is_multiple_of(2) => {
            legendre(n / 2, prime) + if prime == 2 { n / 2 } else { 0 }
        }
        // n! without the even factors, which are 2^((n−1)/2) · ((n−1)/2)!
        Kind::Multifactorial(2) if prime == 2 => 0,
        Kind::Multifactorial(2) => legendre(n, prime) - legendre(n / 2, prime),
        Kind::Primorial => u64::from(prime <= n),
        Kind::Superfactorial => narrow(superfactorial_exponent(n, prime)),
        Kind::Hyperfactorial => narrow(hyperfactorial_exponent(n, prime)),
        Kind::Multifactorial(_) | Kind::Subfactorial | Kind::Alternating => return None,
    })
}

/// Up to where all primes from this one on are known to have its exponent.
fn same_exponent_to(kind: Kind, n: u64, prime: u64, exponent: u64) -> u64 {
    match kind {
        // ⌊n / p⌋, where no square of it divides any number up to n.
        Kind::Factorial if exponent > 0 && exponent < prime => n / exponent,
        Kind::Primorial => n,
        _ => prime,
    }
}

/// No prime above this has a power.
pub(crate) fn largest(kind: Kind, n: u64) -> u64 {
    match kind {
        // (2m)!! = 2^m · m!
        Kind::Multifactorial(2) if n.is_multiple_of(2) => (n / 2).max(2),
        _ => n,
    }
}

/// Calls `visit` with each prime of the wanted segments of the sieve that has a power,
/// and its exponent, without those of ten.
pub(crate) fn for_each_power(
    kind: Kind,
    n: u64,
    wanted: impl Fn(u64) -> bool,
    mut visit: impl FnMut(u64, u64),
) {
    let tens = PrimePowers::tens(kind, n);
    // The exponent of a prime, and up to where others are known to have the same.
    let (mut exponent_here, mut here) = (0, 0);
    sieve::for_each_prime_of(largest(kind, n), wanted, |prime| {
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

/// log2 of a number, to a hundredth: log2(1 + f) is about f + 0.347 f (1 − f).
pub(crate) fn log(number: u64) -> f64 {
    let bits = number.checked_ilog2().unwrap_or(0);
    let fraction = number as f64 / (1_u64 << bits) as f64 - 1.0;
    f64::from(bits) + fraction + 0.347 * fraction * (1.0 - fraction)
}

/// At least as many as there are primes up to `bound`.
///
/// π(x) < 1.25506 x / ln x (Rosser and Schoenfeld 1962, corollary 1), and
/// ln x > 0.6931 ⌊log2 x⌋.
pub(crate) fn count_max(bound: u64) -> u64 {
    let bits = u64::from(bound.max(2).ilog2());
    bound.saturating_mul(1_811) / (1000 * bits) + 4
}

/// Bytes of a list of so many primes.
pub(crate) fn list_bytes(primes: u64) -> u64 {
    primes.saturating_mul(size_of::<u64>() as u64)
}

/// The exponents fit into 64 bits for any n whose number fits into a memory.
fn narrow(exponent: u128) -> u64 {
    u64::try_from(exponent).unwrap_or(u64::MAX)
}

/// The exponent of the prime in sf(n), Σ_{m≤n} `v_p(m`!) = `Σ_j` Σ_{m≤n} ⌊m / p^j⌋.
///
/// The inner sum is p^j · t(t−1)/2 + t · (r+1) where n = t · p^j + r.
pub fn superfactorial_exponent(n: u64, prime: u64) -> u128 {
    sum_over_powers(n, prime, |power, t| {
        u128::from(power) * (u128::from(t) * u128::from(t - 1) / 2)
            + u128::from(t) * (u128::from(n % power) + 1)
    })
}

/// The exponent of the prime in H(n): the sum of the multiples of each p^j up to
/// n, which is p^j · t(t+1)/2 where t = ⌊n / p^j⌋.
pub fn hyperfactorial_exponent(n: u64, prime: u64) -> u128 {
    sum_over_powers(n, prime, |power, t| {
        u128::from(power) * (u128::from(t) * (u128::from(t) + 1) / 2)
    })
}

/// The exponent of the prime in n!, which is Σ ⌊n / p^j⌋ (Legendre 1808).
pub fn legendre(n: u64, prime: u64) -> u64 {
    let mut exponent = 0;
    if let (Ok(n), Ok(prime)) = (u32::try_from(n), u32::try_from(prime)) {
        // Divisions of 32 bits are faster.
        let mut quotient = n;
        while quotient >= prime {
            quotient /= prime;
            exponent += u64::from(quotient);
        }
        return exponent;
    }
    let mut quotient = n;
    while quotient >= prime {
        quotient /= prime;
        exponent += quotient;
    }
    exponent
}

/// Σ over the powers p^j ≤ n of `term(p^j, ⌊n / p^j⌋)`, each at most n²/p^j.
fn sum_over_powers(n: u64, prime: u64, term: impl Fn(u64, u64) -> u128) -> u128 {
    let mut sum = 0;
    let mut power = Some(prime);
    while let Some(divisor) = power.filter(|&divisor| divisor <= n) {
        sum += term(divisor, n / divisor);
        power = divisor.checked_mul(prime);
    }
    sum
}

#[cfg(test)]
impl PrimePowers {
    /// Primes with their exponents.
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
    use crate::product::progression;
    use crate::shares;
    use num_bigint::BigUint;

    /// The number from its prime powers, in `parts` parts.
    fn number(kind: Kind, n: u64, parts: usize) -> BigUint {
        let mut multiplier = Multiplier::proved();
        let mut number = BigUint::from(1_u32);
        for index in 0..parts {
            let share = shares::share(kind, n, index, parts).expect("a product of primes");
            number *= share.product(&mut multiplier).to_big();
        }
        let powers = PrimePowers::of(kind, n).expect("a product of primes");
        let tens = u32::try_from(powers.tens).expect("few");
        assert_eq!(number, powers.product(&mut multiplier).to_big());
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
            let parts = 1 + usize::try_from(n).expect("small") % 4;
            assert_eq!(number(Kind::Factorial, n, parts), factorial_naive, "{n}!");
            let superfactorial = number(Kind::Superfactorial, n, parts);
            assert_eq!(superfactorial, super_naive, "sf({n})");
            let hyperfactorial = number(Kind::Hyperfactorial, n, parts);
            assert_eq!(hyperfactorial, hyper_naive, "H({n})");
            if n > 0 {
                let mut multiplier = Multiplier::proved();
                assert_eq!(
                    number(Kind::Multifactorial(2), n, parts),
                    progression(n, 2, n.div_ceil(2), &mut multiplier).to_big(),
                    "{n}!!"
                );
            }
        }
    }

    /// Where squares of 32-bit numbers overflow.
    #[test]
    fn agree_around_the_edges_of_32_bits() {
        let mut multiplier = Multiplier::proved();
        for n in [46_340, 46_341, 65_535, 65_536, 65_537] {
            let plain = progression(n, 1, n, &mut multiplier).to_big();
            assert_eq!(number(Kind::Factorial, n, 2), plain, "{n}!");
        }
    }

    #[test]
    fn there_is_room_for_all_primes() {
        for bound in (0..2000).chain([10_000, 100_000, 1_000_000]) {
            let mut count = 0;
            sieve::for_each_prime(bound, |_| count += 1);
            assert!(count <= count_max(bound), "{bound}");
        }
    }
}
