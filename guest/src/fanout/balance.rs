//! Balance of work between the shares of a fan-out.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths are estimates, which only have to be the same in every sandbox"
)]

use alloc::vec::Vec;

/// Exponents are split into multiples of this, their units, and rests. The fastest of
/// several powers of two, as measured in `benches/README.md`.
pub(super) const UNIT: u64 = 16;

/// Work of rests, relative to the same length of units in a share without rests, as measured
/// in `benches/README.md`.
const REST_WORK: f64 = 3.4;

/// Work of units in a share with rests, relative to units in a share without, likewise.
const MIXED_WORK: f64 = 1.53;

/// Lengths of products, as logarithms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    pub(super) rests: f64,
    pub(super) units: f64,
}

impl Lengths {
    /// Returns the lengths of a power of a prime with this logarithm.
    pub(super) fn of_power(exponent: u64, log: f64) -> Self {
        let rest = exponent % UNIT;
        Self {
            rests: rest as f64 * log,
            units: (exponent - rest) as f64 * log,
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        Self {
            rests: self.rests + other.rests,
            units: self.units + other.units,
        }
    }
}

/// Assigns each piece to the share that has the least of its quota.
pub(super) struct Balancer(Vec<Bin>);

/// A share with a quota.
struct Bin {
    share: usize,
    /// One over the quota.
    inverse: f64,
    length: f64,
}

impl Balancer {
    /// Creates a balancer for shares with these quotas. Shares without a quota receive
    /// nothing.
    fn new(quotas: impl Iterator<Item = (usize, f64)>) -> Self {
        let bins = quotas.filter(|&(_, quota)| quota > 0.0);
        let bin = |(share, quota)| Bin {
            share,
            inverse: 1.0 / quota,
            length: 0.0,
        };
        Self(bins.map(bin).collect())
    }

    /// Assigns a piece of this length and returns its share.
    pub(super) fn assign(&mut self, length: f64) -> usize {
        let mut least = 0;
        for (index, bin) in self.0.iter().enumerate() {
            if bin.inverse * bin.length < self.0[least].inverse * self.0[least].length {
                least = index;
            }
        }
        self.0[least].length += length;
        self.0[least].share
    }

    /// Returns the length that each share has.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (usize, f64)> {
        self.0.iter().map(|bin| (bin.share, bin.length))
    }
}

/// Creates the balancers of rests and of units. The first shares have the rests.
pub(super) fn balance_work(all: Lengths, shares: usize) -> (Balancer, Balancer) {
    let count = shares as f64;
    // Work of all rests, relative to that of all units.
    let rests_work = REST_WORK * all.rests / all.units.max(1.0);
    let with_rests = (count * rests_work / (1.0 + rests_work) + 0.5) as usize;
    let with_rests = with_rests.clamp(1, shares);
    let (some, others) = (with_rests as f64, (shares - with_rests) as f64);
    // Equal work in all shares: rests_work / some + MIXED_WORK · mixed = pure, and
    // some · mixed + others · pure = 1.
    let mixed = (1.0 - others * rests_work / some) / (some + others * MIXED_WORK);
    let mixed = if others > 0.0 { mixed.max(0.0) } else { 1.0 };
    let pure = (1.0 - some * mixed) / others.max(1.0);
    let units = (0..shares).map(|index| (index, if index < with_rests { mixed } else { pure }));
    let rests = (0..with_rests).map(|index| (index, 1.0));
    (Balancer::new(rests), Balancer::new(units))
}
