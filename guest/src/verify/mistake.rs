//! Mistakes in digits, and their descriptions.

use alloc::string::String;

use crate::request::decimal::push_u64;

/// The first mistake in some digits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mistake {
    /// A byte that is not a digit, or a byte after white space.
    Byte {
        byte: u8,
        offset: u64,
        after_space: bool,
    },
    /// A zero before a number whose first digits are unknown.
    LeadingZero,
    /// A wrong digit among the first ones. `place` counts from 1.
    Digit { place: u64, found: u8, expected: u8 },
    /// More digits than the number has.
    TooMany { expected: Bound },
    /// Fewer digits than the number has.
    TooFew { found: u64, expected: Bound },
    /// A wrong number of zeros at the end.
    Zeros { found: u64, expected: u64 },
    /// A wrong residue modulo a prime.
    Residue {
        prime: u64,
        found: u64,
        expected: u64,
    },
}

/// The number of digits of a number, or a bound on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) count: u64,
    pub(super) exact: bool,
}

impl Mistake {
    /// Describes the mistake as `expected X, got Y`. `notation` is that of the number.
    pub(super) fn describe(self, notation: &str) -> String {
        let mut text = Text(String::with_capacity(160));
        text.push("expected ");
        match self {
            Self::Byte {
                byte,
                offset,
                after_space,
            } => {
                text.push(if after_space {
                    "only white space after white space"
                } else if byte.is_ascii_whitespace() {
                    "a digit before any white space"
                } else {
                    "a digit"
                });
                let text = text.push(", got ").byte(byte);
                text.push(" at offset ").number(offset)
            }
            Self::LeadingZero => text.push("a first digit other than 0, got 0"),
            Self::Digit {
                place,
                found,
                expected,
            } => {
                let text = text.char(expected).push(" as digit ").number(place);
                text.push(" of ").push(notation).push(", got ").char(found)
            }
            Self::TooMany { expected } => {
                text.push(if expected.exact { "" } else { "at most " });
                let text = text.number(expected.count).push(" digits of ");
                text.push(notation).push(", got more")
            }
            Self::TooFew { found, expected } => {
                if expected.count == u64::MAX {
                    text.push("more than 2^64");
                } else {
                    text.push(if expected.exact { "" } else { "at least " });
                    text.number(expected.count);
                }
                let text = text.push(" digits of ").push(notation);
                text.push(", got ").number(found)
            }
            Self::Zeros { found, expected } => {
                let text = text.number(expected).push(" zeros at the end of ");
                text.push(notation).push(", got ").number(found)
            }
            Self::Residue {
                prime,
                found,
                expected,
            } => {
                let text = text.push("residue ").number(expected).push(" of ");
                let text = text.push(notation).push(" modulo the prime ").number(prime);
                let text = text.push(", got ").number(found);
                text.push("; the wrong place is unknown")
            }
        };
        text.0
    }
}

/// A text that is built without `core::fmt`.
struct Text(String);

impl Text {
    fn push(&mut self, words: &str) -> &mut Self {
        self.0.push_str(words);
        self
    }

    fn number(&mut self, value: u64) -> &mut Self {
        push_u64(&mut self.0, value);
        self
    }

    fn char(&mut self, byte: u8) -> &mut Self {
        self.0.push(char::from(byte));
        self
    }

    /// Appends a visible character in quotes, or the value of any other byte.
    fn byte(&mut self, byte: u8) -> &mut Self {
        if byte.is_ascii_graphic() {
            self.push("'").char(byte).push("'")
        } else {
            self.push("byte ").number(byte.into())
        }
    }
}
