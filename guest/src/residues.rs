//! What a number leaves modulo a few random primes, straight from its
//! definition.
//!
//! Nothing here is shared with the way in which numbers are computed, so that
//! the two can check each other: a loop from 1 to n, with one or two
//! multiplications a step and no memory but for the primes of a sieve.

use crate::modular::Modulus;
use crate::request::Kind;
use crate::sieve::for_each_prime;

/// How many primes there are.
pub(crate) const CHECKS: usize = 3;

/// Residues of one number modulo each of the primes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residues {
    moduli: [Modulus; CHECKS],
    values: [u64; CHECKS],
}

impl Residues {
    /// Those of 0, modulo primes that the seed chooses.
    pub(crate) fn zero(seed: u64) -> Self {
        let mut index = 0;
        let moduli = [(); CHECKS].map(|()| {
            index += 1;
            Modulus::random(seed, index)
        });
        Self {
            moduli,
            values: [0; CHECKS],
        }
    }

    /// Those of the number that the kind defines, modulo the same primes, in O(n).
    pub(crate) fn of(self, kind: Kind, n: u64) -> Self {
        let one = self.with(1);
        match kind {
            Kind::Factorial => one.progression(n, 1),
            Kind::Multifactorial(step) => one.progression(n, u64::from(step.max(1))),
            Kind::Subfactorial => one.subfactorial(n),
            Kind::Primorial => {
                let mut product = Packed::new(one, n);
                for_each_prime(n, |prime| product.push(prime));
                product.finish()
            }
            // The product of 1!, 2!, …, as they come.
            Kind::Superfactorial => one.running_products(1..=n),
            // 1^1 · 2^2 · … has k in each of n, n(n−1), …, n(n−1)…1 from the
            // k-th last on, which is k times.
            Kind::Hyperfactorial => one.running_products((1..=n).rev()),
            Kind::Alternating => one.alternating(n),
        }
    }

    /// Appends a block of digits to a decimal number: `value` · `scale` + `block`,
    /// where the scale is at most 10^18 and the block below it.
    pub(crate) fn append(&mut self, scale: u64, block: u64) {
        // 10^18 is below 2^60: both are residues.
        for (value, modulus) in self.values.iter_mut().zip(self.moduli) {
            *value = modulus.add(modulus.mul(*value, scale), block);
        }
    }

    /// The first prime modulo which they differ, with both residues.
    pub(crate) fn difference(&self, other: &Self) -> Option<(Modulus, u64, u64)> {
        let pairs = self.values.into_iter().zip(other.values);
        let mut all = self.moduli.into_iter().zip(pairs);
        let (modulus, (mine, others)) = all.find(|(_, (mine, others))| mine != others)?;
        Some((modulus, mine, others))
    }

    /// The same primes with a value below all of them.
    fn with(self, value: u64) -> Self {
        Self {
            values: [value; CHECKS],
            ..self
        }
    }

    fn times(&mut self, factor: u64) {
        for (value, modulus) in self.values.iter_mut().zip(self.moduli) {
            let factor = if factor >> 63 == 0 {
                factor
            } else {
                modulus.reduce(factor)
            };
            *value = modulus.mul(*value, factor);
        }
    }

    fn times_each(&mut self, other: &Self) {
        let pairs = self.values.iter_mut().zip(other.values);
        for ((value, factor), modulus) in pairs.zip(self.moduli) {
            *value = modulus.mul(*value, factor);
        }
    }

    /// n · (n − step) · …
    fn progression(self, n: u64, step: u64) -> Self {
        let mut product = Packed::new(self, n);
        let mut factor = n;
        while factor > 0 {
            product.push(factor);
            factor = factor.saturating_sub(step);
        }
        product.finish()
    }

    /// Π of f1, f1 · f2, f1 · f2 · f3, …
    fn running_products(self, factors: impl Iterator<Item = u64>) -> Self {
        let (mut product, mut running) = (self, self);
        for factor in factors {
            running.times(factor);
            product.times_each(&running);
        }
        product
    }

    /// D(m) = m · D(m−1) + (−1)^m.
    fn subfactorial(mut self, n: u64) -> Self {
        for factor in 1..=n {
            self.times(factor);
            for (value, modulus) in self.values.iter_mut().zip(self.moduli) {
                *value = if factor % 2 == 0 {
                    modulus.add(*value, 1)
                } else {
                    modulus.sub(*value, 1)
                };
            }
        }
        self
    }

    /// af(m) = m! − af(m−1).
    fn alternating(self, n: u64) -> Self {
        let (mut factorial, mut sum) = (self, self.with(0));
        for factor in 1..=n {
            factorial.times(factor);
            let pairs = sum.values.iter_mut().zip(factorial.values);
            for ((value, whole), modulus) in pairs.zip(self.moduli) {
                *value = modulus.sub(whole, *value);
            }
        }
        sum
    }
}

/// A product of factors, as many of which as are sure to fit are multiplied into
/// one word first.
struct Packed {
    product: Residues,
    word: u64,
    held: u32,
    held_max: u32,
}

impl Packed {
    /// For factors up to `factor_max`.
    fn new(product: Residues, factor_max: u64) -> Self {
        let factor_bits = u64::BITS - factor_max.leading_zeros();
        Self {
            product,
            word: 1,
            held: 0,
            held_max: (63 / factor_bits.max(1)).max(1),
        }
    }

    fn push(&mut self, factor: u64) {
        self.word *= factor;
        self.held += 1;
        if self.held == self.held_max {
            self.product.times(self.word);
            self.word = 1;
            self.held = 0;
        }
    }

    fn finish(mut self) -> Residues {
        self.product.times(self.word);
        self.product
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiply::Multiplier;
    use crate::number::number;
    use num_bigint::BigUint;

    #[test]
    fn agree_with_the_numbers() {
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(1),
            Kind::Multifactorial(2),
            Kind::Multifactorial(13),
            Kind::Subfactorial,
            Kind::Primorial,
            Kind::Superfactorial,
            Kind::Hyperfactorial,
            Kind::Alternating,
        ] {
            for n in (0..60).chain([100, 255, 256, 257, 700]) {
                let residues = Residues::zero(n + 99).of(kind, n);
                let whole = number(kind, n, &mut Multiplier::proved()).to_text();
                let whole: BigUint = whole.parse().expect("digits");
                for (modulus, value) in residues.moduli.into_iter().zip(residues.values) {
                    let expected = &whole % modulus.value();
                    assert_eq!(BigUint::from(value), expected, "{kind:?} {n}");
                }
            }
        }
    }

    /// Factors that do not fit below 2^63, one to a word.
    #[test]
    fn long_factors_are_reduced() {
        let residues = Residues::zero(1).with(1).progression(u64::MAX, 1 << 62);
        let factors = [3, 2, 1, 0].map(|j: u64| (j << 62) + ((1 << 62) - 1));
        let product: BigUint = factors.into_iter().map(BigUint::from).product();
        for (modulus, value) in residues.moduli.into_iter().zip(residues.values) {
            assert_eq!(BigUint::from(value), &product % modulus.value());
        }
    }
}
