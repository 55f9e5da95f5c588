//! Double-double arithmetic: about 106 bits from two doubles.
//!
//! The algorithms are those of T. J. Dekker, "A floating-point technique for
//! extending the available precision", 1971, and D. E. Knuth, TAOCP vol. 2, 4.2.2.

/// An unevaluated sum of two doubles. `high` is the sum rounded to a double.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoubleDouble {
    pub(super) high: f64,
    pub(super) low: f64,
}

/// Returns a + b exactly (Knuth).
fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    let part = high - a;
    let low = (a - (high - part)) + (b - part);
    DoubleDouble { high, low }
}

/// Returns a + b exactly, for |a| ≥ |b| (Dekker).
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    let low = b - (high - a);
    DoubleDouble { high, low }
}

/// Splits the bits of a double into an upper and a lower half (Veltkamp).
fn split(a: f64) -> (f64, f64) {
    // 2^27 + 1
    let scaled = 134_217_729.0 * a;
    let upper = scaled - (scaled - a);
    (upper, a - upper)
}

/// Returns a · b exactly (Dekker).
fn two_product(a: f64, b: f64) -> DoubleDouble {
    let high = a * b;
    let (a_upper, a_lower) = split(a);
    let (b_upper, b_lower) = split(b);
    let low =
        ((a_upper * b_upper - high) + a_upper * b_lower + a_lower * b_upper) + a_lower * b_lower;
    DoubleDouble { high, low }
}

impl DoubleDouble {
    pub(super) const ZERO: Self = Self::from_f64(0.0);
    pub(super) const ONE: Self = Self::from_f64(1.0);

    /// π/4.
    pub(super) const QUARTER_PI: Self = Self {
        high: core::f64::consts::FRAC_PI_4,
        low: 3.061_616_997_868_383e-17,
    };

    pub(super) const fn from_f64(value: f64) -> Self {
        Self {
            high: value,
            low: 0.0,
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        let high = two_sum(self.high, other.high);
        quick_two_sum(high.high, high.low + self.low + other.low)
    }

    pub(super) fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    pub(super) fn neg(self) -> Self {
        Self {
            high: -self.high,
            low: -self.low,
        }
    }

    pub(super) fn mul(self, other: Self) -> Self {
        let high = two_product(self.high, other.high);
        quick_two_sum(
            high.high,
            high.low + (self.high * other.low + self.low * other.high),
        )
    }

    /// Divides by an integer below 2^53.
    pub(super) fn div(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let back = two_product(high, divisor);
        let rest = ((self.high - back.high) - back.low) + self.low;
        quick_two_sum(high, rest / divisor)
    }
}
