//! The division of a number's prime powers into shares, so that all sandboxes finish at
//! about the same time.
//!
//! The exponent of each power is split into a multiple of [`UNIT`], its *units*, and a
//! *rest* below [`UNIT`]. A product of units ends with squarings alone. Rests cost one
//! product as long as the whole share, so that only a few shares contain rests, and these
//! contain fewer units.
//!
//! Small primes are assigned one by one, high powers of them in pieces. Large primes, by
//! far the most, are assigned by segments of the sieve, so that no share lists them all.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths are estimates, which only have to be the same in every sandbox"
)]

use alloc::vec;
use alloc::vec::Vec;
use core::f64::consts::LOG2_E;

use super::balance::{Lengths, UNIT, balance_work};
use crate::number::exponents::exponent;
use crate::number::prime_powers::{PrimePowers, for_each_power, largest_prime_max, log2};
use crate::number::sieve::SEGMENT_SPAN;
use crate::request::Kind;

/// Fewest segments for each share if segments are assigned as a whole; with fewer, all
/// primes are assigned one by one.
const SEGMENTS_PER_SHARE_MIN: u64 = 3;

/// Fewest pieces in which a share receives its units. Longer powers are divided.
const PIECES_PER_SHARE: u64 = 32;

/// Bound on the number of primes in a segment: above 2^15 one number in 10.4 is prime, and
/// later fewer.
const PRIMES_PER_SEGMENT: u64 = SEGMENT_SPAN / 10;

/// Bytes of a power of a small prime: an entry in a list with up to twice the capacity
/// that it needs, a prime, and a run of its own in a list that is copied when it grows.
const SMALL_BYTES: u64 = 2 * 16 + 8 + 3 * 16;

/// Bytes of the primes of a segment, and as much again for their runs, which are fewer.
const SEGMENT_LIST_BYTES: u64 = 2 * 8 * PRIMES_PER_SEGMENT;

/// Lists the powers of share `index` of `shares`, without powers of ten. `None` for kinds
/// that are not products of known primes.
pub(super) fn assign_share(kind: Kind, n: u64, index: usize, shares: usize) -> Option<PrimePowers> {
    let mut small: Vec<(u64, u64)> = Vec::new();
    // For each large segment, whether this share has its rests, and its units.
    let mut large = Vec::new();
    let division = divide(kind, n, shares, |piece| match piece {
        Piece::Power {
            prime,
            exponent,
            share,
        } if share == index => match small.last_mut() {
            Some(last) if last.0 == prime => last.1 += exponent,
            _ => small.push((prime, exponent)),
        },
        Piece::Power { .. } => {}
        Piece::Segment { rests, units } => large.push([rests, units].map(|share| share == index)),
    })?;
    let own_of = |segment: u64| {
        let place = usize::try_from(segment.checked_sub(division.small_segments)?);
        large.get(place.ok()?)
    };
    let is_own = |segment| own_of(segment).is_some_and(|own| own.contains(&true));
    let segments = large.iter().filter(|own| own.contains(&true)).count();
    let primes = small.len() + segments * PRIMES_PER_SEGMENT as usize;
    let mut powers = PrimePowers::with_capacity(primes);
    for (prime, exponent) in small {
        powers.push(prime, exponent);
    }
    for_each_power(kind, n, is_own, |prime, exponent| {
        let [rests, units] = own_of((prime - 3) / SEGMENT_SPAN)
            .copied()
            .unwrap_or_default();
        let rest = exponent % UNIT;
        let own = if rests { rest } else { 0 } + if units { exponent - rest } else { 0 };
        if own > 0 {
            powers.push(prime, own);
        }
    });
    Some(powers)
}

/// Estimated size of a share.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareSize {
    /// Length as a fraction of the whole number.
    pub(super) fraction: f64,
    /// Most bytes of the lists of its powers.
    pub(super) list_bytes: u64,
}

/// Estimates the sizes of all shares, with little memory for any number.
pub(super) fn estimate_sizes(kind: Kind, n: u64, shares: usize) -> Vec<ShareSize> {
    let mut bytes = vec![0; shares];
    let division = divide(kind, n, shares, |piece| match piece {
        Piece::Power { share, .. } => bytes[share] += SMALL_BYTES,
        Piece::Segment { rests, units } => {
            bytes[rests] += SEGMENT_LIST_BYTES;
            if units != rests {
                bytes[units] += SEGMENT_LIST_BYTES;
            }
        }
    });
    // Other kinds are divided evenly.
    let lengths = division.map_or_else(|| vec![1.0; shares], |division| division.lengths);
    let all: f64 = lengths.iter().sum();
    let sizes = lengths.iter().zip(bytes);
    sizes
        .map(|(length, list_bytes)| ShareSize {
            fraction: length / all,
            list_bytes,
        })
        .collect()
}

/// A piece of the number, and its share.
enum Piece {
    /// A power of a small prime.
    Power {
        prime: u64,
        exponent: u64,
        share: usize,
    },
    /// The next large segment: the share of its rests and the share of its units.
    Segment { rests: usize, units: usize },
}

/// A division of all prime powers.
struct Division {
    /// Number of segments whose primes are assigned one by one.
    small_segments: u64,
    /// Estimated lengths of all shares.
    lengths: Vec<f64>,
}

/// Divides all prime powers and calls `visit` with each piece. Segments come first, since
/// small primes can make up for their differences. `None` for kinds that are not products
/// of known primes.
fn divide(kind: Kind, n: u64, shares: usize, mut visit: impl FnMut(Piece)) -> Option<Division> {
    exponent(kind, n, 2)?;
    let count = shares as u64;
    let segments = largest_prime_max(kind, n) / SEGMENT_SPAN + 1;
    let small_segments = if segments < SEGMENTS_PER_SHARE_MIN * count {
        segments
    } else {
        (count / 2).max(1)
    };
    let is_small = |segment| segment < small_segments;
    let large = estimate_large_segments(kind, n, small_segments);
    let mut all = large.clone().fold(Lengths::default(), Lengths::add);
    for_each_power(kind, n, is_small, |prime, exponent| {
        all = all.add(Lengths::of_power(exponent, log2(prime)));
    });
    let (mut rests, mut units) = balance_work(all, shares);
    for lengths in large {
        let rests_share = rests.assign(lengths.rests);
        // An estimate of 0 may be wrong: the units still need a share.
        let units_share = if lengths.units > 0.0 {
            units.assign(lengths.units)
        } else {
            rests_share
        };
        visit(Piece::Segment {
            rests: rests_share,
            units: units_share,
        });
    }
    let piece_max = all.units / (PIECES_PER_SHARE * count) as f64;
    for_each_power(kind, n, is_small, |prime, exponent| {
        let log = log2(prime);
        let (mut units_left, rest) = (exponent / UNIT, exponent % UNIT);
        if rest > 0 {
            visit(Piece::Power {
                prime,
                exponent: rest,
                share: rests.assign(rest as f64 * log),
            });
        }
        let length = (units_left * UNIT) as f64 * log;
        let pieces = if length > piece_max {
            (length / piece_max) as u64 + 1
        } else {
            1
        };
        for pieces_left in (1..=pieces).rev() {
            let exponent = UNIT * units_left.div_ceil(pieces_left);
            units_left -= exponent / UNIT;
            if exponent > 0 {
                visit(Piece::Power {
                    prime,
                    exponent,
                    share: units.assign(exponent as f64 * log),
                });
            }
        }
    });
    let mut lengths = vec![0.0; shares];
    for (share, length) in rests.lengths().chain(units.lengths()) {
        lengths[share] += length;
    }
    Some(Division {
        small_segments,
        lengths,
    })
}

/// Estimates the lengths of the powers in each segment after the small ones. The product
/// of the primes between two numbers is about e to the power of their difference.
fn estimate_large_segments(
    kind: Kind,
    n: u64,
    small_segments: u64,
) -> impl Iterator<Item = Lengths> + Clone {
    let bound = largest_prime_max(kind, n);
    let starts = (small_segments..).map(|segment| 3 + SEGMENT_SPAN * segment);
    starts
        .take_while(move |&start| start <= bound)
        .map(move |start| {
            let numbers = SEGMENT_SPAN.min(bound - start + 1);
            let exponent = exponent(kind, n, start + numbers / 2).unwrap_or(0);
            Lengths::of_power(exponent, numbers as f64 * LOG2_E)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mul::Multiplier;
    use num_bigint::BigUint;

    #[test]
    fn sizes_of_shares_are_as_estimated() {
        for (kind, n, shares) in [
            (Kind::Primorial, 500_000, 2),
            (Kind::Primorial, 2_000_000, 3),
            (Kind::Hyperfactorial, 1000, 64),
            (Kind::Superfactorial, 1000, 16),
            (Kind::Multifactorial(2), 200_001, 5),
            (Kind::Factorial, 50_000, 2),
            (Kind::Factorial, 50_000, 64),
            (Kind::Factorial, 1_000_000, 2),
            (Kind::Factorial, 1_000_000, 3),
            (Kind::Factorial, 1_000_000, 4),
        ] {
            let lengths: Vec<usize> = (0..shares)
                .map(|index| {
                    let share = assign_share(kind, n, index, shares).expect("primes");
                    let product = share.multiply(&mut Multiplier::proved());
                    product.limbs().len() * product.limb_digits() as usize
                })
                .collect();
            let all: usize = lengths.iter().sum();
            for (size, length) in estimate_sizes(kind, n, shares).into_iter().zip(&lengths) {
                let fraction = *length as f64 / all as f64;
                let what = format!("{kind:?} {n}: {size:?}, and {lengths:?}");
                assert!((fraction / size.fraction - 1.0).abs() < 0.1, "{what}");
            }
            // The first share has rests, which are more work, and is no longer than the last.
            let last = lengths[shares - 1];
            assert!(lengths[0] <= last * 11 / 10, "{kind:?} {n}: {lengths:?}");
        }
    }

    /// Numbers whose large primes are assigned by segments.
    #[test]
    fn every_power_is_assigned_once() {
        for (kind, n, shares) in [
            (Kind::Factorial, 1_000_003, 2),
            (Kind::Factorial, 500_000, 5),
            (Kind::Primorial, 700_000, 7),
            (Kind::Multifactorial(2), 700_001, 3),
        ] {
            let mut all = alloc::collections::BTreeMap::new();
            for index in 0..shares {
                let share = assign_share(kind, n, index, shares).expect("primes");
                for (prime, exponent) in share.powers() {
                    *all.entry(prime).or_insert(0) += exponent;
                }
            }
            let whole = PrimePowers::factor(kind, n).expect("primes");
            assert!(all.into_iter().eq(whole.powers()), "{kind:?} {n}");
        }
    }

    /// Small numbers in a few shares.
    #[test]
    fn shares_multiply_to_the_number() {
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(2),
            Kind::Superfactorial,
            Kind::Hyperfactorial,
        ] {
            for n in (0..200).chain([46_340, 46_341, 65_535, 65_536, 65_537]) {
                let is_power = matches!(kind, Kind::Superfactorial | Kind::Hyperfactorial);
                if is_power && n >= 200 {
                    continue;
                }
                let shares = 1 + usize::try_from(n).expect("small") % 4;
                let mut multiplier = Multiplier::proved();
                let mut number = BigUint::from(1_u32);
                for index in 0..shares {
                    let share = assign_share(kind, n, index, shares).expect("primes");
                    number *= share.multiply(&mut multiplier).to_big();
                }
                let powers = PrimePowers::factor(kind, n).expect("primes");
                assert_eq!(
                    number,
                    powers.multiply(&mut multiplier).to_big(),
                    "{kind:?} {n}"
                );
            }
        }
    }
}
