//! Exponents of primes in the numbers that are products of known primes.

use crate::request::Kind;

/// Returns the exponent of a prime in a number. `None` for kinds without a closed form.
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
        Kind::Superfactorial => saturate(superfactorial_exponent(n, prime)),
        Kind::Hyperfactorial => saturate(hyperfactorial_exponent(n, prime)),
        Kind::Multifactorial(_) | Kind::Subfactorial | Kind::Alternating => return None,
    })
}

/// Saturates an exponent at 64 bits. Larger ones belong to numbers beyond any memory.
fn saturate(exponent: u128) -> u64 {
    u64::try_from(exponent).unwrap_or(u64::MAX)
}

/// Returns the exponent of the prime in sf(n): Σ_{m≤n} `v_p(m`!) = `Σ_j` Σ_{m≤n} ⌊m / p^j⌋.
///
/// The inner sum is p^j · t(t−1)/2 + t · (r+1) where n = t · p^j + r.
pub fn superfactorial_exponent(n: u64, prime: u64) -> u128 {
    sum_over_powers(n, prime, |power, t| {
        u128::from(power) * (u128::from(t) * u128::from(t - 1) / 2)
            + u128::from(t) * (u128::from(n % power) + 1)
    })
}

/// Returns the exponent of the prime in H(n): the sum of the multiples of each p^j up to
/// n, which is p^j · t(t+1)/2 where t = ⌊n / p^j⌋.
pub fn hyperfactorial_exponent(n: u64, prime: u64) -> u128 {
    sum_over_powers(n, prime, |power, t| {
        u128::from(power) * (u128::from(t) * (u128::from(t) + 1) / 2)
    })
}

/// Returns the exponent of the prime in n!: Σ ⌊n / p^j⌋ (Legendre 1808).
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

/// Sums `term(p^j, ⌊n / p^j⌋)` over the powers p^j ≤ n. Each term is at most n²/p^j.
fn sum_over_powers(n: u64, prime: u64, term: impl Fn(u64, u64) -> u128) -> u128 {
    let mut sum = 0;
    let mut power = Some(prime);
    while let Some(divisor) = power.filter(|&divisor| divisor <= n) {
        sum += term(divisor, n / divisor);
        power = divisor.checked_mul(prime);
    }
    sum
}
