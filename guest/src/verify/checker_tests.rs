//! Checks of right digits, and of every small mistake.

use super::*;
use crate::mul::Multiplier;
use crate::number;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::hash::{BuildHasher, RandomState};

const KINDS: [Kind; 9] = [
    Kind::Factorial,
    Kind::Multifactorial(1),
    Kind::Multifactorial(2),
    Kind::Multifactorial(7),
    Kind::Subfactorial,
    Kind::Primorial,
    Kind::Superfactorial,
    Kind::Hyperfactorial,
    Kind::Alternating,
];

/// Returns a different seed for each run.
fn seed() -> RngSeed {
    RngSeed::Fixed(RandomState::new().hash_one(1))
}

fn text(kind: Kind, n: u64) -> String {
    number::compute(kind, n, &mut Multiplier::proved()).to_text()
}

/// Checks digits in pieces of `piece` bytes.
fn check(kind: Kind, n: u64, digits: &[u8], piece: usize) -> Verdict {
    let mut checker = Checker::new(kind, n, 5).expect("a kind");
    for piece in digits.chunks(piece) {
        if !checker.push(piece) {
            break;
        }
    }
    checker.finish()
}

fn mistake(n: u64, digits: &str) -> String {
    match check(Kind::Factorial, n, digits.as_bytes(), 7) {
        Verdict::Wrong(text) => text,
        Verdict::Right(exponent) => panic!("{digits} is right by {exponent}"),
    }
}

#[test]
fn right_digits_are_right() {
    for kind in KINDS {
        for n in (0..140).chain([199, 256, 500]) {
            let mut digits = text(kind, n);
            for (piece, end) in [(1, ""), (7, "\n"), (18, "\r\n"), (64 * 1024, " \t\n\n")] {
                let length = digits.len();
                digits.push_str(end);
                let verdict = check(kind, n, digits.as_bytes(), piece);
                let expected = Verdict::Right(verdict_exponent(length as u64));
                assert_eq!(verdict, expected, "{kind:?} {n}");
                digits.truncate(length);
            }
        }
    }
}

/// Each digit changed in every way, left out, doubled, and swapped with the next.
#[test]
fn every_small_mistake_is_found() {
    for kind in KINDS {
        for n in [3, 9, 30, 61, 107] {
            let right = text(kind, n).into_bytes();
            if right.len() > 300 {
                continue;
            }
            let found = |digits: &[u8], what: &str| {
                let verdict = check(kind, n, digits, 64);
                let digits = core::str::from_utf8(digits);
                let wrong = matches!(verdict, Verdict::Wrong(_));
                assert!(wrong, "{kind:?} {n}: {what}: {digits:?}");
            };
            for place in 0..right.len() {
                for digit in b'0'..=b'9' {
                    let mut digits = right.clone();
                    digits[place] = digit;
                    if digits != right {
                        found(&digits, "changed");
                    }
                }
                let mut digits = right.clone();
                digits.remove(place);
                found(&digits, "left out");
                let mut digits = right.clone();
                digits.insert(place, right[place]);
                found(&digits, "doubled");
                let mut digits = right.clone();
                digits[place] = b'x';
                found(&digits, "a letter");
                if place > 0 && right[place] != right[place - 1] {
                    let mut digits = right.clone();
                    digits.swap(place, place - 1);
                    found(&digits, "swapped");
                }
            }
            found(b"", "empty");
            found(b"\n", "a line");
        }
    }
}

#[test]
fn mistakes_are_described() {
    for (digits, expected) in [
        ("", "expected 7 digits of 10!, got 0"),
        ("362800", "expected 8 as digit 5 of 10!, got 0"),
        ("36288000", "expected 7 digits of 10!, got more"),
        ("3628", "expected 7 digits of 10!, got 4"),
        ("36288x0", "expected a digit, got 'x' at offset 5"),
        (
            "\n3628800",
            "expected a digit before any white space, got byte 10 at offset 0",
        ),
        (
            "3628800\n1",
            "expected only white space after white space, got '1' at offset 8",
        ),
        ("-3628800", "expected a digit, got '-' at offset 0"),
        ("03628800", "expected 3 as digit 1 of 10!, got 0"),
    ] {
        assert_eq!(mistake(10, digits), expected);
    }
    // After the leading digits, inside blocks and at their ends.
    let right = text(Kind::Factorial, 60);
    for place in [20, 21, 37, 38, 39, 60] {
        let mut digits = right.clone().into_bytes();
        digits[place] = b'?';
        let digits = String::from_utf8(digits).expect("ASCII");
        let offset = place.to_string();
        let expected = "expected a digit, got '?' at offset ".to_owned() + &offset;
        assert_eq!(mistake(60, &digits), expected);
    }
    let mut digits = right.clone();
    digits.replace_range(81.., "1");
    assert_eq!(
        mistake(60, &digits),
        "expected 14 zeros at the end of 60!, got 0"
    );
    let mut digits = right.clone();
    digits.replace_range(40..41, if &right[40..41] == "1" { "2" } else { "1" });
    let text = mistake(60, &digits);
    assert!(
        text.starts_with("expected residue ") && text.contains(" of 60! modulo the prime "),
        "{text}"
    );
}

/// Digits that cannot belong to n are refused before any long loop.
#[test]
fn wrong_claims_about_n_are_cheap() {
    for kind in KINDS {
        for n in [u64::MAX, 1 << 62, 10_u64.pow(12)] {
            for digits in [&b"1"[..], b"", b"123456789012345678901234567890"] {
                let verdict = check(kind, n, digits, 9);
                assert!(matches!(verdict, Verdict::Wrong(_)), "{kind:?} {n}");
            }
        }
    }
    assert!(Checker::new(Kind::Multifactorial(0), 5, 0).is_err());
    let known = check(Kind::Primorial, 1 << 40, b"5", 9);
    let text = "expected at least 401101841813 digits of 1099511627776#, got 1";
    assert_eq!(known, Verdict::Wrong(text.to_owned()));
}

#[test]
fn primes_follow_from_the_seed() {
    let digits = text(Kind::Factorial, 100);
    for seed in 0..50 {
        let mut checker = Checker::new(Kind::Factorial, 100, seed).expect("a kind");
        assert!(checker.push(digits.as_bytes()));
        assert_eq!(checker.finish(), Verdict::Right(62));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: seed(), ..Default::default() })]

    #[test]
    fn a_changed_digit_is_found(n in 100_u64..3000, at in 0_usize..100_000, by in 1_u8..10, piece in 1_usize..200, kind in 0_usize..6) {
        let kind = KINDS[kind];
        let mut digits = text(kind, n).into_bytes();
        prop_assert!(matches!(check(kind, n, &digits, piece), Verdict::Right(_)));
        let at = at % digits.len();
        digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
        prop_assert!(matches!(check(kind, n, &digits, piece), Verdict::Wrong(_)));
    }
}
