//! Coefficients of a transform scaled and rounded to integers, with a record of how
//! close to integers they were.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use crate::fft::simd::F64x2;
use crate::natural::carry::COEFFICIENT_MAX;

/// Distance from the nearest integer from which on a coefficient is suspect.
pub(super) const DISTANCE_MAX: f64 = 0.4;

/// Extremes of the coefficients that were rounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounding {
    /// Largest distance of a coefficient from the nearest integer.
    pub(super) distance: f64,
    /// Largest magnitude of a coefficient.
    pub(super) largest: f64,
}

impl Rounding {
    /// Whether all coefficients were close to integers and small enough to be carried.
    pub(super) fn is_plausible(self) -> bool {
        self.distance < DISTANCE_MAX && self.largest < COEFFICIENT_MAX
    }
}

/// Scales and rounds coefficients, two at a time.
#[derive(Clone, Copy)]
pub(super) struct Rounder {
    factor: F64x2,
    distances: Range,
    coefficients: Range,
}

impl Rounder {
    /// Creates a rounder that multiplies by `factor` first.
    pub(super) fn new(factor: f64) -> Self {
        Self {
            factor: F64x2::splat(factor),
            distances: Range::new(),
            coefficients: Range::new(),
        }
    }

    /// Scales and rounds two coefficients.
    #[inline(always)]
    pub(super) fn round(&mut self, coefficients: F64x2) -> F64x2 {
        let scaled = coefficients.mul(self.factor);
        let integers = scaled.nearest();
        self.distances.include(scaled.sub(integers));
        self.coefficients.include(integers);
        integers
    }

    /// Returns the extremes of all coefficients so far.
    pub(super) fn rounding(self) -> Rounding {
        Rounding {
            distance: self.distances.magnitude(),
            largest: self.coefficients.magnitude(),
        }
    }
}

/// The least and the largest of some numbers and 0, per lane. Two comparisons are cheaper
/// than magnitudes.
#[derive(Clone, Copy)]
struct Range {
    least: F64x2,
    largest: F64x2,
}

impl Range {
    fn new() -> Self {
        Self {
            least: F64x2::splat(0.0),
            largest: F64x2::splat(0.0),
        }
    }

    #[inline(always)]
    fn include(&mut self, numbers: F64x2) {
        self.least = self.least.pmin(numbers);
        self.largest = self.largest.pmax(numbers);
    }

    /// Returns the largest magnitude.
    fn magnitude(self) -> f64 {
        let magnitudes = self.largest.pmax(self.least.neg());
        magnitudes.lane0().max(magnitudes.lane1())
    }
}
