//! The number of zeros at the end of a decimal number, without computing it.
//!
//! The count is the lesser of the exponents of 2 and 5. For products of arithmetic
//! progressions or of factorials these are sums of a few quotients.
#![expect(
    clippy::cast_possible_truncation,
    reason = "residues are below a modulus of 64 bits"
)]

use crate::number::exponents::{hyperfactorial_exponent, superfactorial_exponent};
use crate::number::product_tree::count_progression;
use crate::number::small;
use crate::request::Kind;

/// Counts the zeros at the end of the number. `None` if that takes the number itself.
pub fn count_trailing_zeros(kind: Kind, n: u64) -> Option<u64> {
    let lesser = |exponent: &dyn Fn(u64) -> u128| u64::try_from(exponent(2).min(exponent(5))).ok();
    match kind {
        Kind::Factorial => lesser(&|prime| progression_exponent(n, 1, prime).into()),
        Kind::Multifactorial(step) => {
            lesser(&|prime| progression_exponent(n, u64::from(step), prime).into())
        }
        // 2 and 5 have the exponent 1.
        Kind::Primorial => Some(u64::from(n >= 5)),
        Kind::Superfactorial => lesser(&|prime| superfactorial_exponent(n, prime)),
        Kind::Hyperfactorial => lesser(&|prime| hyperfactorial_exponent(n, prime)),
        Kind::Subfactorial | Kind::Alternating => small::compute_u128(kind, n).map(|mut value| {
            let mut zeros = 0;
            while value > 0 && value % 10 == 0 {
                value /= 10;
                zeros += 1;
            }
            zeros
        }),
    }
}

/// Returns the exponent of the prime in n · (n − k) · (n − 2k) · …, where k is `step`.
///
/// A prime that divides k divides all factors or none, and is divided out of all.
/// Otherwise the multiples of p^j are every p^j-th factor, counted from the one with
/// i · k ≡ n (mod p^j). For k = 1 this is Legendre's formula. Sums saturate at 64 bits,
/// which no exponent reaches.
fn progression_exponent(n: u64, step: u64, prime: u64) -> u64 {
    let (mut n, mut step) = (n, step.max(1));
    let count = count_progression(n, step);
    let mut exponent = 0_u64;
    while step % prime == 0 {
        if n % prime != 0 || n == 0 {
            return exponent;
        }
        exponent = exponent.saturating_add(count);
        n /= prime;
        step /= prime;
    }
    let mut power = Some(prime);
    while let Some(modulus) = power.filter(|&modulus| modulus <= n) {
        let inverse = invert(step % modulus, modulus);
        let first = u128::from(n % modulus) * u128::from(inverse) % u128::from(modulus);
        // Below the modulus: the cast is exact.
        let first = first as u64;
        if first < count {
            exponent = exponent.saturating_add((count - 1 - first) / modulus + 1);
        }
        power = modulus.checked_mul(prime);
    }
    exponent
}

/// Returns the inverse of `value`, which is coprime to the modulus, by Euclid's algorithm.
fn invert(value: u64, modulus: u64) -> u64 {
    let (mut rest, mut next) = (i128::from(modulus), i128::from(value));
    let (mut factor, mut next_factor) = (0_i128, 1_i128);
    while next != 0 {
        let quotient = rest / next;
        (rest, next) = (next, rest - quotient * next);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    // Between 0 and the modulus: the cast is exact.
    factor.rem_euclid(i128::from(modulus)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mul::Multiplier;
    use crate::number;

    #[test]
    fn agree_with_the_numbers() {
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(1),
            Kind::Multifactorial(2),
            Kind::Multifactorial(3),
            Kind::Multifactorial(5),
            Kind::Multifactorial(10),
            Kind::Multifactorial(25),
            Kind::Multifactorial(97),
            Kind::Primorial,
            Kind::Superfactorial,
            Kind::Hyperfactorial,
        ] {
            for n in (0..130).chain([250, 500, 624, 625, 626]) {
                let text = number::compute(kind, n, &mut Multiplier::proved()).to_text();
                let zeros = text.len() - text.trim_end_matches('0').len();
                assert_eq!(
                    count_trailing_zeros(kind, n),
                    Some(zeros as u64),
                    "{kind:?} {n}"
                );
            }
        }
    }

    #[test]
    fn known_counts() {
        assert_eq!(
            count_trailing_zeros(Kind::Factorial, 1_000_000),
            Some(249_998)
        );
        assert_eq!(
            count_trailing_zeros(Kind::Factorial, u64::MAX),
            Some(4_611_686_018_427_387_890)
        );
        count_trailing_zeros(Kind::Multifactorial(u32::MAX), u64::MAX);
        assert_eq!(count_trailing_zeros(Kind::Hyperfactorial, u64::MAX), None);
    }
}
