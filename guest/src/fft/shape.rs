//! Lengths of transforms: 2^a · 3^b · 5^c points.

/// Fewest points of a transform whose length is a power of two.
pub(super) const POINTS_MIN: usize = 8;

/// Length of a transform: 2^`twos` · 3^`threes` · 5^`fives` complex points.
///
/// `twos` is at least 3, so that the shortest power of two is [`POINTS_MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) twos: u32,
    pub(crate) threes: u32,
    pub(crate) fives: u32,
}

/// Odd factors of lengths as exponents of 3 and 5: 1, 9/8, 5/4, 45/32, 3/2, 25/16,
/// 27/16 and 15/8 times a power of two.
const ODD_FACTORS: [(u32, u32); 8] = [
    (0, 0),
    (2, 0),
    (0, 1),
    (2, 1),
    (1, 0),
    (0, 2),
    (3, 0),
    (1, 1),
];

/// Cost of a radix-3 or radix-5 step: one part in this many of a transform.
const ODD_STEP_COST: u32 = 8;

impl Shape {
    /// Chooses the cheapest transform of at least `points` complex points.
    pub(crate) fn of_at_least(points: usize) -> Self {
        let shapes = ODD_FACTORS.map(|(threes, fives)| {
            let odd = 3_usize.pow(threes) * 5_usize.pow(fives);
            let blocks = points.div_ceil(odd).max(POINTS_MIN);
            Self {
                twos: usize::BITS - (blocks - 1).leading_zeros(),
                threes,
                fives,
            }
        });
        let mut best = shapes[0];
        for shape in shapes {
            if shape.cost() < best.cost() {
                best = shape;
            }
        }
        best
    }

    /// Estimates the time of a transform, in arbitrary units.
    fn cost(self) -> u64 {
        self.points() as u64 * u64::from(ODD_STEP_COST + self.threes + self.fives)
    }

    /// Number of complex points.
    pub(crate) fn points(self) -> usize {
        (3_usize.pow(self.threes) * 5_usize.pow(self.fives)) << self.twos
    }

    /// Number of radix-2 and radix-4 levels.
    pub(super) fn levels(self) -> (u32, u32) {
        // The last factor of two remains: the base case multiplies modulo x² − c.
        let levels = self.twos - 1;
        (levels % 2, levels / 2)
    }

    /// Number of additions that each point passes through. A radix-3 or radix-5 step
    /// counts twice, for the twiddle factor that follows it.
    pub(crate) fn steps(self) -> u32 {
        let (twos, fours) = self.levels();
        twos + 2 * fours + 2 * (self.threes + self.fives)
    }

    /// Returns the odd factor that the transform splits off first. `None` for a power
    /// of two.
    pub(super) fn odd_factor(self) -> Option<OddFactor> {
        if self.threes > 0 {
            Some(OddFactor::Three)
        } else if self.fives > 0 {
            Some(OddFactor::Five)
        } else {
            None
        }
    }

    /// Divides the length by an odd factor.
    pub(super) fn divide(self, factor: OddFactor) -> Self {
        match factor {
            OddFactor::Three => Self {
                threes: self.threes - 1,
                ..self
            },
            OddFactor::Five => Self {
                fives: self.fives - 1,
                ..self
            },
        }
    }
}

/// An odd prime factor of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddFactor {
    Three,
    Five,
}
