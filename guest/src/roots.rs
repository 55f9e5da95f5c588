//! Roots of unity, each rounded once from twice the precision.
//!
//! A root is computed as a double-double (T. J. Dekker, "A floating-point
//! technique for extending the available precision", 1971; D. E. Knuth, TAOCP
//! vol. 2, 4.2.2) with an error far below 2^−70, and rounded at the end, so that
//! it lies within [`ERROR`] of the true one: the angle is never rounded.

use alloc::vec::Vec;

/// What a rounded root is off by at most, in units of 2^−53. Each part is at
/// most 1, and off by half a unit in the last place, which is at most 2^−54;
/// together √2 · 2^−54, and a little for the double-double.
pub(crate) const ERROR: f64 = 0.7072;

/// A root of unity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Root {
    pub(crate) re: f64,
    pub(crate) im: f64,
}

/// An unevaluated sum of two doubles, the second far smaller than the first.
#[derive(Clone, Copy, Debug)]
struct Wide {
    high: f64,
    low: f64,
}

/// π/4.
const QUARTER_PI: Wide = Wide {
    high: core::f64::consts::FRAC_PI_4,
    low: 3.061_616_997_868_383e-17,
};

/// a + b, exactly (Knuth).
fn sum(a: f64, b: f64) -> Wide {
    let high = a + b;
    let part = high - a;
    let low = (a - (high - part)) + (b - part);
    Wide { high, low }
}

/// a + b, exactly, where |a| ≥ |b| (Dekker).
fn ordered_sum(a: f64, b: f64) -> Wide {
    let high = a + b;
    let low = b - (high - a);
    Wide { high, low }
}

/// The upper and lower half of a double's bits (Veltkamp).
fn halves(a: f64) -> (f64, f64) {
    // 2^27 + 1
    let scaled = 134_217_729.0 * a;
    let upper = scaled - (scaled - a);
    (upper, a - upper)
}

/// a · b, exactly (Dekker).
fn product(a: f64, b: f64) -> Wide {
    let high = a * b;
    let (a_upper, a_lower) = halves(a);
    let (b_upper, b_lower) = halves(b);
    let low =
        ((a_upper * b_upper - high) + a_upper * b_lower + a_lower * b_upper) + a_lower * b_lower;
    Wide { high, low }
}

impl Wide {
    fn plus(self, other: Self) -> Self {
        let high = sum(self.high, other.high);
        ordered_sum(high.high, high.low + self.low + other.low)
    }

    fn minus(self, other: Self) -> Self {
        self.plus(Self {
            high: -other.high,
            low: -other.low,
        })
    }

    fn times(self, other: Self) -> Self {
        let high = product(self.high, other.high);
        ordered_sum(
            high.high,
            high.low + (self.high * other.low + self.low * other.high),
        )
    }

    /// By an integer below 2^53.
    fn divided_by(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let back = product(high, divisor);
        let rest = ((self.high - back.high) - back.low) + self.low;
        ordered_sum(high, rest / divisor)
    }
}

/// A root of unity as a double-double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WideRoot {
    re: Wide,
    im: Wide,
}

impl WideRoot {
    /// 1.
    pub(crate) const ONE: Self = Self {
        re: Wide {
            high: 1.0,
            low: 0.0,
        },
        im: Wide {
            high: 0.0,
            low: 0.0,
        },
    };

    /// e^(2πi / `order`), by the series of sine and cosine. `order` is at least
    /// 8 and below 2^50.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers below 2^53 are doubles"
    )]
    pub(crate) fn of_order(order: u64) -> Self {
        // 2π / order = (π/4) · 8 / order ≤ π/4
        let angle = QUARTER_PI
            .times(Wide {
                high: 8.0,
                low: 0.0,
            })
            .divided_by(order as f64);
        let mut re = Self::ONE.re;
        let mut im = angle;
        let mut term = angle;
        // Terms fall by more than a half each: 27 are enough for π/4.
        for index in 2..40_u32 {
            term = term.times(angle).divided_by(f64::from(index));
            match index % 4 {
                0 => re = re.plus(term),
                1 => im = im.plus(term),
                2 => re = re.minus(term),
                _ => im = im.minus(term),
            }
            // Below 2^−110 of what it is added to.
            if term.high < angle.high * 7e-34 {
                break;
            }
        }
        Self { re, im }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            re: self.re.times(other.re).minus(self.im.times(other.im)),
            im: self.re.times(other.im).plus(self.im.times(other.re)),
        }
    }

    pub(crate) fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: Wide {
                high: -self.im.high,
                low: -self.im.low,
            },
        }
    }

    pub(crate) fn rounded(self) -> Root {
        // A double-double is kept so that its first part is the rounded whole.
        Root {
            re: self.re.high,
            im: self.im.high,
        }
    }

    /// 1, self, self², …: `length` powers.
    pub(crate) fn powers(self, length: usize) -> Vec<Self> {
        let mut powers = Vec::with_capacity(length);
        let mut power = Self::ONE;
        for _ in 0..length {
            powers.push(power);
            power = power.times(self);
        }
        powers
    }
}

/// log2 of the entries of a first table that are combined with a second.
const FINE_BITS: u32 = 7;

/// The roots that split the blocks of one level: entry k of level j has the
/// angle (2^−j / 4 + r(k)) / 4 in turns, where r mirrors the bits of k behind
/// the point. See [`transform`](crate::transform).
pub(crate) fn level(level: u32) -> Vec<Root> {
    let fine_bits = level.min(FINE_BITS);
    let first = WideRoot::of_order(1 << (level + 4));
    // The roots of order 8, 16, … by squaring: each doubles what the one before is
    // off by, which leaves it below 2^−75 on the longest way.
    let mut steps: Vec<WideRoot> =
        core::iter::successors(Some(first), |&root| Some(root.times(root)))
            .take(level as usize + 2)
            .collect();
    steps.reverse();
    let mut fine = mirrored(first, &steps, 0, fine_bits);
    if level == fine_bits {
        return fine.drain(..).map(WideRoot::rounded).collect();
    }
    let coarse = mirrored(WideRoot::ONE, &steps, fine_bits, level);
    let mut roots = Vec::with_capacity(1 << level);
    for &far in &coarse {
        roots.extend(fine.iter().map(|near| near.times(far).rounded()));
    }
    roots
}

/// `first` turned by what the bits from `from` to `to` of an index stand for, where
/// `steps` are the roots of order 8, 16 and so on.
fn mirrored(first: WideRoot, steps: &[WideRoot], from: u32, to: u32) -> Vec<WideRoot> {
    let mut roots = Vec::with_capacity(1 << (to - from));
    roots.push(first);
    // Bit b stands for 2^−(b+1) of a quarter turn.
    for &step in &steps[from as usize..to as usize] {
        for index in 0..roots.len() {
            roots.push(roots[index].times(step));
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_the_nearest_doubles() {
        // cos and sin of π/8 (OEIS A144981 and A182168).
        let root = WideRoot::of_order(16);
        assert_eq!(
            root.re.high.to_bits(),
            0.923_879_532_511_286_7_f64.to_bits()
        );
        assert_eq!(
            root.im.high.to_bits(),
            0.382_683_432_365_089_8_f64.to_bits()
        );
        for bits in 3..40 {
            let root = WideRoot::of_order(1 << bits);
            let square = WideRoot::of_order(1 << (bits + 1));
            let square = square.times(square);
            for (a, b) in [(root.re, square.re), (root.im, square.im)] {
                let difference = a.minus(b);
                assert!(difference.high.abs() < 1e-31, "{bits} {difference:?}");
            }
        }
        for order in [9_u64, 10, 12, 15, 48, 80, 5 << 30, 3 << 31] {
            let root = WideRoot::of_order(order);
            let one = root
                .re
                .times(root.re)
                .plus(root.im.times(root.im))
                .minus(WideRoot::ONE.re);
            assert!(one.high.abs() < 1e-31, "{order}");
        }
        // The fifth power of the fifth root of i.
        let root = WideRoot::of_order(20);
        let power = root.powers(6)[5];
        assert!(power.re.high.abs() < 1e-31);
        assert!((power.im.high - 1.0).abs() < 1e-31);
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn levels_have_their_angles() {
        for j in 0..12_u32 {
            let roots = level(j);
            assert_eq!(roots.len(), 1 << j);
            for (k, root) in roots.iter().enumerate() {
                let mirrored = (k as u64).reverse_bits() as f64 / 2_f64.powi(64);
                let angle = (2_f64.powi(-i32::try_from(j).expect("few") - 2) + mirrored) / 4.0;
                let turn = core::f64::consts::TAU * angle;
                assert!((root.re - turn.cos()).abs() < 3e-16, "{j} {k}");
                assert!((root.im - turn.sin()).abs() < 3e-16, "{j} {k}");
            }
        }
    }
}
