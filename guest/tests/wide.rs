//! Arguments around 2^16 and 2^32, where 32-bit integers or their squares overflow.

use factorial::mul::Multiplier;
use factorial::natural::{Long, Natural};
use factorial::number::exponents::{hyperfactorial_exponent, legendre, superfactorial_exponent};
use factorial::number::product_tree::{count_progression, multiply_progression};
use factorial::number::sieve::for_each_prime;
use factorial::number::{self, Number};
use factorial::request::Kind;
use num_bigint::BigUint;

/// Numbers around the ends of 16, 31, 32 and 33 bits.
const EDGES: [u64; 12] = [
    0xFFFF,
    0x1_0000,
    0x1_0001,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x1_0000_0001,
    0x1_FFFF_FFFF,
    0x2_0000_0000,
    10_000_000_000,
];

fn big(number: Natural) -> BigUint {
    let (head, zeros) = (number, 0);
    let text = Number::Long(Long { head, zeros }).to_text();
    text.parse().expect("digits")
}

/// The exponent of p is n minus the sum of its digits in base p, over p − 1 (Legendre
/// 1808).
#[test]
fn exponents_beyond_32_bits() {
    for n in EDGES.into_iter().chain([u64::MAX - 1, u64::MAX]) {
        for prime in [2, 3, 5, 7, 65_521, 65_537, 4_294_967_291, 4_294_967_311] {
            let (mut rest, mut sum) = (n, 0);
            while rest > 0 {
                sum += rest % prime;
                rest /= prime;
            }
            assert_eq!(legendre(n, prime), (n - sum) / (prime - 1), "{n} {prime}");
        }
    }
}

/// H(n) · sf(n) = (n!)^(n+1), and likewise for the exponents of every prime.
#[test]
fn exponents_of_super_and_hyperfactorials_beyond_32_bits() {
    for n in EDGES {
        for prime in [2, 3, 5, 65_521, 65_537, 4_294_967_291, 4_294_967_311] {
            let both = superfactorial_exponent(n, prime) + hyperfactorial_exponent(n, prime);
            let power = u128::from(legendre(n, prime)) * (u128::from(n) + 1);
            assert_eq!(both, power, "{n} {prime}");
        }
    }
}

#[test]
fn progressions_beyond_32_bits() {
    for last in EDGES {
        for step in [1, 2, 65_535, 65_536, 0xFFFF_FFFF, 0x1_0000_0000] {
            let count = count_progression(last, step).min(100);
            let mut multiplier = Multiplier::proved();
            let product = big(multiply_progression(last, step, count, &mut multiplier));
            let expected: BigUint = (0..count)
                .map(|index| BigUint::from(last - index * step))
                .product();
            assert_eq!(product, expected, "{last} {step}");
        }
    }
}

/// Multifactorials with large steps have few factors for any n.
#[test]
fn multifactorials_beyond_32_bits() {
    for n in EDGES {
        for step in [0x1000_0000_u32, 0x7FFF_FFFF, u32::MAX] {
            let kind = Kind::Multifactorial(step);
            let text = number::compute(kind, n, &mut Multiplier::verified(3)).to_text();
            let factors = (0..n)
                .step_by(step as usize)
                .map(|less| BigUint::from(n - less));
            let expected: BigUint = factors.product();
            assert_eq!(text, expected.to_string(), "{n} {step}");
        }
    }
}

/// π(n) and the sum of all primes up to n.
#[test]
fn primes_beyond_16_bits() {
    // OEIS A006880 and A046731.
    for (bound, count, sum) in [
        (1_000_000, 78_498, 37_550_402_023_u64),
        (10_000_000, 664_579, 3_203_324_994_356),
        (100_000_000, 5_761_455, 279_209_790_387_276),
    ] {
        let (mut found, mut total) = (0, 0);
        for_each_prime(bound, |prime| (found, total) = (found + 1, total + prime));
        assert_eq!((found, total), (count, sum), "{bound}");
    }
}

/// The first segments beyond 2^32: π(2^32) is 203,280,221 (OEIS A007053), and the
/// next primes are 2^32 + 15, + 61, + 75, + 81.
#[test]
#[ignore = "sieves all numbers below 2^32: some ten seconds"]
fn primes_beyond_32_bits() {
    const END: u64 = 1 << 32;
    let (mut below, mut beyond) = (0, Vec::new());
    for_each_prime(END + 90, |prime| {
        if prime < END {
            below += 1;
        } else {
            beyond.push(prime - END);
        }
    });
    assert_eq!(below, 203_280_221);
    assert_eq!(beyond, [15, 61, 75, 81]);
}
