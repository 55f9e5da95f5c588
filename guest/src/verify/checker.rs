//! A check of digits as they arrive.
//!
//! A [`Checker`] stores no digits, only counts, a block of fewer than 18 digits and the
//! residues. It first compares what follows from n alone: the number of digits, the first
//! digits and the zeros at the end. Only if all of these are right does it compute the
//! residues modulo random primes, which take O(n). So n is never far above the number of
//! digits, and a wrong claim about n is cheap to refuse.

use alloc::string::String;

use super::mistake::{Bound, Mistake};
use super::residues::{CHECKS, Residues};
use crate::estimate::digit_count;
use crate::estimate::trailing_zeros::count_trailing_zeros;
use crate::natural::miss_exponent::miss_exponent;
use crate::request::notation::write_notation;
use crate::request::{Count, Error, Kind};

/// Digits that enter the residues at once.
const BLOCK_DIGITS: u8 = 18;

/// 10^18.
const BLOCK_SCALE: u64 = 1_000_000_000_000_000_000;

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The digits are right. A mistake is missed with a probability of at most 2^−this.
    Right(u32),
    /// The digits are wrong; the text describes the mistake.
    Wrong(String),
}

/// A check in progress.
#[derive(Clone, Debug)]
pub struct Checker {
    kind: Kind,
    n: u64,
    expected: Expected,
    residues: Residues,
    /// Number of bytes, including white space.
    bytes: u64,
    /// Number of digits.
    digits: u64,
    /// Number of zeros at the end of the digits so far.
    zeros: u64,
    /// Value of the digits that are not in the residues yet.
    block: u64,
    /// Number of these digits.
    block_digits: u8,
    /// Whether white space has ended the digits.
    at_end: bool,
    /// The first mistake. `None` until one is found.
    mistake: Option<Mistake>,
}

/// Properties of the number that follow from n.
#[derive(Clone, Debug)]
struct Expected {
    digits_min: u64,
    digits_max: u64,
    /// The first digits; empty if unknown.
    leading: String,
    /// Number of zeros at the end. `None` if unknown.
    zeros: Option<u64>,
}

impl Expected {
    fn new(kind: Kind, n: u64) -> Self {
        let (digits_min, digits_max) = match digit_count::count_digits(kind, n) {
            Count::Exact(count) => (count, count),
            Count::AtMost(count) => (digit_count::least_digits(kind, n), count),
            Count::Beyond => (u64::MAX, u64::MAX),
        };
        let leading = digit_count::leading_digits(kind, n).unwrap_or_default();
        // The only digit of 0 does not count as a zero at the end.
        let zeros = count_trailing_zeros(kind, n).filter(|_| leading != "0");
        Self {
            digits_min,
            digits_max,
            leading,
            zeros,
        }
    }

    /// Wraps `digits_min` or `digits_max` for a message.
    fn bound(&self, count: u64) -> Bound {
        let exact = self.digits_min == self.digits_max;
        Bound { count, exact }
    }
}

impl Checker {
    /// Starts a check of the digits of a number, modulo primes drawn from `seed`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a malformed kind.
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
            at_end: false,
            mistake: None,
        })
    }

    /// Checks the next bytes. Returns false once further bytes cannot change the verdict.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.mistake.is_none()
            && let Some((&first, others)) = rest.split_first()
        {
            rest = match rest.split_at_checked(BLOCK_DIGITS.into()) {
                Some((block, others)) if self.push_block(block) => others,
                _ => {
                    self.push_byte(first);
                    others
                }
            };
        }
        self.mistake.is_none()
    }

    /// Checks a whole block at once. Returns false without any effect if the block is not
    /// aligned, contains a leading digit, or may contain a mistake.
    fn push_block(&mut self, bytes: &[u8]) -> bool {
        let width = u64::from(BLOCK_DIGITS);
        let leading = self.expected.leading.len().max(1) as u64;
        let room = self.expected.digits_max.saturating_sub(self.digits);
        if self.block_digits > 0 || self.at_end || self.digits < leading || room < width {
            return false;
        }
        let (mut value, mut malformed) = (0_u64, false);
        for &byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            malformed |= digit > 9;
            // A malformed byte may wrap the value, which is then discarded.
            value = value.wrapping_mul(10).wrapping_add(digit.into());
        }
        if malformed {
            return false;
        }
        self.residues.push_digits(BLOCK_SCALE, value);
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

    /// Checks one byte.
    fn push_byte(&mut self, byte: u8) {
        let offset = self.bytes;
        self.bytes += 1;
        if byte.is_ascii_whitespace() && self.digits > 0 {
            self.at_end = true;
            return;
        }
        if let Some(mistake) = self.find_mistake(byte, offset) {
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

    /// Finds a mistake in the next byte.
    fn find_mistake(&self, byte: u8, offset: u64) -> Option<Mistake> {
        if self.at_end || !byte.is_ascii_digit() {
            return Some(Mistake::Byte {
                byte,
                offset,
                after_space: self.at_end,
            });
        }
        if self.digits == self.expected.digits_max {
            let expected = self.expected.bound(self.expected.digits_max);
            return Some(Mistake::TooMany { expected });
        }
        let place = usize::try_from(self.digits).ok();
        match place.and_then(|place| self.expected.leading.as_bytes().get(place)) {
            Some(&expected) => (expected != byte).then_some(Mistake::Digit {
                place: self.digits + 1,
                found: byte,
                expected,
            }),
            None => (self.digits == 0 && byte == b'0').then_some(Mistake::LeadingZero),
        }
    }

    /// Moves the digits of the block into the residues.
    fn close_block(&mut self) {
        let scale = 10_u64.pow(u32::from(self.block_digits));
        self.residues.push_digits(scale, self.block);
        self.block = 0;
        self.block_digits = 0;
    }

    /// Returns the verdict on all bytes so far.
    pub fn finish(mut self) -> Verdict {
        let mistake = self.mistake.or_else(|| self.find_mistake_in_counts());
        match mistake.or_else(|| self.find_mistake_in_residues()) {
            Some(mistake) => Verdict::Wrong(mistake.describe(&write_notation(self.kind, self.n))),
            None => Verdict::Right(verdict_exponent(self.digits)),
        }
    }

    /// Finds a mistake in the number of digits or of zeros at the end.
    fn find_mistake_in_counts(&self) -> Option<Mistake> {
        if self.digits < self.expected.digits_min {
            return Some(Mistake::TooFew {
                found: self.digits,
                expected: self.expected.bound(self.expected.digits_min),
            });
        }
        let expected = self.expected.zeros?;
        (expected != self.zeros).then_some(Mistake::Zeros {
            found: self.zeros,
            expected,
        })
    }

    /// Finds a mistake in the residues.
    fn find_mistake_in_residues(&mut self) -> Option<Mistake> {
        self.close_block();
        let expected = self.residues.compute(self.kind, self.n);
        let (modulus, found, expected) = self.residues.difference(&expected)?;
        Some(Mistake::Residue {
            prime: modulus.value(),
            found,
            expected,
        })
    }
}

/// Returns e such that a check of `digits` digits misses a mistake with a probability of
/// at most 2^−e.
///
/// An attacker who knows how primes follow from seeds can craft a difference that the
/// primes of chosen seeds divide. Each seed takes 3 · 60 bits of the difference, or 54
/// digits, and there are 2^64 seeds.
fn verdict_exponent(digits: u64) -> u32 {
    let seeds = digits / 54 + 1;
    let checks = u32::try_from(CHECKS).unwrap_or(0);
    miss_exponent(digits, checks).min(63 - seeds.ilog2())
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
