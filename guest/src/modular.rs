//! Arithmetic modulo random primes of 61 bits, by which long numbers are
//! checked without being computed again.
//!
//! A modulus is a few words and costs some microseconds to find; it is drawn
//! anew for each check, since only a prime that nobody could foresee tells
//! anything. WebAssembly has no wide multiplication and calls a library for
//! products of 128 bits: they are put together from halves there. Residues are
//! canonical everywhere, from 0 to p − 1, since Barrett's reduction needs no
//! other form and no more multiplications than Montgomery's.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the halves of a wide product are taken apart"
)]

/// Bits of every modulus.
const BITS: u32 = 61;

/// Bases that tell all primes below 3.18 · 10^23 from all other numbers, by the
/// test of Miller and Rabin (Sorenson and Webster, "Strong pseudoprimes to
/// twelve prime bases", 2015).
const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// A prime p with 2^60 < p < 2^61, and ⌊2^124 / p⌋.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    value: u64,
    reciprocal: u64,
}

impl Modulus {
    /// The prime that `seed` chooses, another for each `index`.
    ///
    /// Odd numbers of 61 bits are drawn until one is prime, so that each prime
    /// is as probable as any other; about 21 are needed. They come from
    /// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014), which is as good as the seed is hard to guess.
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

    /// An odd modulus of 61 bits, prime or not.
    fn new(value: u64) -> Self {
        // Above 2^63, since p < 2^61, and below 2^64, since p > 2^60.
        let reciprocal = ((1_u128 << 124) / u128::from(value)) as u64;
        Self { value, reciprocal }
    }

    /// The prime.
    pub fn value(self) -> u64 {
        self.value
    }

    /// The residue of any word.
    pub fn reduce(self, value: u64) -> u64 {
        value % self.value
    }

    /// a + b.
    pub fn add(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + b)
    }

    /// a − b.
    pub fn sub(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + (self.value - b))
    }

    /// a · b, where b may be any number below 2^63.
    ///
    /// Barrett's reduction ("Implementing the Rivest Shamir and Adleman public
    /// key encryption algorithm", 1986; Handbook of Applied Cryptography,
    /// algorithm 14.42): x = ab < 2^124, and q = ⌊⌊x / 2^60⌋ · ⌊2^124 / p⌋ / 2^64⌋
    /// is at most x/p. The first cut takes less than ⌊2^124 / p⌋ / 2^64 < 1 from
    /// it, the second less than x / 2^124 < 1, and the last less than 1: x − qp is
    /// below 3p < 2^63, and its low word is all of it.
    pub fn mul(self, a: u64, b: u64) -> u64 {
        let (high, low) = product(a, b);
        let (quotient, _) = product(high << 4 | low >> 60, self.reciprocal);
        let rest = low.wrapping_sub(quotient.wrapping_mul(self.value));
        self.subtract_once(self.subtract_once(rest))
    }

    /// base^exponent, by squaring; 0^0 is 1.
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

    /// The value, less p if that is not negative.
    fn subtract_once(self, value: u64) -> u64 {
        // A negative difference wraps to more than any value.
        value.min(value.wrapping_sub(self.value))
    }

    /// The test of Miller and Rabin (Rabin, "Probabilistic algorithm for testing
    /// primality", 1980) with bases for which it is a proof.
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

/// How sure it is that a wrong number was found out: the probability that
/// `checks` independent random primes all divide the difference of two different
/// numbers of up to `digits` digits is at most 2^−this.
///
/// A number below 10^D other than 0 has at most D · log2(10) / 60 prime factors
/// above 2^60. There are more than 2.7 · 10^16 primes of 61 bits to draw from:
/// x/ln x · (1 + 1/ln x) ≤ π(x) for x ≥ 599 and π(x) ≤ x/ln x · (1 + 1.2762/ln x)
/// for x > 1 (Dusart, "Estimates of some functions over primes without R.H.",
/// 2010, theorem 6.9) make π(2^61) > 5.582 · 10^16 and π(2^60) < 2.858 · 10^16.
/// So one prime fails with a probability of at most D / (2.7 · 10^16 · 60 /
/// log2(10)).
pub fn miss_exponent(digits: u64, checks: u32) -> u32 {
    /// 2.7 · 10^16 · 60 / 3.3219281, rounded down.
    const LENGTHS: u64 = 487_668_590_000_000_000;
    const FRACTION_BITS: u32 = 16;
    let ratio = (u128::from(LENGTHS) << 64) / u128::from(digits.max(1));
    let Some(whole) = ratio.checked_ilog2().and_then(|log| log.checked_sub(64)) else {
        return 0;
    };
    // The binary logarithm, bit by bit: a square of 2 or more sets the next.
    // All that is cut off makes it smaller. `ratio` is normalised to [2^63, 2^64).
    let mut rest = (ratio >> (whole + 1)) as u64;
    let mut log = u64::from(whole);
    for _ in 0..FRACTION_BITS {
        let (high, low) = product(rest, rest);
        let carry = high >> 63;
        rest = if carry == 1 {
            high
        } else {
            high << 1 | low >> 63
        };
        log = log << 1 | carry;
    }
    let bits = (u128::from(log) * u128::from(checks)) >> FRACTION_BITS;
    u32::try_from(bits).unwrap_or(u32::MAX)
}

/// The finalizer of `SplitMix64`, a bijection.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

/// The high and the low word of a · b.
fn product(a: u64, b: u64) -> (u64, u64) {
    if cfg!(target_family = "wasm") {
        return product_of_halves(a, b);
    }
    let wide = u128::from(a) * u128::from(b);
    ((wide >> 64) as u64, wide as u64)
}

/// The same from four products of 32 bits. No sum overflows: the largest is
/// (2^32 − 1)^2 + 2 (2^32 − 1) = 2^64 − 1.
fn product_of_halves(a: u64, b: u64) -> (u64, u64) {
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
    fn halves_make_the_product() {
        for a in words() {
            for b in words().take(60) {
                let wide = u128::from(a) * u128::from(b);
                let expected = ((wide >> 64) as u64, wide as u64);
                assert_eq!(product_of_halves(a, b), expected);
                assert_eq!(product(a, b), expected);
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
    fn primes_are_told_from_other_numbers() {
        // The largest primes below 2^61 , by their distance.
        for distance in [1, 31, 45, 229, 259, 283, 339, 391, 403, 465] {
            assert!(Modulus::new((1 << 61) - distance).is_prime(), "{distance}");
        }
        let others = (1..465)
            .step_by(2)
            .filter(|distance| Modulus::new((1 << 61) - distance).is_prime());
        assert_eq!(others.count(), 9);
        // 764116501 · 1528233001 passes for a prime with eight of the bases, the
        // others with base 2.
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
        // The high bits are spread: half of them above 1.5 · 2^60.
        let upper = seen.iter().filter(|&&p| p >> 59 & 1 == 1).count();
        assert!((60..140).contains(&upper), "{upper}");
    }

    #[test]
    fn exponents_are_rounded_down() {
        // log2(4.87668590e17 / D)
        assert_eq!(miss_exponent(1, 1), 58);
        assert_eq!(miss_exponent(0, 1), 58);
        assert_eq!(miss_exponent(1_000_000, 1), 38);
        assert_eq!(miss_exponent(1_000_000, 3), 116);
        assert_eq!(miss_exponent(5_565_709, 3), 109);
        assert_eq!(miss_exponent(1 << 58, 1), 0);
        assert_eq!(miss_exponent(u64::MAX, 3), 0);
        assert_eq!(miss_exponent(10, 0), 0);
        assert_eq!(miss_exponent(1, u32::MAX), u32::MAX);
    }
}
