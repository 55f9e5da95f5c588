//! The output of a command, piece by piece.

use alloc::string::String;
use alloc::vec::Vec;

use super::command_line::{Command, HELP, USAGE};
use crate::answer::{self, Pieces};
use crate::estimate::{Info, describe};
use crate::mul::Multiplier;
use crate::request::decimal::push_u64;
use crate::request::notation::write_notation;
use crate::request::{Count, Error, Kind, Request};

/// Kinds that `kinds` lists, in the order of the contract.
const KINDS: [Kind; 8] = [
    Kind::Factorial,
    Kind::Multifactorial(2),
    Kind::Multifactorial(3),
    Kind::Subfactorial,
    Kind::Primorial,
    Kind::Superfactorial,
    Kind::Hyperfactorial,
    Kind::Alternating,
];

/// An output that is written piece by piece.
pub struct Listing {
    rest: Rest,
    /// Whether each line starts with the notation of its number.
    has_notation: bool,
    /// The number of the line that is being written. `None` between lines.
    line: Option<Pieces>,
    multiplier: Multiplier,
}

/// The lines that were not started yet.
enum Rest {
    /// Factorials, from the first to the second.
    Factorials(u64, u64),
    /// Kinds from this index on, of one n.
    Kinds(usize, u64),
    /// One number. `None` once it was started.
    One(Option<Request>),
    /// A text without numbers.
    Text(String),
}

impl Rest {
    /// Returns the number of the next line. `None` if no number is left.
    fn next(&mut self) -> Option<Request> {
        match self {
            Self::Factorials(from, to) => {
                let n = *from;
                *from = from.checked_add(1)?;
                (n <= *to).then_some(Request::decimal(Kind::Factorial, n))
            }
            Self::Kinds(index, n) => {
                let kind = *KINDS.get(*index)?;
                *index += 1;
                Some(Request::decimal(kind, *n))
            }
            Self::One(request) => request.take(),
            Self::Text(_) => None,
        }
    }
}

impl Listing {
    /// Prepares the output of a command. Checks use primes drawn from `seed`.
    ///
    /// # Errors
    ///
    /// As [`admit`](answer::admit) for the largest number, so that no output breaks off.
    pub fn new(command: Command, seed: u64) -> Result<Self, Error> {
        let decimal = |kind, n| answer::admit(Request::decimal(kind, n));
        let proved = matches!(command, Command::Compute(request) if request.proved);
        let rest = match command {
            Command::Run(n) => {
                decimal(Kind::Factorial, n)?;
                Rest::Factorials(n.min(1), n)
            }
            Command::Kinds(n) => {
                for kind in KINDS {
                    decimal(kind, n)?;
                }
                Rest::Kinds(0, n)
            }
            Command::Compute(request) => {
                answer::admit(request)?;
                Rest::One(Some(request))
            }
            Command::Info(kind, n) => Rest::Text(format_info(&describe(kind, n)?)),
            Command::Help => Rest::Text([USAGE, "\n", HELP].concat()),
        };
        let has_notation = !matches!(rest, Rest::One(_));
        Ok(Self {
            rest,
            has_notation,
            line: None,
            multiplier: Multiplier::new(proved, seed),
        })
    }

    /// Appends the next piece. Returns false if none is left.
    ///
    /// # Errors
    ///
    /// As [`admit`](answer::admit) and [`Pieces::new`].
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        if let Some(pieces) = &mut self.line {
            if !pieces.append_to(text) {
                text.push(b'\n');
                self.line = None;
            }
            return Ok(true);
        }
        if let Rest::Text(whole) = &mut self.rest {
            text.append(&mut core::mem::take(whole).into_bytes());
            return Ok(false);
        }
        let Some(request) = self.rest.next() else {
            return Ok(false);
        };
        if self.has_notation {
            text.extend_from_slice(write_notation(request.kind, request.n).as_bytes());
            text.extend_from_slice(b" = ");
        }
        self.line = Some(Pieces::new(answer::admit(request)?, &mut self.multiplier)?);
        Ok(true)
    }
}

/// Formats the lines of `info`.
fn format_info(info: &Info) -> String {
    /// Value of a property that takes the number itself.
    const UNKNOWN: &str = "unknown without computing";
    let mut text = String::from("digits:          ");
    match info.digits {
        Count::Exact(count) => push_u64(&mut text, count),
        Count::AtMost(count) => {
            text.push_str("at most ");
            push_u64(&mut text, count);
        }
        Count::Beyond => text.push_str("more than 2^64"),
    }
    text.push_str("\ntrailing zeros:  ");
    match info.trailing_zeros {
        Some(count) => push_u64(&mut text, count),
        None => text.push_str(UNKNOWN),
    }
    text.push_str("\nleading digits:  ");
    text.push_str(info.leading_digits.as_deref().unwrap_or(UNKNOWN));
    text.push_str("\nmemory:          ");
    match info.peak_bytes {
        Some(bytes) => {
            push_u64(&mut text, bytes);
            text.push_str(" bytes");
        }
        None => text.push_str("more than 4 GiB"),
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(command: Command) -> String {
        let mut listing = Listing::new(command, 1).expect("possible");
        let mut text = Vec::new();
        while listing.append_to(&mut text).expect("possible") {}
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn factorials_are_listed() {
        assert_eq!(printed(Command::Run(0)), "0! = 1\n");
        assert_eq!(printed(Command::Run(3)), "1! = 1\n2! = 2\n3! = 6\n");
        assert!(printed(Command::Run(10)).ends_with("\n10! = 3628800\n"));
        assert!(Listing::new(Command::Run(u64::MAX), 1).is_err());
    }

    #[test]
    fn kinds_are_listed() {
        let text = "10! = 3628800\n10!! = 3840\n10!!! = 280\n!10 = 1334961\n10# = 210\n\
                    sf(10) = 6658606584104736522240000000\n\
                    H(10) = 215779412229418562091680268288000000000000000\naf(10) = 3301819\n";
        assert_eq!(printed(Command::Kinds(10)), text);
    }

    #[test]
    fn info_is_aligned() {
        let text = printed(Command::Info(Kind::Factorial, 1000));
        assert!(
            text.starts_with("digits:          2568\ntrailing zeros:  249\n"),
            "{text}"
        );
        assert!(printed(Command::Help).starts_with("usage: "));
    }
}
