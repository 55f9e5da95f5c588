//! Products of prime powers: factorials, double factorials, primorials, super-
//! and hyperfactorials.
//!
//! Each is first written as Π p^e(p), with exponents from closed forms, and then
//! evaluated bit by bit of the exponents, from the highest: square what there
//! is, multiply by the primes whose exponent has the bit (A. Schönhage 1994;
//! P. Borwein, "On the complexity of calculating factorials", 1985). The last
//! squaring dominates. Powers of two stay out and become one shift at the end.

use num_bigint::BigUint;

use crate::product::Factors;
use crate::sieve::for_each_prime;

/// n! (A000142).
pub fn factorial(n: u64) -> BigUint {
    // e(p) >= 2^bit needs n / (p − 1) > 2^bit (Legendre).
    let odd = odd_prime_powers(
        n,
        |prime| legendre(n, prime),
        |bit| (n >> bit).saturating_add(1),
    );
    odd << (n - u64::from(n.count_ones()))
}

/// n!! for odd n (A001147): n! without the even factors, which are
/// 2^((n−1)/2) · ((n−1)/2)!.
pub fn odd_double_factorial(n: u64) -> BigUint {
    odd_prime_powers(
        n,
        |prime| legendre(n, prime) - legendre(n / 2, prime),
        |bit| (n >> bit).saturating_add(1),
    )
}

/// n# (A034386).
pub fn primorial(n: u64) -> BigUint {
    let mut factors = Factors::with_capacity(primorial_words_max(n));
    for_each_prime(n, |prime| factors.push(prime));
    factors.product()
}

/// Packed words of the primes up to n.
///
/// ln n# < 1.01624 n (Rosser and Schoenfeld 1962, theorem 9), and a word is only
/// closed when the next prime would not fit, so that it holds more than
/// 64 − log2(n) bits.
fn primorial_words_max(n: u64) -> usize {
    let filled_bits = 63_u64
        .saturating_sub(u64::from(n.checked_ilog2().unwrap_or(0)))
        .max(1);
    // 1.01624 / ln 2 < 1.4662.
    let bits = n.saturating_mul(14_662) / 10_000;
    usize::try_from(bits / filled_bits + 2).unwrap_or(0)
}

/// sf(n) = Π k^(n−k+1) (A000178).
pub fn superfactorial(n: u64) -> BigUint {
    from_exponents(n, superfactorial_exponent)
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

/// H(n) = Π k^k (A002109).
pub fn hyperfactorial(n: u64) -> BigUint {
    from_exponents(n, hyperfactorial_exponent)
}

/// The exponent of the prime in H(n): the sum of the multiples of each p^j up to
/// n, which is p^j · t(t+1)/2 where t = ⌊n / p^j⌋.
pub fn hyperfactorial_exponent(n: u64, prime: u64) -> u128 {
    sum_over_powers(n, prime, |power, t| {
        u128::from(power) * (u128::from(t) * (u128::from(t) + 1) / 2)
    })
}

/// Π p^`exponent(n, p)`. The exponents fit into 64 bits for any n whose number
/// fits into a memory.
fn from_exponents(n: u64, exponent: impl Fn(u64, u64) -> u128) -> BigUint {
    let narrow = |prime| u64::try_from(exponent(n, prime)).unwrap_or(u64::MAX);
    odd_prime_powers(n, narrow, |_| n) << exponent(n, 2)
}

/// The exponent of the prime in n!, which is Σ ⌊n / p^j⌋ (Legendre 1808).
pub fn legendre(n: u64, prime: u64) -> u64 {
    let mut exponent = 0;
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

/// Π p^`exponent(p)` over the odd primes up to `bound`.
///
/// Primes above `reach(bit)` must have no exponent of 2^bit or more; this only
/// spares the sieve.
fn odd_prime_powers(
    bound: u64,
    exponent: impl Fn(u64) -> u64,
    reach: impl Fn(u32) -> u64,
) -> BigUint {
    let mut product = BigUint::from(1_u32);
    // No prime's exponent is above that of 3, but in hyperfactorials so small
    // that a prime itself is.
    let exponent_max = exponent(3).max(bound);
    for bit in (0..=exponent_max.checked_ilog2().unwrap_or(0)).rev() {
        product = &product * &product;
        let mut factors = Factors::with_capacity(0);
        for_each_prime(reach(bit).min(bound), |prime| {
            if prime > 2 && exponent(prime) >> bit & 1 == 1 {
                factors.push(prime);
            }
        });
        product *= factors.product();
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::progression;

    #[test]
    fn agree_with_plain_products() {
        let mut factorial_naive = BigUint::from(1_u32);
        let mut super_naive = BigUint::from(1_u32);
        let mut hyper_naive = BigUint::from(1_u32);
        for n in 0..300_u64 {
            if n > 0 {
                factorial_naive *= n;
                super_naive *= &factorial_naive;
                hyper_naive *= BigUint::from(n).pow(u32::try_from(n).expect("small"));
            }
            assert_eq!(factorial(n), factorial_naive, "{n}!");
            assert_eq!(superfactorial(n), super_naive, "sf({n})");
            assert_eq!(hyperfactorial(n), hyper_naive, "H({n})");
            if n % 2 == 1 {
                assert_eq!(
                    odd_double_factorial(n),
                    progression(n, 2, n / 2 + 1),
                    "{n}!!"
                );
            }
        }
    }

    /// Where squares of 32-bit numbers overflow.
    #[test]
    fn agree_around_the_edges_of_32_bits() {
        for n in [46_340, 46_341, 65_535, 65_536, 65_537] {
            assert_eq!(factorial(n), progression(n, 1, n), "{n}!");
        }
    }

    #[test]
    fn primorials_fit_the_room_reserved() {
        for n in [2_u64, 3, 10, 100, 1000, 10_000, 100_000, 1_000_000] {
            let words_max = primorial_words_max(n);
            let mut factors = Factors::with_capacity(0);
            let mut words = 1;
            let mut last = 1_u64;
            for_each_prime(n, |prime| {
                factors.push(prime);
                last = last.checked_mul(prime).unwrap_or_else(|| {
                    words += 1;
                    prime
                });
            });
            assert!(words <= words_max, "{n}: {words} > {words_max}");
            assert_eq!(factors.product(), primorial(n));
        }
    }
}
