//! Long natural numbers in decimal: limbs of a few digits each.
//!
//! Limbs are signed and balanced around zero, so that the sums in a product stay
//! small, and need not be reduced: a limb may be larger than its base. Only
//! [`Natural::normalize`] makes them what is written down. Everything else here
//! takes them as they come.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "digits and limbs are small; what is cast is bounded where it stands"
)]

use alloc::vec::Vec;

use crate::carry;
use crate::modular::Modulus;

/// Most digits of a limb.
pub const PLACES_MAX: u32 = 6;

/// Fewest digits of a limb.
pub const PLACES_MIN: u32 = 2;

/// A natural number.
#[derive(Clone, Debug)]
pub struct Natural {
    /// Digits of a limb.
    places: u32,
    /// From the least significant; the last is not zero.
    limbs: Vec<i32>,
    /// A modulus, and what is left of the number when it is divided by that,
    /// where it was found out already.
    residue: Option<(Modulus, u64)>,
}

/// 10^`places`, for at most 11 places.
pub(crate) const fn base(places: u32) -> i64 {
    POWERS_OF_TEN[places as usize]
}

/// The nearest integer, for magnitudes below 2^51: sums with this constant have no bits
/// for less than 1.
fn nearest(number: f64) -> f64 {
    const WITHOUT_FRACTION: f64 = 3.0 * (1_u64 << 51) as f64;
    number + WITHOUT_FRACTION - WITHOUT_FRACTION
}

/// The first powers of ten.
const POWERS_OF_TEN: [i64; 12] = {
    let mut powers = [1; 12];
    let mut places = 1;
    while places < powers.len() {
        powers[places] = 10 * powers[places - 1];
        places += 1;
    }
    powers
};

impl Natural {
    /// 0.
    pub fn zero() -> Self {
        Self::from_limbs(PLACES_MAX, Vec::new())
    }

    /// 1.
    pub fn one() -> Self {
        Self::from(1)
    }

    /// What the limbs stand for, from the least significant. Their magnitude is
    /// below 2^30.
    pub(crate) fn from_limbs(places: u32, limbs: Vec<i32>) -> Self {
        let mut number = Self {
            places,
            limbs,
            residue: None,
        };
        number.trim();
        number
    }

    /// Reads decimal digits. `None` where there are others.
    pub fn from_decimal(digits: &str) -> Option<Self> {
        let chunk_places = PLACES_MAX as usize;
        let mut limbs = Vec::with_capacity(digits.len() / chunk_places + 1);
        for chunk in digits.as_bytes().rchunks(chunk_places) {
            let mut limb = 0;
            for &digit in chunk {
                let value = digit.wrapping_sub(b'0');
                if value > 9 {
                    return None;
                }
                limb = 10 * limb + i32::from(value);
            }
            limbs.push(limb);
        }
        let mut number = Self::from_limbs(PLACES_MAX, limbs);
        number.balance();
        Some(number)
    }

    /// What limbs of nine digits stand for, each at least 0.
    pub(crate) fn from_billions(billions: &[u64]) -> Self {
        const { assert!(PLACES_MAX == 6, "two of nine digits are three of six") };
        let mut limbs = Vec::with_capacity(3 * billions.len().div_ceil(2) + 1);
        for pair in billions.chunks(2) {
            let (low, high) = (pair[0], pair.get(1).copied().unwrap_or(0));
            let middle = low / 1_000_000 + high % 1_000 * 1_000;
            limbs.extend([low % 1_000_000, middle, high / 1_000].map(|limb| limb as i32));
        }
        let mut number = Self::from_limbs(PLACES_MAX, limbs);
        number.balance();
        number
    }

    fn trim(&mut self) {
        let zeros = self.limbs.iter().rev().take_while(|&&limb| limb == 0);
        let length = self.limbs.len() - zeros.count();
        self.limbs.truncate(length);
    }

    pub(crate) fn into_limbs(self) -> Vec<i32> {
        self.limbs
    }

    /// The same number in limbs of `places` digits, which are no more than now.
    pub(crate) fn in_places(self, places: u32) -> Self {
        if self.places == places {
            self
        } else {
            self.regrouped(places)
        }
    }

    /// Digits of a limb.
    pub(crate) fn places(&self) -> u32 {
        self.places
    }

    /// The limbs, from the least significant.
    pub(crate) fn limbs(&self) -> &[i32] {
        &self.limbs
    }

    /// Limbs that it takes at most if they have `places` digits.
    pub(crate) fn length_in(&self, places: u32) -> u64 {
        let digits = self.limbs.len() as u64 * u64::from(self.places);
        digits / u64::from(places) + u64::from(places != self.places)
    }

    /// Makes every limb at least 0 and below its base.
    pub fn normalize(&mut self) {
        let base = base(self.places);
        let mut carry = carry::settle(&mut self.limbs, 0, base);
        while carry > 0 {
            self.limbs.push((carry % base) as i32);
            carry /= base;
        }
        self.trim();
    }

    /// The same number in limbs of `places` digits, which are no more than now.
    pub(crate) fn regrouped(&self, places: u32) -> Self {
        let digits = self.limbs.len() * self.places as usize;
        let mut limbs = Vec::with_capacity(digits / places as usize + 2);
        // A power of ten and its inverse for each place where a limb may be cut.
        let cuts: [[f64; 2]; PLACES_MAX as usize + 1] = core::array::from_fn(|taken| {
            let power = base(taken as u32) as f64;
            [power, 1.0 / power]
        });
        // What there is of the next limb, an integer like all limbs here, and its digits.
        let (mut next, mut next_places) = (0.0, 0);
        for &limb in &self.limbs {
            let (mut rest, mut rest_places) = (f64::from(limb), self.places);
            // At least once, since limbs get shorter.
            while next_places + rest_places >= places {
                let taken = places - next_places;
                let [power, inverse] = cuts[taken as usize];
                // The low part is balanced, too, so that nothing has to be carried.
                let high = nearest(rest * inverse);
                let low = rest - high * power;
                limbs.push((low * cuts[next_places as usize][0] + next) as i32);
                (next, next_places) = (0.0, 0);
                (rest, rest_places) = (high, rest_places - taken);
            }
            (next, next_places) = (rest, rest_places);
        }
        limbs.push(next as i32);
        let mut number = Self::from_limbs(places, limbs);
        number.residue = self.residue;
        number
    }

    /// Makes limbs smaller by making half of them negative.
    fn balance(&mut self) {
        let base = base(self.places) as i32;
        let mut carry = 0;
        for limb in &mut self.limbs {
            *limb += carry;
            carry = i32::from(*limb > base / 2);
            *limb -= carry * base;
        }
        if carry > 0 {
            self.limbs.push(carry);
        }
    }

    /// self + `sign` · `other`, which must not be negative. Both have limbs of the
    /// same number of digits.
    fn combine(&mut self, other: &Self, sign: i32) {
        self.residue = None;
        let converted;
        let other = if other.places == self.places {
            other
        } else {
            let places = other.places.min(self.places);
            if places < self.places {
                *self = self.regrouped(places);
            }
            converted = other.regrouped(places);
            &converted
        };
        if self.limbs.len() < other.limbs.len() {
            self.limbs.resize(other.limbs.len(), 0);
        }
        let base = base(self.places);
        let mut carry = 0;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let term = other.limbs.get(index).copied().unwrap_or(0);
            let sum = i64::from(*limb) + i64::from(sign * term) + carry;
            carry = (sum + base / 2).div_euclid(base);
            *limb = (sum - carry * base) as i32;
        }
        if carry != 0 {
            self.limbs.push(carry as i32);
        }
        self.trim();
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, 1);
    }

    /// Subtracts `other`, which is no larger.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, -1);
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.limbs.iter().all(|&limb| limb == 0)
    }

    /// Whether it is 1.
    pub(crate) fn is_one(&self) -> bool {
        self.limbs == [1]
    }

    /// What is left when it is divided by the modulus, where that is known.
    pub(crate) fn known_residue(&self, modulus: Modulus) -> Option<u64> {
        let known = self.residue.filter(|&(known, _)| known == modulus);
        known.map(|(_, residue)| residue)
    }

    /// Keeps what is left when it is divided by the modulus, for whoever asks next.
    pub(crate) fn set_residue(&mut self, modulus: Modulus, residue: u64) {
        self.residue = Some((modulus, residue));
    }
}

#[cfg(test)]
impl Natural {
    /// The same number in binary.
    pub(crate) fn to_big(&self) -> num_bigint::BigUint {
        let mut sum = num_bigint::BigInt::ZERO;
        for &limb in self.limbs.iter().rev() {
            sum = sum * base(self.places) + limb;
        }
        sum.try_into().expect("a natural number")
    }
}

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        let base = base(PLACES_MAX) as u64;
        let mut limbs = Vec::with_capacity(4);
        let mut rest = value;
        while rest > 0 {
            limbs.push((rest % base) as i32);
            rest /= base;
        }
        Self::from_limbs(PLACES_MAX, limbs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;

    fn value(number: &Natural) -> BigInt {
        let limbs = number.limbs.iter().rev();
        limbs.fold(BigInt::ZERO, |sum, &limb| sum * base(number.places) + limb)
    }

    /// Also negative numbers, limbs around where they are cut in two, and limbs that are
    /// much too long.
    #[test]
    fn regrouped_numbers_are_the_same() {
        let mut state = 1_u64;
        let mut random = |below: i32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as i32 % below
        };
        for from in PLACES_MIN..=PLACES_MAX {
            for to in PLACES_MIN..=from {
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
                                [random(6) as usize],
                            _ => random(1 << 30),
                        }
                    });
                    let number = Natural::from_limbs(from, limbs.collect());
                    let regrouped = number.regrouped(to);
                    assert_eq!(value(&regrouped), value(&number), "{from} to {to}");
                    let longest = regrouped.limbs.iter().map(|limb| limb.abs()).max();
                    let most = super::base(to) * 6 / 10 + 1;
                    if kind < 3 && from > to {
                        assert!(i64::from(longest.unwrap_or(0)) <= most, "{from} to {to}");
                    }
                }
            }
        }
    }
}
