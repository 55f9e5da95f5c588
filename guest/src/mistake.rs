//! What can be wrong with digits, and the sentence that says it.

use alloc::string::String;

use crate::decimal::push_u64;

/// The first mistake that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mistake {
    /// A byte that is no digit, or comes after white space.
    Byte {
        byte: u8,
        offset: u64,
        after_space: bool,
    },
    /// A zero before a number whose first digits are not known.
    LeadingZero,
    /// A digit among the first ones, counted from 1.
    Digit { place: u64, found: u8, right: u8 },
    /// The digits go on after the last.
    TooMany { right: Bound },
    /// The digits ended before the last.
    TooFew { found: u64, right: Bound },
    /// Zeros at the end.
    Zeros { found: u64, right: u64 },
    /// The residue modulo a prime.
    Residue { prime: u64, found: u64, right: u64 },
}

/// A count that a number has, or the most or least that it can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) count: u64,
    pub(crate) exact: bool,
}

/// Builds a sentence without `core::fmt`.
struct Sentence {
    text: String,
}

impl Sentence {
    fn say(mut self, words: &str) -> Self {
        self.text.push_str(words);
        self
    }

    fn count(mut self, value: u64) -> Self {
        push_u64(&mut self.text, value);
        self
    }

    fn char(mut self, byte: u8) -> Self {
        self.text.push(char::from(byte));
        self
    }
}

impl Mistake {
    /// What was found and what would be right; `name` is the number's.
    pub(crate) fn text(self, name: &str) -> String {
        let start = Sentence {
            text: String::with_capacity(160),
        };
        let sentence = match self {
            Self::Byte {
                byte,
                offset,
                after_space,
            } => {
                let start = start.say("the byte at offset ").count(offset).say(" is ");
                let named = if byte.is_ascii_graphic() {
                    start.say("'").char(byte).say("'")
                } else {
                    start.count(byte.into())
                };
                named.say(if after_space {
                    ", and after white space there may only be more of it"
                } else if byte.is_ascii_whitespace() {
                    ", and white space may only follow the digits"
                } else {
                    ", and only the digits 0 to 9 may be there"
                })
            }
            Self::LeadingZero => {
                start.say("the first digit is 0, and numbers are written without leading zeros")
            }
            Self::Digit {
                place,
                found,
                right,
            } => {
                let start = start.say("digit ").count(place);
                let start = start.say(" from the left is ").char(found);
                let start = start.say(", and that of ").say(name);
                start.say(" is ").char(right)
            }
            Self::TooMany { right } => {
                let start = start.say("there are more than ").count(right.count);
                let start = start.say(" digits, and ").say(name);
                let has = if right.exact {
                    " has "
                } else {
                    " has at most "
                };
                start.say(has).count(right.count)
            }
            Self::TooFew { found, right } => {
                let start = start.say("the count of digits is ").count(found);
                let start = start.say(", and ").say(name);
                if right.count == u64::MAX {
                    start.say(" has more than 2^64")
                } else {
                    let has = if right.exact {
                        " has "
                    } else {
                        " has at least "
                    };
                    start.say(has).count(right.count)
                }
            }
            Self::Zeros { found, right } => {
                let start = start.say("the count of zeros at the end is ").count(found);
                start.say(", and ").say(name).say(" has ").count(right)
            }
            Self::Residue {
                prime,
                found,
                right,
            } => {
                let start = start.say("modulo the prime ").count(prime);
                let start = start.say(" the digits leave ").count(found);
                let start = start.say(", and ").say(name).say(" leaves ").count(right);
                start.say("; in which place they differ cannot be told")
            }
        };
        sentence.text
    }
}
