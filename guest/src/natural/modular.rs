//! Arithmetic modulo random primes of 61 bits, which check long numbers without
//! computing them again.
//!
//! Each check draws its own prime, in a few microseconds: only an unpredictable prime
//! proves anything. WebAssembly has no wide multiplication and would call a library
//! for products of 128 bits, so that they are assembled from halves there. Residues
//! are always canonical, from 0 to p − 1: Barrett's reduction needs no other form and
//! no more multiplications than Montgomery's.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a wide product is split into its halves"
)]

/// Bits of every modulus.
const BITS: u32 = 61;

/// Bases with which the test of Miller and Rabin is a proof for all numbers below
/// 3.18 · 10^23 (Sorenson and Webster, "Strong pseudoprimes to twelve prime bases",
/// 2015).
const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// A prime p with 2^60 < p < 2^61.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    value: u64,
    /// ⌊2^124 / p⌋.
    reciprocal: u64,
}

impl Modulus {
    /// Draws a prime from `seed`, a different one for each `index`.
    ///
    /// Odd numbers of 61 bits are drawn until one is prime, about 21 on average. All
    /// primes are equally probable. The numbers come from `SplitMix64` (Steele, Lea and
    /// Flood, "Fast splittable pseudorandom number generators", 2014), so that the prime
    /// is as hard to guess as the seed.
    pub fn random(seed: u64, index: u32) -> Self {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut state = mix(seed ^ mix(u64::from(index).wrapping_add(1).wrapping_mul(GAMMA)));
        loop {
            state = state.wrapping_add(GAMMA);
            let candidate = mix(state) >> (u64::BITS - BITS) | 1 << (BITS - 1) | 1;
            let odd = Self::new(candidate);
            if odd.is_prime() {
                return odd;
            }
        }
    }

    /// Creates an odd modulus of 61 bits, prime or not.
    fn new(value: u64) -> Self {
        debug_assert!(value >> (BITS - 1) == 1 && value % 2 == 1);
        // Above 2^63, since p < 2^61, and below 2^64, since p > 2^60.
        let reciprocal = ((1_u128 << 124) / u128::from(value)) as u64;
        Self { value, reciprocal }
    }

    /// Returns the prime.
    pub fn value(self) -> u64 {
        self.value
    }

    /// Returns the residue of any word.
    pub fn reduce(self, value: u64) -> u64 {
        value % self.value
    }

    /// Adds two residues.
    pub fn add(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + b)
    }

    /// Subtracts one residue from another.
    pub fn sub(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + (self.value - b))
    }

    /// Multiplies a residue `a` by any `b` below 2^63.
    ///
    /// Barrett's reduction ("Implementing the Rivest Shamir and Adleman public
    /// key encryption algorithm", 1986; Handbook of Applied Cryptography,
    /// algorithm 14.42): x = ab < 2^124, and q = ⌊⌊x / 2^60⌋ · ⌊2^124 / p⌋ / 2^64⌋
    /// is at most x/p. The first cut takes less than ⌊2^124 / p⌋ / 2^64 < 1 from
    /// it, the second less than x / 2^124 < 1, and the last less than 1: x − qp is
    /// below 3p < 2^63, and its low word is all of it.
    pub fn mul(self, a: u64, b: u64) -> u64 {
        debug_assert!(a < self.value && b >> 63 == 0, "the bounds of the proof");
        let (high, low) = widening_mul(a, b);
        let (quotient, _) = widening_mul(high << 4 | low >> 60, self.reciprocal);
        let rest = low.wrapping_sub(quotient.wrapping_mul(self.value));
        self.subtract_once(self.subtract_once(rest))
    }

    /// Computes base^exponent by squaring; 0^0 is 1.
    pub fn pow(self, base: u64, mut exponent: u64) -> u64 {
        let (mut power, mut square) = (1, base);
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = self.mul(power, square);
            }
            square = self.mul(square, square);
            exponent /= 2;
        }
        power
    }

    /// Subtracts p unless the difference is negative.
    fn subtract_once(self, value: u64) -> u64 {
        // A negative difference wraps to more than any value.
        value.min(value.wrapping_sub(self.value))
    }

    /// Tests primality (Rabin, "Probabilistic algorithm for testing primality", 1980)
    /// with bases for which the test is a proof.
    fn is_prime(self) -> bool {
        if BASES.iter().any(|&base| self.value.is_multiple_of(base)) {
            return false;
        }
        let minus_one = self.value - 1;
        let twos = minus_one.trailing_zeros();
        BASES.iter().all(|&base| {
            let mut power = self.pow(base, minus_one >> twos);
            if power == 1 || power == minus_one {
                return true;
            }
            (1..twos).any(|_| {
                power = self.mul(power, power);
                power == minus_one
            })
        })
    }
}

/// The finalizer of `SplitMix64`, a bijection.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

/// Returns the high and the low word of a · b.
pub(super) fn widening_mul(a: u64, b: u64) -> (u64, u64) {
    if cfg!(target_family = "wasm") {
        return widening_mul_by_halves(a, b);
    }
    let wide = u128::from(a) * u128::from(b);
    ((wide >> 64) as u64, wide as u64)
}

/// Computes [`widening_mul`] from four products of 32 bits. No sum overflows: the
/// largest is (2^32 − 1)^2 + 2 (2^32 − 1) = 2^64 − 1.
fn widening_mul_by_halves(a: u64, b: u64) -> (u64, u64) {
    const LOW: u64 = u32::MAX as u64;
    let (a_high, a_low) = (a >> 32, a & LOW);
    let (b_high, b_low) = (b >> 32, b & LOW);
    let lowest = a_low * b_low;
    let first = a_high * b_low + (lowest >> 32);
    let second = a_low * b_high + (first & LOW);
    let high = a_high * b_high + (first >> 32) + (second >> 32);
    (high, second << 32 | lowest & LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> impl Iterator<Item = u64> {
        let edges = [
            0,
            1,
            2,
            u64::MAX,
            u64::MAX - 1,
            1 << 32,
            (1 << 32) - 1,
            1 << 63,
        ];
        edges.into_iter().chain((0..2000).map(mix))
    }

    #[test]
    fn halves_give_the_wide_product() {
        for a in words() {
            for b in words().take(60) {
                let wide = u128::from(a) * u128::from(b);
                let expected = ((wide >> 64) as u64, wide as u64);
                assert_eq!(widening_mul_by_halves(a, b), expected);
                assert_eq!(widening_mul(a, b), expected);
            }
        }
    }

    #[test]
    fn arithmetic_agrees_with_wide_division() {
        let edges = [(1 << 60) + 1, (1 << 61) - 1, (1 << 61) - 3];
        let random = (0..20).map(|index| Modulus::random(7, index));
        for modulus in edges.into_iter().map(Modulus::new).chain(random) {
            let p = u128::from(modulus.value());
            for a in words()
                .map(|word| modulus.reduce(word))
                .chain([modulus.value() - 1])
            {
                for b in words().take(40).chain([modulus.value() - 1]) {
                    // Factors need not be residues.
                    let b = b >> 1;
                    assert_eq!(
                        u128::from(modulus.mul(a, b)),
                        u128::from(a) * u128::from(b) % p
                    );
                    let b = modulus.reduce(b);
                    assert_eq!(
                        u128::from(modulus.add(a, b)),
                        (u128::from(a) + u128::from(b)) % p
                    );
                    assert_eq!(modulus.add(modulus.sub(a, b), b), a);
                    assert!(modulus.sub(a, b) < modulus.value());
                }
            }
            let naive = (0..50).fold(1, |power, _| modulus.mul(power, 12_345));
            assert_eq!(modulus.pow(12_345, 50), naive);
            assert_eq!(modulus.pow(0, 0), 1);
        }
    }

    #[test]
    fn primality_is_decided_correctly() {
        // Distances of the largest primes from 2^61.
        for distance in [1, 31, 45, 229, 259, 283, 339, 391, 403, 465] {
            assert!(Modulus::new((1 << 61) - distance).is_prime(), "{distance}");
        }
        let others = (1..465)
            .step_by(2)
            .filter(|distance| Modulus::new((1 << 61) - distance).is_prime());
        assert_eq!(others.count(), 9);
        // 764116501 · 1528233001 is a strong pseudoprime to eight of the bases, the
        // others to base 2.
        for composite in [
            1_167_748_053_436_849_501,
            1_419_417_049_255_326_001,
            1_419_429_382_633_008_181,
            1_419_433_022_000_595_421,
        ] {
            assert!(!Modulus::new(composite).is_prime(), "{composite}");
        }
        // Products of two primes near 2^30.5, the hardest to divide.
        for (p, q) in [
            (1_518_500_213_u64, 1_518_500_183_u64),
            (1_073_741_827, 1_073_741_831),
        ] {
            assert!(!Modulus::new(p * q).is_prime());
        }
    }

    #[test]
    fn random_primes_have_61_bits_and_differ() {
        let mut seen = Vec::new();
        for seed in 0..40 {
            for index in 0..5 {
                let p = Modulus::random(seed, index).value();
                assert_eq!(p >> 60, 1);
                assert!(!seen.contains(&p));
                seen.push(p);
            }
        }
        assert_eq!(Modulus::random(3, 4), Modulus::random(3, 4));
        // About half of the primes are above 1.5 · 2^60.
        let upper = seen.iter().filter(|&&p| p >> 59 & 1 == 1).count();
        assert!((60..140).contains(&upper), "{upper}");
    }
}
