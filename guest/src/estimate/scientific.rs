//! Scientific notation, correctly rounded: `d.ddd…e+X`.
//!
//! Short numbers are rounded from their digits, long ones from a series.

use alloc::string::String;

use super::digit_count;
use crate::request::decimal::push_u64;
use crate::request::{Count, Error, Kind};

/// Rounds a number of `count` digits to `significant` digits, ties to even.
///
/// `digits` are the first digits: all of them, or more than `significant`. `inexact` is
/// whether any digit after them is not zero.
pub fn format_digits(digits: &[u8], inexact: bool, count: u64, significant: u32) -> String {
    let significant = significant as usize;
    let (head, tail) = digits.split_at(significant.min(digits.len()));
    let mut head = head.to_vec();
    head.resize(significant, b'0');
    // The exponent fits into 64 bits, since memory holds the digits.
    let mut exponent = count.saturating_sub(1);
    if rounds_up(&head, tail, inexact) && increment(&mut head) {
        exponent += 1;
    }
    let mut exponent_text = String::with_capacity(20);
    push_u64(&mut exponent_text, exponent);
    join_digits(&head, &exponent_text)
}

/// Rounds a number from its series, without computing it.
///
/// # Errors
///
/// [`Error::Failed`] if the omitted digits are too close to 5000… to be rounded. No number
/// that [`uses_series`] admits is known to be.
pub(crate) fn format_series(kind: Kind, n: u64, significant: u32) -> Result<String, Error> {
    match digit_count::round_digits(kind, n, significant) {
        Some(number) => Ok(join_digits(number.digits.as_bytes(), &number.exponent)),
        None => Err(Error::Failed(String::from(
            "the omitted digits are too close to a tie; use another number of significant digits",
        ))),
    }
}

/// Most digits of a number that is computed to be rounded.
const COMPUTED_DIGITS_MAX: u64 = 12_000;

/// Whether a number with this many digits is rounded by [`format_series`].
///
/// The series takes little time and memory for any number. Shorter numbers take no more
/// memory themselves; see `peak_memory`.
///
/// No product among the longer ones is a tie of up to 1000 digits. A tie has at most 1001
/// digits before its zeros at the end. Let 2^a · 5^b be the common factor of all m factors
/// of n!(k): divided by it, they are an arithmetic progression of different numbers, whose
/// step has a factor 2 or 5 only if they have none. So their product is at least m!, and
/// without its factors 2 and 5, of which there are at most m + 64 and m/4 + 27, at least
/// m! / (2^m 5^(m/4) 2^128). m is above 600, since factors are words: n!(k) has at least
/// 1084 digits before its zeros. sf(n) and H(n) have far more, since two fifths of all
/// factors are neither even nor multiples of 5.
pub(crate) fn uses_series(kind: Kind, digits: Count) -> bool {
    let long = match digits {
        Count::Exact(count) | Count::AtMost(count) => count > COMPUTED_DIGITS_MAX,
        Count::Beyond => true,
    };
    long && kind != Kind::Primorial
}

/// Returns d.ddd…e+X.
fn join_digits(digits: &[u8], exponent: &str) -> String {
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

/// Whether rounding to `head`, ties to even, rounds up.
fn rounds_up(head: &[u8], tail: &[u8], inexact: bool) -> bool {
    let Some((&first, others)) = tail.split_first() else {
        return false;
    };
    let beyond_half = inexact || others.iter().any(|&digit| digit != b'0');
    let odd = head.last().is_some_and(|digit| digit % 2 == 1);
    first > b'5' || first == b'5' && (beyond_half || odd)
}

/// Adds one to the last digit. Returns true if all digits were nines: they become 100…,
/// and the exponent grows by one.
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
    use crate::mul::Multiplier;
    use crate::number;

    const KINDS: [Kind; 11] = [
        Kind::Factorial,
        Kind::Multifactorial(1),
        Kind::Multifactorial(2),
        Kind::Multifactorial(3),
        Kind::Multifactorial(7),
        Kind::Multifactorial(1000),
        Kind::Subfactorial,
        Kind::Primorial,
        Kind::Superfactorial,
        Kind::Hyperfactorial,
        Kind::Alternating,
    ];

    fn whole(digits: &str, significant: u32) -> String {
        format_digits(digits.as_bytes(), false, digits.len() as u64, significant)
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
        assert_eq!(format_digits(b"125", false, 9, 2), "1.2e+8");
        assert_eq!(format_digits(b"125", true, 9, 2), "1.3e+8");
    }

    /// Numbers have more than twice as many digits, so that none is close to a tie.
    #[test]
    fn series_agree_with_the_numbers() {
        for kind in KINDS.into_iter().filter(|&kind| kind != Kind::Primorial) {
            for n in [35, 41, 60, 99, 150, 301, 640, 2000, 4100] {
                let squared = matches!(kind, Kind::Superfactorial | Kind::Hyperfactorial);
                if squared && n > 400 {
                    continue;
                }
                let text = number::compute(kind, n, &mut Multiplier::proved()).to_text();
                let zeros = text.len() - text.trim_end_matches('0').len();
                for significant in [1, 2, 3, 19, 20, 21, 50, 333, 1000] {
                    if text.len() - zeros < 2 * significant || text.len() < 40 {
                        continue;
                    }
                    let significant = u32::try_from(significant).expect("short");
                    let count = text.len() as u64;
                    let expected = format_digits(text.as_bytes(), false, count, significant);
                    let found = format_series(kind, n, significant);
                    assert_eq!(found, Ok(expected), "{kind:?} {n} {significant}");
                }
            }
        }
    }

    /// From mpmath: loggamma, and the asymptotic series of Barnes' function, with 400
    /// digits.
    #[test]
    fn known_numbers_of_any_size() {
        let million_squared = 10_u64.pow(12);
        let end = u64::MAX;
        for (kind, n, expected) in [
            (
                Kind::Factorial,
                million_squared,
                "1.4036611603737560907201338677134505639599245729788e+11565705518103",
            ),
            (
                Kind::Factorial,
                end,
                "1.2705175056540784553743523009719129247100146122949e+347382171305201285694",
            ),
            (
                Kind::Multifactorial(2),
                million_squared + 1,
                "3.3465796994286788691480714054439753081609082501741e+5782852759060",
            ),
            (
                Kind::Multifactorial(7),
                end,
                "1.2573670842152108379839929374695242885008568226757e+49626024472171612250",
            ),
            (
                Kind::Subfactorial,
                million_squared,
                "5.1637808327235566979241169263552863812226933366484e+11565705518102",
            ),
            (
                Kind::Superfactorial,
                million_squared,
                "2.7781655512813274553270939561947247256632634717932e+5674279138584525924713934",
            ),
            (
                Kind::Superfactorial,
                end,
                "4.2816375282327748001937040017399694404466288882148e+3167089316357603734111584311616019175637",
            ),
            (
                Kind::Hyperfactorial,
                million_squared,
                "7.5562017573141675081357336739256174572393913172225e+5891426379530187043087218",
            ),
            (
                Kind::Hyperfactorial,
                end,
                "7.5695338510536218565896725096169331076550628246670e+3240980693478974337857302386015396373108",
            ),
        ] {
            assert_eq!(
                format_series(kind, n, 50).as_deref(),
                Ok(expected),
                "{kind:?} {n}"
            );
            let leading: String = expected.chars().filter(|&c| c != '.').take(20).collect();
            assert_eq!(
                digit_count::leading_digits(kind, n),
                Some(leading),
                "{kind:?} {n}"
            );
        }
        let short = |significant| format_series(Kind::Factorial, million_squared, significant);
        assert_eq!(short(1).as_deref(), Ok("1e+11565705518103"));
        assert_eq!(short(2).as_deref(), Ok("1.4e+11565705518103"));
        let long = short(1000).expect("a series");
        assert!(long.ends_with("11032963650202597507444725189493969752095941e+11565705518103"));
        for kind in KINDS {
            for significant in [1, 1000] {
                let text = format_series(kind, end, significant);
                assert_eq!(text.is_ok(), kind != Kind::Primorial, "{kind:?}");
            }
        }
    }
}
