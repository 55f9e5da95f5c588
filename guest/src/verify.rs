//! Checks of digits that somebody else computed, without computing the number.
//!
//! A [`Checker`] lives as long as the stream of digits and holds none of them:
//! what was read is in its counts, a block of fewer than 18 digits and the
//! residues. What n alone tells is compared first (how many digits there are,
//! which come first, how many zeros come last), and only where all of that is
//! right the residues modulo random primes, which take O(n). So n is never
//! far above the digits that were read, and no lie about n is expensive.

use alloc::string::String;

use crate::cost::Count;
use crate::digits;
use crate::error::Error;
use crate::mistake::{Bound, Mistake};
use crate::modular::miss_exponent;
use crate::notation::notation;
use crate::request::Kind;
use crate::residues::{CHECKS, Residues};
use crate::zeros;

/// Digits that are taken into the residues at once.
const BLOCK_DIGITS: u8 = 18;

/// 10^18.
const BLOCK_SCALE: u64 = 1_000_000_000_000_000_000;

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, but for a probability of at most 2^−this.
    Right(u32),
    /// Wrong; the text says how.
    Wrong(String),
}

/// A check under way.
#[derive(Clone, Debug)]
pub struct Checker {
    kind: Kind,
    n: u64,
    expected: Expected,
    residues: Residues,
    /// Bytes that were read, digits or not.
    bytes: u64,
    digits: u64,
    zeros: u64,
    block: u64,
    block_digits: u8,
    ended: bool,
    mistake: Option<Mistake>,
}

/// What n tells of the number.
#[derive(Clone, Debug)]
struct Expected {
    digits_min: u64,
    digits_max: u64,
    leading: String,
    zeros: Option<u64>,
}

impl Expected {
    fn new(kind: Kind, n: u64) -> Self {
        let (digits_min, digits_max) = match digits::count(kind, n) {
            Count::Exact(count) => (count, count),
            Count::AtMost(count) => (digits::at_least(kind, n), count),
            Count::Beyond => (u64::MAX, u64::MAX),
        };
        let leading = digits::leading(kind, n).unwrap_or_default();
        // 0 has none that could be left out.
        let zeros = zeros::trailing(kind, n).filter(|_| leading != "0");
        Self {
            digits_min,
            digits_max,
            leading,
            zeros,
        }
    }

    fn bound(&self, count: u64) -> Bound {
        let exact = self.digits_min == self.digits_max;
        Bound { count, exact }
    }
}

impl Checker {
    /// A check of digits that are to be those of the number.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a senseless kind.
    pub fn new(kind: Kind, n: u64, seed: u64) -> Result<Self, Error> {
        kind.check()?;
        Ok(Self {
            kind,
            n,
            expected: Expected::new(kind, n),
            residues: Residues::zero(seed),
            bytes: 0,
            digits: 0,
            zeros: 0,
            block: 0,
            block_digits: 0,
            ended: false,
            mistake: None,
        })
    }

    /// Takes the next bytes. False when more of them cannot change the verdict.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.mistake.is_none()
            && let Some((&first, others)) = rest.split_first()
        {
            rest = match rest.split_at_checked(BLOCK_DIGITS.into()) {
                Some((block, others)) if self.take_block(block) => others,
                _ => {
                    self.take_byte(first);
                    others
                }
            };
        }
        self.mistake.is_none()
    }

    /// Takes a whole block, where nothing is waiting before it, nothing is wrong
    /// with it, and none of it is among the leading digits. False if it was not
    /// taken.
    fn take_block(&mut self, bytes: &[u8]) -> bool {
        let width = u64::from(BLOCK_DIGITS);
        let leading = self.expected.leading.len().max(1) as u64;
        let room = self.expected.digits_max.saturating_sub(self.digits);
        if self.block_digits > 0 || self.ended || self.digits < leading || room < width {
            return false;
        }
        let (mut value, mut others) = (0_u64, false);
        for &byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            others |= digit > 9;
            // What is no digit may wrap, and is not used.
            value = value.wrapping_mul(10).wrapping_add(digit.into());
        }
        if others {
            return false;
        }
        self.residues.append(BLOCK_SCALE, value);
        self.bytes += width;
        self.digits += width;
        if value == 0 {
            self.zeros += width;
        } else {
            let zeros = bytes.iter().rev().take_while(|&&byte| byte == b'0');
            self.zeros = zeros.count() as u64;
        }
        true
    }

    fn take_byte(&mut self, byte: u8) {
        let offset = self.bytes;
        self.bytes += 1;
        if byte.is_ascii_whitespace() && self.digits > 0 {
            self.ended = true;
            return;
        }
        if let Some(mistake) = self.mistake_in(byte, offset) {
            self.mistake = Some(mistake);
            return;
        }
        self.digits += 1;
        self.zeros = if byte == b'0' { self.zeros + 1 } else { 0 };
        self.block = self.block * 10 + u64::from(byte - b'0');
        self.block_digits += 1;
        if self.block_digits == BLOCK_DIGITS {
            self.close_block();
        }
    }

    /// What is wrong with the next byte, where that can be told.
    fn mistake_in(&self, byte: u8, offset: u64) -> Option<Mistake> {
        if self.ended || !byte.is_ascii_digit() {
            return Some(Mistake::Byte {
                byte,
                offset,
                after_space: self.ended,
            });
        }
        if self.digits == self.expected.digits_max {
            let right = self.expected.bound(self.expected.digits_max);
            return Some(Mistake::TooMany { right });
        }
        let place = usize::try_from(self.digits).ok();
        match place.and_then(|place| self.expected.leading.as_bytes().get(place)) {
            Some(&right) => (right != byte).then_some(Mistake::Digit {
                place: self.digits + 1,
                found: byte,
                right,
            }),
            None => (self.digits == 0 && byte == b'0').then_some(Mistake::LeadingZero),
        }
    }

    fn close_block(&mut self) {
        let scale = 10_u64.pow(u32::from(self.block_digits));
        self.residues.append(scale, self.block);
        self.block = 0;
        self.block_digits = 0;
    }

    /// The verdict on all bytes that were taken.
    pub fn finish(mut self) -> Verdict {
        let shape = self.mistake.or_else(|| self.mistake_in_shape());
        match shape.or_else(|| self.mistake_in_residues()) {
            Some(mistake) => Verdict::Wrong(mistake.text(&notation(self.kind, self.n))),
            None => Verdict::Right(exponent(self.digits)),
        }
    }

    /// What is wrong with the number of digits or of zeros at the end.
    fn mistake_in_shape(&self) -> Option<Mistake> {
        if self.digits < self.expected.digits_min {
            return Some(Mistake::TooFew {
                found: self.digits,
                right: self.expected.bound(self.expected.digits_min),
            });
        }
        let right = self.expected.zeros?;
        (right != self.zeros).then_some(Mistake::Zeros {
            found: self.zeros,
            right,
        })
    }

    fn mistake_in_residues(&mut self) -> Option<Mistake> {
        self.close_block();
        let right = self.residues.of(self.kind, self.n);
        let (modulus, found, right) = self.residues.difference(&right)?;
        Some(Mistake::Residue {
            prime: modulus.value(),
            found,
            right,
        })
    }
}

/// How sure a verdict on so many right digits is.
///
/// Besides the primes' own chance there is the seed's: who knows how primes come
/// of it can make a difference that those of a chosen seed divide, which takes 3
/// · 60 bits of the 3.33 that a digit has, or 54 digits for each of the 2^64 seeds.
fn exponent(digits: u64) -> u32 {
    let seeds = digits / 54 + 1;
    let checks = u32::try_from(CHECKS).unwrap_or(0);
    miss_exponent(digits, checks).min(63 - seeds.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiply::Multiplier;
    use crate::number::number;
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

    /// Another for each run.
    fn seed() -> RngSeed {
        RngSeed::Fixed(RandomState::new().hash_one(1))
    }

    fn text(kind: Kind, n: u64) -> String {
        number(kind, n, &mut Multiplier::proved()).to_text()
    }

    /// In pieces of so many bytes.
    fn check(kind: Kind, n: u64, digits: &[u8], piece: usize) -> Verdict {
        let mut checker = Checker::new(kind, n, 5).expect("a kind");
        for piece in digits.chunks(piece) {
            if !checker.take(piece) {
                break;
            }
        }
        checker.finish()
    }

    fn said(n: u64, digits: &str) -> String {
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
                    let expected = Verdict::Right(exponent(length as u64));
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
    fn texts_say_what_and_where() {
        for (digits, expected) in [
            ("", "the count of digits is 0, and 10! has 7"),
            ("362800", "digit 5 from the left is 0, and that of 10! is 8"),
            ("36288000", "there are more than 7 digits, and 10! has 7"),
            ("3628", "the count of digits is 4, and 10! has 7"),
            (
                "36288x0",
                "the byte at offset 5 is 'x', and only the digits 0 to 9 may be there",
            ),
            (
                "\n3628800",
                "the byte at offset 0 is 10, and white space may only follow the digits",
            ),
            (
                "3628800\n1",
                "the byte at offset 8 is '1', and after white space there may only be more of it",
            ),
            (
                "-3628800",
                "the byte at offset 0 is '-', and only the digits 0 to 9 may be there",
            ),
            (
                "03628800",
                "digit 1 from the left is 0, and that of 10! is 3",
            ),
        ] {
            assert_eq!(said(10, digits), expected);
        }
        // Beyond the leading digits, in blocks and between them.
        let right = text(Kind::Factorial, 60);
        for place in [20, 21, 37, 38, 39, 60] {
            let mut digits = right.clone().into_bytes();
            digits[place] = b'?';
            let digits = String::from_utf8(digits).expect("ASCII");
            let offset = place.to_string();
            assert!(
                said(60, &digits)
                    .starts_with(&("the byte at offset ".to_owned() + &offset + " is '?'"))
            );
        }
        let mut digits = right.clone();
        digits.replace_range(81.., "1");
        assert_eq!(
            said(60, &digits),
            "the count of zeros at the end is 0, and 60! has 14"
        );
        let mut digits = right.clone();
        digits.replace_range(40..41, if &right[40..41] == "1" { "2" } else { "1" });
        let told = said(60, &digits);
        assert!(
            told.starts_with("modulo the prime ") && told.ends_with(" cannot be told"),
            "{told}"
        );
    }

    /// What cannot be a number of the kind is refused before any long loop.
    #[test]
    fn lies_about_n_cost_nothing() {
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
        let text = "the count of digits is 1, and 1099511627776# has at least 401101841813";
        assert_eq!(known, Verdict::Wrong(text.to_owned()));
    }

    #[test]
    fn primes_are_the_seed_s() {
        let digits = text(Kind::Factorial, 100);
        for seed in 0..50 {
            let mut checker = Checker::new(Kind::Factorial, 100, seed).expect("a kind");
            assert!(checker.take(digits.as_bytes()));
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
}
