//! The prime powers of a number, dealt out to several sandboxes so that all of them
//! are done at about the same time.
//!
//! A power is taken apart into one whose exponent is a multiple of [`UNIT`] and the
//! rest. Products of the former end with squarings alone; rests cost a product as long
//! as all that they are in. So only a few shares have rests, and the fewer of the
//! other powers.
//!
//! Small primes are dealt out one by one, and those with a high power in pieces; large
//! ones, which are the most, by the segments of the sieve, so that no share lists all.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "how long a share is need not be known exactly, only alike everywhere"
)]

use alloc::vec;
use alloc::vec::Vec;
use core::f64::consts::LOG2_E;

use crate::powers::{self, PrimePowers, exponent, for_each_power};
use crate::request::Kind;
use crate::sieve::SEGMENT;

/// Exponents are taken apart into multiples of this and rests. Of 4, 8, 16 and 32 this
/// is the one with which two sandboxes have 1,000,000! and 10,000,000! soonest, by 5 %.
const UNIT: u64 = 16;

/// Segments are dealt out where there are so many for each share: else all primes are
/// dealt out one by one.
const SEGMENTS_PER_SHARE_MIN: u64 = 3;

/// A power is dealt out in pieces of which a share has this many or more.
const PIECES_PER_SHARE: u64 = 32;

/// How much work rests are, where the same length of whole units by itself is 1; and the
/// latter in a share that has rests as well. So two shares of 10,000,000! take the same
/// time; of 1,000,000! the one with the rests takes a third longer, and has no units.
const REST_WORK: f64 = 3.4;
const MIXED_WORK: f64 = 1.53;

/// The powers of share `index` of `shares`, unless the number is of a kind that is no
/// product of known primes. The tens are nobody's.
pub(crate) fn share(kind: Kind, n: u64, index: usize, shares: usize) -> Option<PrimePowers> {
    let mut small: Vec<(u64, u64)> = Vec::new();
    // Whether the rests, and the units, of each segment that is not small are ours.
    let mut large = Vec::new();
    let dealt = deal(kind, n, shares, |dealt| match dealt {
        Dealt::Power(prime, exponent, owner) if owner == index => match small.last_mut() {
            Some(last) if last.0 == prime => last.1 += exponent,
            _ => small.push((prime, exponent)),
        },
        Dealt::Power(..) => {}
        Dealt::Segment(owners) => large.push(owners.map(|owner| owner == index)),
    })?;
    let of_segment = |segment: u64| {
        let place = usize::try_from(segment.checked_sub(dealt.small_segments)?);
        large.get(place.ok()?)
    };
    let is_ours = |segment| of_segment(segment).is_some_and(|ours| ours.contains(&true));
    let segments = large.iter().filter(|ours| ours.contains(&true)).count();
    let primes = small.len() + segments * PRIMES_PER_SEGMENT as usize;
    let mut powers = PrimePowers::with_capacity(primes);
    for (prime, exponent) in small {
        powers.push(prime, exponent);
    }
    for_each_power(kind, n, is_ours, |prime, exponent| {
        let [rests, units] = of_segment((prime - 3) / SEGMENT)
            .copied()
            .unwrap_or_default();
        let rest = exponent % UNIT;
        let ours = if rests { rest } else { 0 } + if units { exponent - rest } else { 0 };
        if ours > 0 {
            powers.push(prime, ours);
        }
    });
    Some(powers)
}

/// What is known of a share before its powers are listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// About how long it is, as a part of the whole.
    pub(crate) part: f64,
    /// Bytes of the lists of its powers, at most.
    pub(crate) list_bytes: u64,
}

/// The sizes of all shares. This takes little memory, whatever the number.
pub(crate) fn sizes(kind: Kind, n: u64, shares: usize) -> Vec<Size> {
    let mut bytes = vec![0; shares];
    let dealt = deal(kind, n, shares, |dealt| match dealt {
        Dealt::Power(_, _, owner) => bytes[owner] += SMALL_BYTES,
        Dealt::Segment([rests, units]) => {
            bytes[rests] += SEGMENT_LIST_BYTES;
            if units != rests {
                bytes[units] += SEGMENT_LIST_BYTES;
            }
        }
    });
    let lengths = dealt.map_or_else(|| vec![1.0; shares], |dealt| dealt.lengths);
    let all: f64 = lengths.iter().sum();
    let sizes = lengths.iter().zip(bytes);
    sizes
        .map(|(length, list_bytes)| Size {
            part: length / all,
            list_bytes,
        })
        .collect()
}

/// As many primes as there are in a segment, or a few more: above 2^15 about one
/// number in 10.4 is one, and later fewer.
const PRIMES_PER_SEGMENT: u64 = SEGMENT / 10;

/// Bytes that a power of a small prime takes: in a list of pairs that may have twice the
/// room that it needs, as a prime, and as a run of its own in a list that is copied when
/// it grows.
const SMALL_BYTES: u64 = 2 * 16 + 8 + 3 * 16;

/// Bytes that the primes of a segment take, and as much again for their runs, which are
/// fewer.
const SEGMENT_LIST_BYTES: u64 = 2 * 8 * PRIMES_PER_SEGMENT;

/// What goes to some share.
enum Dealt {
    /// A power of a small prime: prime, exponent and share.
    Power(u64, u64, usize),
    /// The rests and the units of the next segment that is not small, each to a share.
    Segment([usize; 2]),
}

/// How all was dealt out.
struct Deal {
    small_segments: u64,
    /// About how long all shares are.
    lengths: Vec<f64>,
}

/// Deals out everything, and tells `visit`: segments first, since small primes can make
/// up for how uneven these are.
fn deal(kind: Kind, n: u64, shares: usize, mut visit: impl FnMut(Dealt)) -> Option<Deal> {
    exponent(kind, n, 2)?;
    let count = shares as u64;
    let segments = powers::largest(kind, n) / SEGMENT + 1;
    let small_segments = if segments < SEGMENTS_PER_SHARE_MIN * count {
        segments
    } else {
        (count / 2).max(1)
    };
    let is_small = |segment| segment < small_segments;
    let large = large_segments(kind, n, small_segments);
    let mut all = large.clone().fold(Lengths::default(), Lengths::plus);
    for_each_power(kind, n, is_small, |prime, exponent| {
        all = all.plus(Lengths::of(exponent, powers::log(prime)));
    });
    let (mut rests, mut units) = dealers(all, shares);
    for lengths in large {
        let owner_of_rests = rests.next(lengths.rests);
        // That there are none is an estimate, too.
        let owner_of_units = if lengths.units > 0.0 {
            units.next(lengths.units)
        } else {
            owner_of_rests
        };
        visit(Dealt::Segment([owner_of_rests, owner_of_units]));
    }
    let piece_max = all.units / (PIECES_PER_SHARE * count) as f64;
    for_each_power(kind, n, is_small, |prime, exponent| {
        let log = powers::log(prime);
        let (mut left, rest) = (exponent / UNIT, exponent % UNIT);
        if rest > 0 {
            visit(Dealt::Power(prime, rest, rests.next(rest as f64 * log)));
        }
        let length = (left * UNIT) as f64 * log;
        let pieces = if length > piece_max {
            (length / piece_max) as u64 + 1
        } else {
            1
        };
        for pieces_left in (1..=pieces).rev() {
            let piece = UNIT * left.div_ceil(pieces_left);
            left -= piece / UNIT;
            if piece > 0 {
                visit(Dealt::Power(prime, piece, units.next(piece as f64 * log)));
            }
        }
    });
    let mut lengths = vec![0.0; shares];
    for taker in rests.0.into_iter().chain(units.0) {
        lengths[taker.share] += taker.length;
    }
    Some(Deal {
        small_segments,
        lengths,
    })
}

/// How long products are, as logarithms.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    rests: f64,
    units: f64,
}

impl Lengths {
    /// Of the power of a prime with this logarithm.
    fn of(exponent: u64, log: f64) -> Self {
        let rest = exponent % UNIT;
        Self {
            rests: rest as f64 * log,
            units: (exponent - rest) as f64 * log,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            rests: self.rests + other.rests,
            units: self.units + other.units,
        }
    }
}

/// About how long the powers of each segment are after the small ones: the product of the
/// primes between two numbers is about e to the power of their difference.
fn large_segments(
    kind: Kind,
    n: u64,
    small_segments: u64,
) -> impl Iterator<Item = Lengths> + Clone {
    let bound = powers::largest(kind, n);
    let starts = (small_segments..).map(|segment| 3 + SEGMENT * segment);
    starts
        .take_while(move |&start| start <= bound)
        .map(move |start| {
            let numbers = SEGMENT.min(bound - start + 1);
            let exponent = exponent(kind, n, start + numbers / 2).unwrap_or(0);
            Lengths::of(exponent, numbers as f64 * LOG2_E)
        })
}

/// Gives each next piece to the share that has least of what it is to have.
struct Dealer(Vec<Taker>);

/// A share that takes part.
struct Taker {
    share: usize,
    /// What it is to have, as one over a part of all.
    inverse: f64,
    length: f64,
}

impl Dealer {
    fn new(quotas: impl Iterator<Item = (usize, f64)>) -> Self {
        let takers = quotas.filter(|&(_, quota)| quota > 0.0);
        let taker = |(share, quota)| Taker {
            share,
            inverse: 1.0 / quota,
            length: 0.0,
        };
        Self(takers.map(taker).collect())
    }

    /// Whose the next piece is.
    fn next(&mut self, length: f64) -> usize {
        let mut least = 0;
        for (place, taker) in self.0.iter().enumerate() {
            if taker.inverse * taker.length < self.0[least].inverse * self.0[least].length {
                least = place;
            }
        }
        self.0[least].length += length;
        self.0[least].share
    }
}

/// Who is to have which part of all rests, and of all units: the first shares have the
/// rests.
fn dealers(all: Lengths, shares: usize) -> (Dealer, Dealer) {
    let count = shares as f64;
    // The work of all rests, where that of all units is 1.
    let rests_work = REST_WORK * all.rests / all.units.max(1.0);
    let with_rests = (count * rests_work / (1.0 + rests_work) + 0.5) as usize;
    let with_rests = with_rests.clamp(1, shares);
    let (some, others) = (with_rests as f64, (shares - with_rests) as f64);
    // All shares are as much work: rests_work / some + MIXED_WORK · mixed = pure, and
    // some · mixed + others · pure = 1.
    let mixed = (1.0 - others * rests_work / some) / (some + others * MIXED_WORK);
    let mixed = if others > 0.0 { mixed.max(0.0) } else { 1.0 };
    let pure = (1.0 - some * mixed) / others.max(1.0);
    let units = (0..shares).map(|index| (index, if index < with_rests { mixed } else { pure }));
    let rests = (0..with_rests).map(|index| (index, 1.0));
    (Dealer::new(rests), Dealer::new(units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiply::Multiplier;

    #[test]
    fn shares_are_as_long_as_they_are_said_to_be() {
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
                    let share = share(kind, n, index, shares).expect("primes");
                    let product = share.product(&mut Multiplier::proved());
                    product.limbs().len() * product.places() as usize
                })
                .collect();
            let all: usize = lengths.iter().sum();
            for (size, length) in sizes(kind, n, shares).into_iter().zip(&lengths) {
                let part = *length as f64 / all as f64;
                let what = format!("{kind:?} {n}: {size:?}, and {lengths:?}");
                assert!((part / size.part - 1.0).abs() < 0.1, "{what}");
            }
            // Rests are more work: the first, who has some, is no longer than the last.
            let last = lengths[shares - 1];
            assert!(lengths[0] <= last * 11 / 10, "{kind:?} {n}: {lengths:?}");
        }
    }

    /// Where the large primes are dealt out by segments.
    #[test]
    fn no_power_is_lost_or_dealt_out_twice() {
        for (kind, n, shares) in [
            (Kind::Factorial, 1_000_003, 2),
            (Kind::Factorial, 500_000, 5),
            (Kind::Primorial, 700_000, 7),
            (Kind::Multifactorial(2), 700_001, 3),
        ] {
            let mut all = alloc::collections::BTreeMap::new();
            for index in 0..shares {
                let share = share(kind, n, index, shares).expect("primes");
                for (prime, exponent) in share.powers() {
                    *all.entry(prime).or_insert(0) += exponent;
                }
            }
            let whole = PrimePowers::of(kind, n).expect("primes");
            assert!(all.into_iter().eq(whole.powers()), "{kind:?} {n}");
        }
    }
}
