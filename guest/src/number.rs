//! The number that a request asks for, by the way that suits its kind and size.

use num_bigint::BigUint;

use crate::request::Kind;
use crate::{powers, product, small, sums};

/// A result, as wide as it needs to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// It fits into 64 bits.
    Word(u64),
    /// It fits into 128 bits.
    Wide(u128),
    /// It is longer.
    Big(BigUint),
}

impl From<Number> for BigUint {
    fn from(number: Number) -> Self {
        match number {
            Number::Word(value) => value.into(),
            Number::Wide(value) => value.into(),
            Number::Big(value) => value,
        }
    }
}

/// Computes the number.
///
/// Whether the memory is enough for it is [`cost`](crate::cost::cost)'s to say:
/// callers ask that first.
pub fn number(kind: Kind, n: u64) -> Number {
    if let Some(value) = small::word(kind, n) {
        return Number::Word(value);
    }
    if let Some(value) = small::wide(kind, n) {
        return Number::Wide(value);
    }
    Number::Big(big(kind, n))
}

/// Computes the number on the long path, whatever its size.
pub(crate) fn big(kind: Kind, n: u64) -> BigUint {
    match kind {
        Kind::Factorial | Kind::Multifactorial(0 | 1) => powers::factorial(n),
        // (2m)!! = 2^m · m!
        Kind::Multifactorial(2) if n.is_multiple_of(2) => powers::factorial(n / 2) << (n / 2),
        Kind::Multifactorial(2) => powers::odd_double_factorial(n),
        Kind::Multifactorial(step) => {
            let step = u64::from(step);
            product::progression(n, step, product::progression_count(n, step))
        }
        Kind::Subfactorial => sums::subfactorial(n),
        Kind::Primorial => powers::primorial(n),
        Kind::Superfactorial => powers::superfactorial(n),
        Kind::Hyperfactorial => powers::hyperfactorial(n),
        Kind::Alternating => sums::alternating(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short paths and the long ones meet.
    #[test]
    fn all_widths_agree() {
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(1),
            Kind::Multifactorial(2),
            Kind::Multifactorial(3),
            Kind::Multifactorial(10),
            Kind::Subfactorial,
            Kind::Primorial,
            Kind::Superfactorial,
            Kind::Hyperfactorial,
            Kind::Alternating,
        ] {
            for n in 0..120 {
                assert_eq!(BigUint::from(number(kind, n)), big(kind, n), "{kind:?} {n}");
            }
        }
    }
}
