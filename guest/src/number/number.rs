//! The number of a request, computed by the method for its kind and size.

use alloc::string::String;
use alloc::vec::Vec;

use super::factorial_sums;
use super::prime_powers::PrimePowers;
use super::product_tree;
use super::small;
use crate::mul::Multiplier;
use crate::natural::{Digits, Long, Natural};
use crate::request::Kind;
use crate::request::decimal::push_u128;

/// A number, as wide as it needs to be.
#[derive(Clone, Debug)]
pub enum Number {
    /// A number of up to 64 bits.
    Word(u64),
    /// A number of up to 128 bits.
    Wide(u128),
    /// A longer number.
    Long(Long),
}

impl Number {
    /// Converts to decimal digits.
    pub fn to_text(self) -> String {
        let mut text = String::new();
        match self {
            Self::Word(value) => push_u128(&mut text, value.into()),
            Self::Wide(value) => push_u128(&mut text, value),
            Self::Long(long) => {
                let mut digits = Digits::new(long);
                let mut bytes = Vec::new();
                while digits.append_to(&mut bytes) {}
                text.extend(bytes.into_iter().map(char::from));
            }
        }
        text
    }
}

/// Computes the number.
///
/// The caller checks first that memory suffices, by
/// [`estimate`](crate::estimate::estimate).
pub fn compute(kind: Kind, n: u64, multiplier: &mut Multiplier) -> Number {
    if let Some(value) = small::compute_u64(kind, n) {
        return Number::Word(value);
    }
    if let Some(value) = small::compute_u128(kind, n) {
        return Number::Wide(value);
    }
    Number::Long(compute_long(kind, n, multiplier))
}

/// Computes the number as limbs, whatever its size.
fn compute_long(kind: Kind, n: u64, multiplier: &mut Multiplier) -> Long {
    if let Some(powers) = PrimePowers::factor(kind, n) {
        return Long {
            head: powers.multiply(multiplier),
            zeros: powers.tens,
        };
    }
    let head = match kind {
        Kind::Subfactorial => factorial_sums::compute_subfactorial(n, multiplier),
        Kind::Alternating => factorial_sums::compute_alternating(n, multiplier),
        Kind::Multifactorial(step) => {
            let step = u64::from(step);
            let count = product_tree::count_progression(n, step);
            product_tree::multiply_progression(n, step, count, multiplier)
        }
        // Products of prime powers, which are computed above.
        _ => Natural::one(),
    };
    Long { head, zeros: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_paths_agree() {
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
                let mut multiplier = Multiplier::proved();
                let short = compute(kind, n, &mut multiplier);
                let long = Number::Long(compute_long(kind, n, &mut multiplier));
                assert_eq!(short.to_text(), long.to_text(), "{kind:?} {n}");
            }
        }
    }
}
