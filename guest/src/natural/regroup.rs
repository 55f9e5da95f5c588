//! Limbs of one length converted to shorter limbs.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "limbs are below 2^31 and powers of ten below 2^20"
)]

use alloc::vec::Vec;

use super::limb::{LIMB_DIGITS_MAX, base};

/// Converts limbs of `from` digits to limbs of `to` digits, at most `from`.
///
/// Limbs may be negative, or exceed their base. Each cut leaves a balanced low part, so
/// that nothing is carried.
pub(super) fn regroup(limbs: &[i32], from: u32, to: u32) -> Vec<i32> {
    debug_assert!(to <= from, "limbs only get shorter");
    let digits = limbs.len() * from as usize;
    let mut result = Vec::with_capacity(digits / to as usize + 2);
    // A power of ten and its inverse for each digit at which a limb may be cut.
    let cuts: [[f64; 2]; LIMB_DIGITS_MAX as usize + 1] = core::array::from_fn(|cut| {
        let power = base(cut as u32) as f64;
        [power, 1.0 / power]
    });
    // The next limb so far, an integer as all values here, and how many digits it has.
    let (mut next, mut next_digits) = (0.0, 0);
    for &limb in limbs {
        let (mut rest, mut rest_digits) = (f64::from(limb), from);
        // Runs at least once, since limbs get shorter.
        while next_digits + rest_digits >= to {
            let cut = to - next_digits;
            let [power, inverse] = cuts[cut as usize];
            let high = round(rest * inverse);
            let low = rest - high * power;
            result.push((low * cuts[next_digits as usize][0] + next) as i32);
            (next, next_digits) = (0.0, 0);
            (rest, rest_digits) = (high, rest_digits - cut);
        }
        (next, next_digits) = (rest, rest_digits);
    }
    result.push(next as i32);
    result
}

/// Rounds to the nearest integer, for magnitudes below 2^51. A sum with this constant
/// has no bits below 1.
fn round(number: f64) -> f64 {
    const NO_FRACTION: f64 = 3.0 * (1_u64 << 51) as f64;
    number + NO_FRACTION - NO_FRACTION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::natural::limb::LIMB_DIGITS_MIN;
    use num_bigint::BigInt;

    fn value(limbs: &[i32], digits: u32) -> BigInt {
        let limbs = limbs.iter().rev();
        limbs.fold(BigInt::ZERO, |sum, &limb| sum * base(digits) + limb)
    }

    /// Includes negative numbers, limbs around half of their base, and limbs far above
    /// it.
    #[test]
    fn regrouping_keeps_the_value() {
        let mut state = 1_u64;
        let mut random = |below: i32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as i32 % below
        };
        for from in LIMB_DIGITS_MIN..=LIMB_DIGITS_MAX {
            for to in LIMB_DIGITS_MIN..=from {
                let base = base(from) as i32;
                for (kind, length) in
                    (0..4).flat_map(|kind| (0..40).map(move |length| (kind, length)))
                {
                    let limbs = (0..length).map(|_| {
                        let sign = 1 - 2 * random(2);
                        sign * match kind {
                            0 => random(base / 2 + 1),
                            1 => random(base + 1),
                            2 => [0, 1, base / 2 - 1, base / 2, base / 2 + 1, base]
                                [usize::try_from(random(6)).expect("positive")],
                            _ => random(1 << 30),
                        }
                    });
                    let limbs: Vec<i32> = limbs.collect();
                    let regrouped = regroup(&limbs, from, to);
                    assert_eq!(value(&regrouped, to), value(&limbs, from), "{from} to {to}");
                    let longest = regrouped.iter().map(|limb| limb.abs()).max();
                    let most = super::base(to) * 6 / 10 + 1;
                    if kind < 3 && from > to {
                        assert!(i64::from(longest.unwrap_or(0)) <= most, "{from} to {to}");
                    }
                }
            }
        }
    }
}
