//! Scientific notation, correctly rounded: `d.ddd…e+X`.

use alloc::string::String;

use crate::cost::Count;
use crate::decimal::push_u64;
use crate::digits;
use crate::error::Error;
use crate::request::Kind;

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
    let mut exponent_text = String::with_capacity(20);
    push_u64(&mut exponent_text, exponent);
    join(&kept, &exponent_text)
}

/// Writes the number from what is known without it.
///
/// # Errors
///
/// [`Error::Failed`] where the digits that are left out are so near to 5000… that
/// the number itself would be needed to round them. [`by_series`] leaves no
/// number that is known to be.
pub(crate) fn from_series(kind: Kind, n: u64, significant: u32) -> Result<String, Error> {
    match digits::rounded(kind, n, significant) {
        Some(rounded) => Ok(join(rounded.digits.as_bytes(), &rounded.exponent)),
        None => Err(Error::Failed(String::from(
            "the digits that are left out are too near to a half to be rounded without the \
             number; ask for more or fewer digits",
        ))),
    }
}

/// Numbers of more digits are written by a series.
const SERIES_DIGITS_MIN: u64 = 12_000;

/// Whether a number of so many digits is written by [`from_series`].
///
/// All that are longer than this are, if there is a series, so that they need
/// little time and memory; shorter ones need no more memory themselves, by
/// `memory`. No product among them is exactly half between two numbers of up to
/// 1000 digits, for which it could have no more than 1001 before its zeros. Let
/// 2^a · 5^b be what all m factors of n!(k) have in common: divided by it they are
/// an arithmetic progression of different numbers, whose step has 2 or 5 as a
/// factor only if they have not. So their product is at least m!, and without
/// all its factors 2 and 5, of which there are at most m + 64 and m/4 + 27, at least
/// m! / (2^m 5^(m/4) 2^128); and so many digits n!(k) has before its zeros. m is
/// above 600, as factors are words: that makes 1084 digits. sf(n) and H(n) have
/// far more, since two fifths of all factors are neither even nor multiples of 5.
pub(crate) fn by_series(kind: Kind, digits: Count) -> bool {
    let long = match digits {
        Count::Exact(count) | Count::AtMost(count) => count > SERIES_DIGITS_MIN,
        Count::Beyond => true,
    };
    long && kind != Kind::Primorial
}

/// d.ddd…e+X
fn join(digits: &[u8], exponent: &str) -> String {
    let mut text = String::with_capacity(digits.len() + exponent.len() + 3);
    for (place, &digit) in digits.iter().enumerate() {
        if place == 1 {
            text.push('.');
        }
        text.push(char::from(digit));
    }
    text.push_str("e+");
    text.push_str(exponent);
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
