//! The base of limbs: powers of ten from 10^2 to 10^6.

/// Most decimal digits of a limb.
pub const LIMB_DIGITS_MAX: u32 = 6;

/// Fewest decimal digits of a limb.
pub const LIMB_DIGITS_MIN: u32 = 2;

/// The first powers of ten.
const POWERS_OF_TEN: [i64; 12] = {
    let mut powers = [1; 12];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = 10 * powers[exponent - 1];
        exponent += 1;
    }
    powers
};

/// Returns 10^`digits`, for at most 11 digits.
pub(crate) const fn base(digits: u32) -> i64 {
    POWERS_OF_TEN[digits as usize]
}
