//! Machine words as decimal text, without `core::fmt`.
#![expect(
    clippy::cast_possible_truncation,
    reason = "each cast is of a value that fits"
)]

use alloc::string::String;

/// 10^19, the largest power of ten below 2^64.
const TEN_TO_19: u128 = 10_000_000_000_000_000_000;

/// Appends the digits of `value`.
pub fn push_u64(text: &mut String, value: u64) {
    push_padded(text, value, 1);
}

/// Appends the digits of `value`.
pub fn push_u128(text: &mut String, value: u128) {
    // Each piece is below 10^19, so that the casts are exact.
    if value < TEN_TO_19 {
        push_u64(text, value as u64);
        return;
    }
    let (high, low) = (value / TEN_TO_19, value % TEN_TO_19);
    push_u128(text, high);
    push_padded(text, low as u64, 19);
}

/// Appends the digits of `value`, padded with zeros on the left to `width`, at most 20.
pub fn push_padded(text: &mut String, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    start = start.min(digits.len().saturating_sub(width));
    for &digit in &digits[start..] {
        text.push(char::from(digit));
    }
}

/// Returns the number of decimal digits of `value`; zero has one.
pub fn count_digits_u128(value: u128) -> u64 {
    u64::from(value.checked_ilog10().unwrap_or(0)) + 1
}

/// Returns the number of decimal digits of `value`; zero has one.
pub fn count_digits_u64(value: u64) -> u64 {
    u64::from(value.checked_ilog10().unwrap_or(0)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_std() {
        let powers = (0..39).map(|e| 10_u128.pow(e));
        let edges = powers.flat_map(|p| [p - 1, p, p + 1]);
        for value in edges.chain([u64::MAX.into(), u128::from(u64::MAX) + 1, u128::MAX]) {
            let mut text = String::new();
            push_u128(&mut text, value);
            assert_eq!(text, value.to_string());
            assert_eq!(count_digits_u128(value), text.len() as u64);
        }
    }
}
