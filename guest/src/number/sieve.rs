//! The primes up to a bound, in ascending order, by a segmented sieve of Eratosthenes
//! over the odd numbers.
//!
//! It holds one segment of 16 KiB and the primes up to the square root of the bound: a
//! few hundred KiB for the largest bound that a request can reach. All numbers have 64
//! bits on every target, since squares of 32-bit indices overflow above 65,535.
#![expect(
    clippy::cast_possible_truncation,
    reason = "indices are below the length of a buffer"
)]

use alloc::vec;
use alloc::vec::Vec;

/// Odd numbers that one segment covers, one byte each.
const SEGMENT_BYTES: usize = 16 * 1024;

/// The primes that suffice for most requests.
const SMALL_PRIMES: [u16; 168] = {
    let mut primes = [2; 168];
    let mut count = 1;
    let mut number = 3;
    while count < primes.len() {
        let mut index = 0;
        while primes[index] * primes[index] <= number && number % primes[index] != 0 {
            index += 1;
        }
        if primes[index] * primes[index] > number {
            primes[count] = number;
            count += 1;
        }
        number += 1;
    }
    primes
};

/// First prime that is not in [`SMALL_PRIMES`].
const SMALL_PRIMES_END: u64 = 1009;

/// Calls `visit` with each prime from 2 to `bound`.
pub fn for_each_prime(bound: u64, visit: impl FnMut(u64)) {
    for_each_prime_in(bound, |_| true, visit);
}

/// Numbers that one segment covers. Segment 0 begins at 3 and also reports 2.
pub const SEGMENT_SPAN: u64 = 2 * SEGMENT_BYTES as u64;

/// Calls `visit` with each prime from 2 to `bound` in the segments that `is_wanted`
/// selects. Every other segment costs one division for each prime up to √`bound`.
pub fn for_each_prime_in(bound: u64, is_wanted: impl Fn(u64) -> bool, mut visit: impl FnMut(u64)) {
    if bound < SMALL_PRIMES_END {
        let few = SMALL_PRIMES.iter().map(|&prime| u64::from(prime));
        let few = few.take_while(|&prime| prime <= bound);
        return few.filter(|_| is_wanted(0)).for_each(visit);
    }
    if is_wanted(0) {
        visit(2);
    }
    let mut base = compute_base_primes(bound.isqrt());
    let span = SEGMENT_BYTES as u64;
    // The segment starts at `low`, an odd number; byte i stands for low + 2i.
    let mut low = 3_u64;
    let length_max = usize::try_from(bound / 2).unwrap_or(usize::MAX);
    let mut composite = vec![0; SEGMENT_BYTES.min(length_max).next_multiple_of(MASK_BITS)];
    for segment in 0.. {
        if low > bound {
            return;
        }
        if is_wanted(segment) {
            cross_off(&mut composite, &mut base);
            for (block, first) in composite
                .as_chunks()
                .0
                .iter()
                .zip((low..).step_by(2 * MASK_BITS))
            {
                let mut primes = !pack_bits(block);
                while primes != 0 {
                    let number = first + 2 * u64::from(primes.trailing_zeros());
                    if number > bound {
                        return;
                    }
                    visit(number);
                    primes &= primes - 1;
                }
            }
        } else {
            for (prime, next) in &mut base {
                let multiples = span.saturating_sub(*next).div_ceil(*prime);
                *next = *next + multiples * *prime - span;
            }
        }
        let Some(next_low) = low.checked_add(2 * span) else {
            return;
        };
        low = next_low;
    }
}

/// Marks the multiples of the base primes in a segment. Each prime comes with the index
/// of its next odd multiple, relative to the start of the segment.
fn cross_off(segment: &mut [u8], base: &mut [(u64, u64)]) {
    segment.fill(0);
    let length = segment.len() as u64;
    for (prime, next) in base {
        let mut index = *next;
        while index < length {
            segment[index as usize] = 1;
            index += *prime;
        }
        *next = index.saturating_sub(SEGMENT_BYTES as u64);
    }
}

/// Bytes that become one mask.
const MASK_BITS: usize = 64;

/// Packs bytes of 0 or 1 into one bit each.
fn pack_bits(bytes: &[u8; MASK_BITS]) -> u64 {
    // Eight bytes at once: the product moves each to its bit among the highest eight,
    // without collisions.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let words = bytes.as_chunks::<8>().0.iter().enumerate();
    words.fold(0, |bits, (index, &word)| {
        bits | u64::from_le_bytes(word).wrapping_mul(GATHER) >> 56 << (8 * index)
    })
}

/// Computes the odd primes up to `root`, each with the index of its square among the odd
/// numbers from 3.
fn compute_base_primes(root: u64) -> Vec<(u64, u64)> {
    let length = usize::try_from(root / 2 + 1).unwrap_or(usize::MAX);
    // Byte i stands for 2i + 1.
    let mut composite = vec![false; length];
    let mut primes = Vec::new();
    for index in 1..length {
        let prime = 2 * index as u64 + 1;
        if composite[index] || prime > root {
            continue;
        }
        // root < 2^32, so that squares fit into 64 bits.
        let square = prime * prime;
        primes.push((prime, (square - 3) / 2));
        let mut multiple = square / 2;
        while multiple < length as u64 {
            composite[multiple as usize] = true;
            multiple += prime;
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primes(bound: u64) -> Vec<u64> {
        let mut found = Vec::new();
        for_each_prime(bound, |prime| found.push(prime));
        found
    }

    fn is_prime(number: u64) -> bool {
        number > 1 && (2..=number.isqrt()).all(|d| !number.is_multiple_of(d))
    }

    #[test]
    fn agrees_with_trial_division() {
        let naive: Vec<u64> = (0..=2000).filter(|&number| is_prime(number)).collect();
        for bound in 0..=2000 {
            let expected: Vec<u64> = naive.iter().copied().filter(|&p| p <= bound).collect();
            assert_eq!(primes(bound), expected, "{bound}");
        }
    }

    /// π(n), without duplicates and in order, around overflows of 32-bit squares and ends
    /// of segments.
    #[test]
    fn counts_are_right_around_edges() {
        for (bound, count) in [
            (32_770, 3512),
            (46_340, 4792),
            (46_341, 4792),
            (65_535, 6542),
            (65_536, 6542),
            (65_537, 6543),
            (1_000_000, 78_498),
        ] {
            let found = primes(bound);
            assert_eq!(found.len(), count, "{bound}");
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(found.iter().rev().take(20).all(|&prime| is_prime(prime)));
        }
    }

    #[test]
    fn segment_ends_are_exact() {
        for bound in (3..7).map(|segments| segments * 2 * SEGMENT_BYTES as u64) {
            for bound in bound - 3..bound + 6 {
                assert!(primes(bound).iter().all(|&p| p <= bound));
                let last = (0..=bound).rev().find(|&number| is_prime(number));
                assert_eq!(primes(bound).last().copied(), last);
            }
        }
    }
}
