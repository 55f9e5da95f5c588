//! Results that fit into 64 or 128 bits, without any allocation.
//!
//! Most requests are tiny, and each runs in a sandbox of its own: this path
//! touches no heap, no table and no formatting machinery. Every multiplication
//! is checked; the first overflow ends the attempt, so that the work is bounded
//! whatever n is.

use crate::request::Kind;

/// The number, where it fits into 64 bits.
pub fn word(kind: Kind, n: u64) -> Option<u64> {
    evaluate(kind, n)
}

/// The number, where it fits into 128 bits.
pub fn wide(kind: Kind, n: u64) -> Option<u128> {
    evaluate(kind, n)
}

/// What both widths can do.
trait Unsigned: Copy + From<u8> {
    fn of(value: u64) -> Self;
    fn times(self, factor: Self) -> Option<Self>;
    fn plus(self, term: Self) -> Option<Self>;
    fn minus(self, term: Self) -> Option<Self>;
}

macro_rules! unsigned {
    ($type:ty) => {
        impl Unsigned for $type {
            fn of(value: u64) -> Self {
                value.into()
            }
            fn times(self, factor: Self) -> Option<Self> {
                self.checked_mul(factor)
            }
            fn plus(self, term: Self) -> Option<Self> {
                self.checked_add(term)
            }
            fn minus(self, term: Self) -> Option<Self> {
                self.checked_sub(term)
            }
        }
    };
}

unsigned!(u64);
unsigned!(u128);

fn evaluate<T: Unsigned>(kind: Kind, n: u64) -> Option<T> {
    match kind {
        Kind::Factorial => factorial(n),
        Kind::Multifactorial(step) => multifactorial(n, u64::from(step)),
        Kind::Subfactorial => subfactorial(n),
        Kind::Primorial => primorial(n),
        Kind::Superfactorial => superfactorial(n),
        Kind::Hyperfactorial => hyperfactorial(n),
        Kind::Alternating => alternating(n),
    }
}

/// 34! is the last factorial below 2^128.
const FACTORIAL_MAX: u64 = 34;

fn factorial<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX {
        return None;
    }
    (2..=n).try_fold(T::from(1), |product, factor| product.times(T::of(factor)))
}

fn multifactorial<T: Unsigned>(n: u64, step: u64) -> Option<T> {
    let mut product = T::from(1);
    let mut factor = n;
    while factor > 1 {
        product = product.times(T::of(factor))?;
        // A step of zero is refused before; it must not loop here all the same.
        factor = factor.saturating_sub(step.max(1));
    }
    Some(product)
}

/// D(n) = n · D(n−1) + (−1)^n.
fn subfactorial<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX + 2 {
        return None;
    }
    let mut value = T::from(1);
    for factor in 1..=n {
        value = value.times(T::of(factor))?;
        value = if factor % 2 == 0 {
            value.plus(T::from(1))?
        } else {
            value.minus(T::from(1))?
        };
    }
    Some(value)
}

fn primorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    for candidate in 2..=n {
        let mut divisors = (2..).take_while(|d| d * d <= candidate);
        if divisors.all(|d| candidate % d != 0) {
            product = product.times(T::of(candidate))?;
        }
    }
    Some(product)
}

fn superfactorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    let mut factorial = T::from(1);
    for factor in 2..=n {
        factorial = factorial.times(T::of(factor))?;
        product = product.times(factorial)?;
    }
    Some(product)
}

fn hyperfactorial<T: Unsigned>(n: u64) -> Option<T> {
    let mut product = T::from(1);
    for base in 2..=n {
        for _ in 0..base {
            product = product.times(T::of(base))?;
        }
    }
    Some(product)
}

/// af(n) = n! − af(n−1).
fn alternating<T: Unsigned>(n: u64) -> Option<T> {
    if n > FACTORIAL_MAX {
        return None;
    }
    let mut factorial = T::from(1);
    let mut value = T::from(0);
    for factor in 1..=n {
        factorial = factorial.times(T::of(factor))?;
        value = factorial.minus(value)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first terms as OEIS lists them.
    #[test]
    fn first_terms() {
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
                assert_eq!(word(kind, n), Some(term), "{kind:?} {n}");
                assert_eq!(wide(kind, n), Some(u128::from(term)), "{kind:?} {n}");
            }
        }
    }

    #[test]
    fn overflow_ends_the_attempt() {
        assert_eq!(word(Kind::Factorial, 20), Some(2_432_902_008_176_640_000));
        assert_eq!(word(Kind::Factorial, 21), None);
        assert!(wide(Kind::Factorial, 34).is_some());
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
            assert_eq!(wide(kind, u64::MAX), None, "{kind:?}");
        }
        assert_eq!(wide(Kind::Multifactorial(u32::MAX), 5), Some(5));
    }
}
