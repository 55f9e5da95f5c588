//! How many decimal digits a number has, and which come first, cut off or
//! rounded.
//!
//! Tiny numbers are counted themselves, small n in double precision with a
//! proven margin, all others with balls: where one straddles a power of ten, its
//! precision is raised.

use alloc::string::String;

use crate::cost::Count;
use crate::decimal::{digits_u128, push_u128};
use crate::magnitude::{Magnitude, Rounded};
use crate::request::Kind;
use crate::{fast, small};

/// Bits after the point, from the first attempt to the last. n² ln n has up to
/// 134 before it, and 20 digits take 67.
const PRECISION_BITS: [u64; 3] = [256, 320, 384];

/// Most leading digits that are told.
pub const LEADING_MAX: u32 = 20;

/// The digits of the number. Exact for every kind but the primorial.
pub fn count(kind: Kind, n: u64) -> Count {
    if let Some(value) = small::wide(kind, n) {
        return Count::Exact(digits_u128(value));
    }
    if kind == Kind::Primorial {
        return primorial(n);
    }
    if let Some(count) = fast::digits(kind, n) {
        return Count::Exact(count);
    }
    let mut bound = Count::Beyond;
    for bits in PRECISION_BITS {
        let Some(magnitude) = Magnitude::new(kind, n, bits) else {
            break;
        };
        if let Some(count) = magnitude.count() {
            return count;
        }
        bound = magnitude.bound();
    }
    // No such number is known: it would be within 10^−40 of a power of ten.
    bound
}

/// n# < e^(1.01624 n) for n > 0 (Rosser and Schoenfeld 1962, theorem 9), and
/// 1.01624 / ln 10 < 0.44135.
fn primorial(n: u64) -> Count {
    let digits = u128::from(n) * 44_135 / 100_000 + 1;
    u64::try_from(digits).map_or(Count::Beyond, Count::AtMost)
}

/// No more digits than the number has, and not far from their count.
///
/// n# > e^(0.84 n) for n ≥ 101 (Rosser and Schoenfeld 1962, theorem 10), and
/// 0.84 / ln 10 > 0.3648. All shorter ones are known.
pub fn at_least(kind: Kind, n: u64) -> u64 {
    match count(kind, n) {
        Count::Exact(count) => count,
        Count::Beyond => u64::MAX,
        Count::AtMost(_) if kind == Kind::Primorial => {
            let digits = u128::from(n) * 3648 / 10_000 + 1;
            u64::try_from(digits).unwrap_or(u64::MAX)
        }
        // A ball around a power of ten.
        Count::AtMost(count) => count.saturating_sub(1),
    }
}

/// The first digits of the number, at most [`LEADING_MAX`], cut off.
pub fn leading(kind: Kind, n: u64) -> Option<String> {
    if let Some(value) = small::wide(kind, n) {
        let mut text = String::new();
        push_u128(&mut text, value);
        text.truncate(LEADING_MAX as usize);
        return Some(text);
    }
    let mut attempts = PRECISION_BITS.into_iter();
    attempts.find_map(|bits| Magnitude::new(kind, n, bits)?.leading(LEADING_MAX))
}

/// The number rounded to `significant` digits, ties to even, and its decimal
/// exponent. For numbers above 2^128 that have many more digits.
///
/// `None` for a primorial, and for a number that is a tie or closer to one than
/// the last precision can tell.
pub(crate) fn rounded(kind: Kind, n: u64, significant: u32) -> Option<Rounded> {
    /// More than the errors of a sum take, beside the factor n or n² of its
    /// largest term.
    const GUARD_BITS: u64 = 64;
    // log2(10) < 3.322.
    let digits_bits = u64::from(significant) * 3322 / 1000 + 1;
    let factor_bits = 2 * u64::from(n.checked_ilog2().unwrap_or(0) + 1);
    let bits = digits_bits + factor_bits + GUARD_BITS;
    [bits, bits + 64, bits + 256]
        .into_iter()
        .find_map(|bits| Magnitude::new(kind, n, bits)?.rounded(significant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiply::Multiplier;
    use crate::number::number;
    use crate::scientific;

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

    fn agrees(kind: Kind, n: u64) {
        let text = number(kind, n, &mut Multiplier::proved()).to_text();
        let digits = text.len() as u64;
        if kind == Kind::Primorial {
            match count(kind, n) {
                Count::Exact(count) => assert_eq!(count, digits, "{kind:?} {n}"),
                Count::AtMost(count) => {
                    assert!(digits <= count && count <= digits * 2, "{kind:?} {n}");
                    let least = at_least(kind, n);
                    assert!(least <= digits && digits <= least * 2, "{kind:?} {n}");
                }
                Count::Beyond => panic!("{kind:?} {n}"),
            }
            return;
        }
        assert_eq!(count(kind, n), Count::Exact(digits), "{kind:?} {n}");
        if digits > 39 {
            let fast = fast::digits(kind, n);
            assert!(fast.is_none_or(|count| count == digits), "{kind:?} {n}");
            let certified = Magnitude::new(kind, n, 256).expect("a series");
            assert_eq!(
                certified.count(),
                Some(Count::Exact(digits)),
                "{kind:?} {n}"
            );
        }
        let first: String = text.chars().take(20).collect();
        assert_eq!(leading(kind, n), Some(first), "{kind:?} {n}");
    }

    #[test]
    fn counts_and_leading_digits_agree_with_the_numbers() {
        for kind in KINDS {
            for n in (0..150).chain((150..420).step_by(31)).chain([1000, 1023]) {
                agrees(kind, n);
            }
        }
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(2),
            Kind::Multifactorial(3),
        ] {
            for n in [2999, 4096, 10_000] {
                agrees(kind, n);
            }
        }
    }

    /// Whatever the number of digits, as long as the number has more than twice as
    /// many, so that rounding does not depend on what the series cannot tell.
    #[test]
    fn rounded_digits_agree_with_the_numbers() {
        for kind in KINDS.into_iter().filter(|&kind| kind != Kind::Primorial) {
            for n in [35, 41, 60, 99, 150, 301, 640, 2000, 4100] {
                let squared = matches!(kind, Kind::Superfactorial | Kind::Hyperfactorial);
                if squared && n > 400 {
                    continue;
                }
                let text = number(kind, n, &mut Multiplier::proved()).to_text();
                let zeros = text.len() - text.trim_end_matches('0').len();
                for significant in [1, 2, 3, 19, 20, 21, 50, 333, 1000] {
                    if text.len() - zeros < 2 * significant || text.len() < 40 {
                        continue;
                    }
                    let significant = u32::try_from(significant).expect("short");
                    let count = text.len() as u64;
                    let expected = scientific::write(text.as_bytes(), false, count, significant);
                    let found = scientific::from_series(kind, n, significant);
                    assert_eq!(found, Ok(expected), "{kind:?} {n} {significant}");
                }
            }
        }
    }

    /// By mpmath: loggamma, and Barnes' asymptotic series, with 400 places.
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
                scientific::from_series(kind, n, 50).as_deref(),
                Ok(expected),
                "{kind:?} {n}"
            );
            let leading: String = expected.chars().filter(|&c| c != '.').take(20).collect();
            assert_eq!(super::leading(kind, n), Some(leading), "{kind:?} {n}");
        }
        let short =
            |significant| scientific::from_series(Kind::Factorial, million_squared, significant);
        assert_eq!(short(1).as_deref(), Ok("1e+11565705518103"));
        assert_eq!(short(2).as_deref(), Ok("1.4e+11565705518103"));
        let long = short(1000).expect("a series");
        assert!(long.ends_with("11032963650202597507444725189493969752095941e+11565705518103"));
        for kind in KINDS {
            for significant in [1, 1000] {
                let text = scientific::from_series(kind, end, significant);
                assert_eq!(text.is_ok(), kind != Kind::Primorial, "{kind:?}");
            }
        }
    }

    /// Known from OEIS A034886 (digits of n!) and A061010 (of (10^n)!).
    #[test]
    fn known_counts() {
        for (n, digits) in [
            (1_000_000, 5_565_709),
            (1_000_000_000, 8_565_705_523),
            (10_u64.pow(12), 11_565_705_518_104),
            (10_u64.pow(15), 14_565_705_518_096_757),
        ] {
            assert_eq!(count(Kind::Factorial, n), Count::Exact(digits), "{n}");
        }
        assert_eq!(count(Kind::Factorial, u64::MAX), Count::Beyond);
        assert_eq!(
            count(Kind::Primorial, u64::MAX),
            Count::AtMost(8_141_470_496_931_710_606)
        );
        for kind in KINDS {
            count(kind, u64::MAX);
            leading(kind, u64::MAX);
        }
    }
}
