//! Numbers that fit into 64 or 128 bits, without allocation.
//!
//! Most requests are for small numbers, and each runs in its own sandbox: this path
//! touches no heap, no table and no formatting machinery. The first overflow ends the
//! computation, which bounds the work for any n.

use crate::request::Kind;

/// Computes the number. `None` if it does not fit into 64 bits.
pub fn compute_u64(kind: Kind, n: u64) -> Option<u64> {
    evaluate(kind, n)
}

/// Computes the number. `None` if it does not fit into 128 bits.
pub fn compute_u128(kind: Kind, n: u64) -> Option<u128> {
    evaluate(kind, n)
}

/// Checked arithmetic of both widths.
trait Unsigned: Copy + From<u8> {
    fn from_u64(value: u64) -> Self;
    fn checked_mul(self, factor: Self) -> Option<Self>;
    fn checked_add(self, term: Self) -> Option<Self>;
    fn checked_sub(self, term: Self) -> Option<Self>;
}

macro_rules! unsigned {
    ($type:ty) => {
        impl Unsigned for $type {
            fn from_u64(value: u64) -> Self {
                value.into()
            }
            fn checked_mul(self, factor: Self) -> Option<Self> {
                <$type>::checked_mul(self, factor)
            }
            fn checked_add(self, term: Self) -> Option<Self> {
                <$type>::checked_add(self, term)
            }
            fn checked_sub(self, term: Self) -> Option<Self> {
                <$type>::checked_sub(self, term)
            }
        }
    };
}

unsigned!(u64);
unsigned!(u128);

fn evaluate<T: Unsigned>(kind: Kind, n: u64) -> Option<T> {
    match kind {
        Kind::Factorial => compute_factorial(n),
        Kind::Multifactorial(step) => compute_multifactorial(n, u64::from(step)),
        Kind::Subfactorial => compute_subfactorial(n),
        Kind::Primorial => compute_primorial(n),
        Kind::Superfactorial => compute_superfactorial(n),
        Kind::Hyperfactorial => compute_hyperfactorial(n),
        Kind::Alternating => compute_alternating(n),
    }
}

/// 34! is the last factorial below 2^128.
const FACTORIAL_MAX: u64 = 34;

fn compute_factorial<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX {
        return None;
    }
    (2..=n).try_fold(T::from(1), |product, factor| {
        product.checked_mul(T::from_u64(factor))
    })
}

fn compute_multifactorial<T: Unsigned>(n: u64, step: u64) -> Option<T> {
    let mut product = T::from(1);
    let mut factor = n;
    while factor > 1 {
        product = product.checked_mul(T::from_u64(factor))?;
        // A step of zero is refused earlier; `max` keeps the loop finite in any case.
        factor = factor.saturating_sub(step.max(1));
    }
    Some(product)
}

/// D(n) = n · D(n−1) + (−1)^n.
fn compute_subfactorial<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX + 2 {
        return None;
    }
    let mut value = T::from(1);
    for factor in 1..=n {
        value = value.checked_mul(T::from_u64(factor))?;
        value = if factor % 2 == 0 {
            value.checked_add(T::from(1))?
        } else {
            value.checked_sub(T::from(1))?
        };
    }
    Some(value)
}

fn compute_primorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    for candidate in 2..=n {
        let mut divisors = (2..).take_while(|d| d * d <= candidate);
        if divisors.all(|d| candidate % d != 0) {
            product = product.checked_mul(T::from_u64(candidate))?;
        }
    }
    Some(product)
}

fn compute_superfactorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    let mut factorial = T::from(1);
    for factor in 2..=n {
        factorial = factorial.checked_mul(T::from_u64(factor))?;
        product = product.checked_mul(factorial)?;
    }
    Some(product)
}

fn compute_hyperfactorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    for base in 2..=n {
        for _ in 0..base {
            product = product.checked_mul(T::from_u64(base))?;
        }
    }
    Some(product)
}

/// af(n) = n! − af(n−1).
fn compute_alternating<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX {
        return None;
    }
    let mut factorial = T::from(1);
    let mut value = T::from(0);
    for factor in 1..=n {
        factorial = factorial.checked_mul(T::from_u64(factor))?;
        value = factorial.checked_sub(value)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_terms_equal_those_of_oeis() {
        let table: [(Kind, &[u64]); 9] = [
            (
                Kind::Factorial,
                &[1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362_880, 3_628_800],
            ),
            (
                Kind::Multifactorial(2),
                &[1, 1, 2, 3, 8, 15, 48, 105, 384, 945, 3840],
            ),
            (
                Kind::Multifactorial(3),
                &[1, 1, 2, 3, 4, 10, 18, 28, 80, 162, 280],
            ),
            (
                Kind::Multifactorial(4),
                &[1, 1, 2, 3, 4, 5, 12, 21, 32, 45, 120],
            ),
            (
                Kind::Subfactorial,
                &[1, 0, 1, 2, 9, 44, 265, 1854, 14833, 133_496, 1_334_961],
            ),
            (
                Kind::Primorial,
                &[1, 1, 2, 6, 6, 30, 30, 210, 210, 210, 210, 2310],
            ),
            (
                Kind::Superfactorial,
                &[1, 1, 2, 12, 288, 34560, 24_883_200, 125_411_328_000],
            ),
            (
                Kind::Hyperfactorial,
                &[1, 1, 4, 108, 27648, 86_400_000, 4_031_078_400_000],
            ),
            (
                Kind::Alternating,
                &[0, 1, 1, 5, 19, 101, 619, 4421, 35899, 326_981, 3_301_819],
            ),
        ];
        for (kind, terms) in table {
            for (n, &term) in (0..).zip(terms) {
                assert_eq!(compute_u64(kind, n), Some(term), "{kind:?} {n}");
                assert_eq!(
                    compute_u128(kind, n),
                    Some(u128::from(term)),
                    "{kind:?} {n}"
                );
            }
        }
    }

    #[test]
    fn overflow_ends_the_computation() {
        assert_eq!(
            compute_u64(Kind::Factorial, 20),
            Some(2_432_902_008_176_640_000)
        );
        assert_eq!(compute_u64(Kind::Factorial, 21), None);
        assert!(compute_u128(Kind::Factorial, 34).is_some());
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(1),
            Kind::Multifactorial(2),
            Kind::Subfactorial,
            Kind::Primorial,
            Kind::Superfactorial,
            Kind::Hyperfactorial,
            Kind::Alternating,
        ] {
            assert_eq!(compute_u128(kind, u64::MAX), None, "{kind:?}");
        }
        assert_eq!(compute_u128(Kind::Multifactorial(u32::MAX), 5), Some(5));
    }
}
