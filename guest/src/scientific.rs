//! Scientific notation, correctly rounded: `d.ddd…e+X`.

use alloc::string::String;

use crate::decimal::push_u64;

/// Writes a number of `count` digits, of which `digits` are the first, with
/// `significant` digits, ties to even.
///
/// Where `digits` are not all of them there must be more than `significant`,
/// and `more` says whether any digit that is left out is not zero.
pub fn write(digits: &[u8], more: bool, count: u64, significant: u32) -> String {
    let significant = significant as usize;
    let (kept, dropped) = digits.split_at(significant.min(digits.len()));
    let mut kept = kept.to_vec();
    kept.resize(significant, b'0');
    // A decimal exponent never leaves 64 bits: the digits are held in memory.
    let mut exponent = count.saturating_sub(1);
    if rounds_up(&kept, dropped, more) && increment(&mut kept) {
        exponent += 1;
    }
    let mut text = String::with_capacity(significant + 25);
    for (place, &digit) in kept.iter().enumerate() {
        if place == 1 {
            text.push('.');
        }
        text.push(char::from(digit));
    }
    text.push_str("e+");
    push_u64(&mut text, exponent);
    text
}

fn rounds_up(kept: &[u8], dropped: &[u8], more: bool) -> bool {
    let Some((&first, others)) = dropped.split_first() else {
        return false;
    };
    let beyond_half = more || others.iter().any(|&digit| digit != b'0');
    let odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    first > b'5' || first == b'5' && (beyond_half || odd)
}

/// Adds one to the last digit. True when all were nines, so that the number is
/// ten times what its digits then say.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return false;
        }
        *digit = b'0';
    }
    if let Some(first) = digits.first_mut() {
        *first = b'1';
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(digits: &str, significant: u32) -> String {
        write(digits.as_bytes(), false, digits.len() as u64, significant)
    }

    #[test]
    fn rounds_half_to_even() {
        assert_eq!(whole("3628800", 3), "3.63e+6");
        assert_eq!(whole("3628800", 1), "4e+6");
        assert_eq!(whole("3628800", 9), "3.62880000e+6");
        assert_eq!(whole("0", 1), "0e+0");
        assert_eq!(whole("0", 3), "0.00e+0");
        assert_eq!(whole("1", 3), "1.00e+0");
        assert_eq!(whole("125", 2), "1.2e+2");
        assert_eq!(whole("135", 2), "1.4e+2");
        assert_eq!(whole("1251", 2), "1.3e+3");
        assert_eq!(whole("995", 2), "1.0e+3");
        assert_eq!(whole("9999", 1), "1e+4");
        assert_eq!(write(b"125", false, 9, 2), "1.2e+8");
        assert_eq!(write(b"125", true, 9, 2), "1.3e+8");
    }
}
