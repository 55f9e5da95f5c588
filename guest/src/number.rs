//! The number that a request asks for, by the way that suits its kind and size.

use alloc::string::String;
use alloc::vec::Vec;

use crate::decimal::push_u128;
use crate::multiply::Multiplier;
use crate::natural::Natural;
use crate::powers::PrimePowers;
use crate::radix::Digits;
use crate::request::Kind;
use crate::{product, small, sums};

/// A result, as wide as it needs to be.
#[derive(Clone, Debug)]
pub enum Number {
    /// It fits into 64 bits.
    Word(u64),
    /// It fits into 128 bits.
    Wide(u128),
    /// It is longer.
    Long(Long),
}

/// A long number with its zeros at the end set apart.
#[derive(Clone, Debug)]
pub struct Long {
    /// The number without some of the zeros at its end.
    pub head: Natural,
    /// How many zeros were taken away.
    pub zeros: u64,
}

impl Number {
    /// Its decimal digits.
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
/// Whether the memory is enough for it is [`cost`](crate::cost::cost)'s to say:
/// callers ask that first.
pub fn number(kind: Kind, n: u64, multiplier: &mut Multiplier) -> Number {
    if let Some(value) = small::word(kind, n) {
        return Number::Word(value);
    }
    if let Some(value) = small::wide(kind, n) {
        return Number::Wide(value);
    }
    Number::Long(long(kind, n, multiplier))
}

/// Computes the number on the long path, whatever its size.
pub(crate) fn long(kind: Kind, n: u64, multiplier: &mut Multiplier) -> Long {
    if let Some(powers) = PrimePowers::of(kind, n) {
        return Long {
            head: powers.product(multiplier),
            zeros: powers.tens,
        };
    }
    let head = match kind {
        Kind::Subfactorial => sums::subfactorial(n, multiplier),
        Kind::Alternating => sums::alternating(n, multiplier),
        // All others are products of primes.
        Kind::Multifactorial(step) => {
            let step = u64::from(step);
            let count = product::progression_count(n, step);
            product::progression(n, step, count, multiplier)
        }
        _ => Natural::one(),
    };
    Long { head, zeros: 0 }
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
                let mut multiplier = Multiplier::proved();
                let short = number(kind, n, &mut multiplier);
                let long = Number::Long(long(kind, n, &mut multiplier));
                assert_eq!(short.to_text(), long.to_text(), "{kind:?} {n}");
            }
        }
    }
}
