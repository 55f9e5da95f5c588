//! Residues of a number modulo random primes, from its definition.
//!
//! The code shares nothing with the computation of numbers, so that each can check the
//! other: a loop from 1 to n with one or two multiplications in each step, and no memory
//! except for the primes of a sieve.

use crate::natural::modular::Modulus;
use crate::number::sieve::for_each_prime;
use crate::request::Kind;

/// Number of primes.
pub(super) const CHECKS: usize = 3;

/// Residues of one number modulo each of the primes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residues {
    moduli: [Modulus; CHECKS],
    values: [u64; CHECKS],
}

impl Residues {
    /// Creates the residues of 0 modulo primes drawn from `seed`.
    pub(super) fn zero(seed: u64) -> Self {
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

    /// Computes the residues of a number modulo the same primes, in O(n).
    pub(super) fn compute(self, kind: Kind, n: u64) -> Self {
        let one = self.with_value(1);
        match kind {
            Kind::Factorial => one.multiply_progression(n, 1),
            Kind::Multifactorial(step) => one.multiply_progression(n, u64::from(step.max(1))),
            Kind::Subfactorial => one.compute_subfactorial(n),
            Kind::Primorial => {
                let mut product = PackedProduct::new(one, n);
                for_each_prime(n, |prime| product.push(prime));
                product.finish()
            }
            // The product of 1!, 2!, …, n!.
            Kind::Superfactorial => one.multiply_running_products(1..=n),
            // The product of n, n(n−1), …, n(n−1)…1, of which the last k contain k.
            Kind::Hyperfactorial => one.multiply_running_products((1..=n).rev()),
            Kind::Alternating => one.compute_alternating(n),
        }
    }

    /// Appends a block of digits: replaces each value by `value` · `scale` + `block`. The
    /// scale is at most 10^18, and the block is below it.
    pub(super) fn push_digits(&mut self, scale: u64, block: u64) {
        // 10^18 is below 2^60: both are residues.
        for (value, modulus) in self.values.iter_mut().zip(self.moduli) {
            *value = modulus.add(modulus.mul(*value, scale), block);
        }
    }

    /// Returns the first prime with different residues, and both residues. `None` if all
    /// are equal.
    pub(super) fn difference(&self, other: &Self) -> Option<(Modulus, u64, u64)> {
        let pairs = self.values.into_iter().zip(other.values);
        let mut all = self.moduli.into_iter().zip(pairs);
        let (modulus, (mine, others)) = all.find(|(_, (mine, others))| mine != others)?;
        Some((modulus, mine, others))
    }

    /// Returns the residues of a value below all primes.
    fn with_value(self, value: u64) -> Self {
        Self {
            values: [value; CHECKS],
            ..self
        }
    }

    /// Multiplies by any word.
    fn multiply(&mut self, factor: u64) {
        for (value, modulus) in self.values.iter_mut().zip(self.moduli) {
            let factor = if factor >> 63 == 0 {
                factor
            } else {
                modulus.reduce(factor)
            };
            *value = modulus.mul(*value, factor);
        }
    }

    /// Multiplies by another number.
    fn multiply_each(&mut self, other: &Self) {
        let pairs = self.values.iter_mut().zip(other.values);
        for ((value, factor), modulus) in pairs.zip(self.moduli) {
            *value = modulus.mul(*value, factor);
        }
    }

    /// Multiplies by n · (n − step) · …
    fn multiply_progression(self, n: u64, step: u64) -> Self {
        let mut product = PackedProduct::new(self, n);
        let mut factor = n;
        while factor > 0 {
            product.push(factor);
            factor = factor.saturating_sub(step);
        }
        product.finish()
    }

    /// Multiplies f1, f1 · f2, f1 · f2 · f3, …
    fn multiply_running_products(self, factors: impl Iterator<Item = u64>) -> Self {
        let (mut product, mut running) = (self, self);
        for factor in factors {
            running.multiply(factor);
            product.multiply_each(&running);
        }
        product
    }

    /// Computes D(n) by D(m) = m · D(m−1) + (−1)^m.
    fn compute_subfactorial(mut self, n: u64) -> Self {
        for factor in 1..=n {
            self.multiply(factor);
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

    /// Computes af(n) by af(m) = m! − af(m−1).
    fn compute_alternating(self, n: u64) -> Self {
        let (mut factorial, mut sum) = (self, self.with_value(0));
        for factor in 1..=n {
            factorial.multiply(factor);
            let pairs = sum.values.iter_mut().zip(factorial.values);
            for ((value, whole), modulus) in pairs.zip(self.moduli) {
                *value = modulus.sub(whole, *value);
            }
        }
        sum
    }
}

/// A product of small factors, which are multiplied into words first.
struct PackedProduct {
    product: Residues,
    word: u64,
    /// Number of factors in the word.
    count: u32,
    /// Most factors that fit into 63 bits.
    count_max: u32,
}

impl PackedProduct {
    /// Creates a product for factors up to `factor_max`.
    fn new(product: Residues, factor_max: u64) -> Self {
        let factor_bits = u64::BITS - factor_max.leading_zeros();
        Self {
            product,
            word: 1,
            count: 0,
            count_max: (63 / factor_bits.max(1)).max(1),
        }
    }

    fn push(&mut self, factor: u64) {
        self.word *= factor;
        self.count += 1;
        if self.count == self.count_max {
            self.product.multiply(self.word);
            self.word = 1;
            self.count = 0;
        }
    }

    fn finish(mut self) -> Residues {
        self.product.multiply(self.word);
        self.product
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mul::Multiplier;
    use crate::number;
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
                let residues = Residues::zero(n + 99).compute(kind, n);
                let whole = number::compute(kind, n, &mut Multiplier::proved()).to_text();
                let whole: BigUint = whole.parse().expect("digits");
                for (modulus, value) in residues.moduli.into_iter().zip(residues.values) {
                    let expected = &whole % modulus.value();
                    assert_eq!(BigUint::from(value), expected, "{kind:?} {n}");
                }
            }
        }
    }

    /// Factors above 2^63, each in its own word.
    #[test]
    fn long_factors_are_reduced() {
        let residues = Residues::zero(1)
            .with_value(1)
            .multiply_progression(u64::MAX, 1 << 62);
        let factors = [3, 2, 1, 0].map(|j: u64| (j << 62) + ((1 << 62) - 1));
        let product: BigUint = factors.into_iter().map(BigUint::from).product();
        for (modulus, value) in residues.moduli.into_iter().zip(residues.values) {
            assert_eq!(BigUint::from(value), &product % modulus.value());
        }
    }
}
