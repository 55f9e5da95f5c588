//! The text that the program prints for a command, piece by piece.

use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::{self, Pieces};
use crate::command_line::{Command, HELP, USAGE};
use crate::cost::Count;
use crate::decimal::push_u64;
use crate::error::Error;
use crate::info;
use crate::multiply::Multiplier;
use crate::notation::notation;
use crate::request::{Kind, Request};

/// What `kinds` lists, in the order of the contract.
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

/// A text that is still being produced.
pub struct Listing {
    numbers: Numbers,
    /// Whether a line says whose number it holds.
    named: bool,
    /// The line that is being written.
    line: Option<Pieces>,
    multiplier: Multiplier,
}

/// What is still to be printed.
enum Numbers {
    /// Factorials, from the first to the second.
    Factorials(u64, u64),
    /// The kinds from this index on, of one n.
    Kinds(usize, u64),
    /// One number.
    One(Option<Request>),
    /// A text without numbers in it.
    Text(String),
}

impl Numbers {
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
    /// What the command prints. `seed` chooses the primes of checks.
    ///
    /// # Errors
    ///
    /// As [`admit`](answer::admit), for the largest number in it, so that
    /// nothing is printed of what cannot be finished.
    pub fn new(command: Command, seed: u64) -> Result<Self, Error> {
        let decimal = |kind, n| answer::admit(Request::decimal(kind, n));
        let proved = matches!(command, Command::Compute(request) if request.proved);
        let numbers = match command {
            Command::Run(n) => {
                decimal(Kind::Factorial, n)?;
                Numbers::Factorials(n.min(1), n)
            }
            Command::Kinds(n) => {
                for kind in KINDS {
                    decimal(kind, n)?;
                }
                Numbers::Kinds(0, n)
            }
            Command::Compute(request) => {
                answer::admit(request)?;
                Numbers::One(Some(request))
            }
            Command::Info(kind, n) => Numbers::Text(facts(&info::info(kind, n)?)),
            Command::Help => Numbers::Text([USAGE, "\n", HELP].concat()),
        };
        let named = !matches!(numbers, Numbers::One(_));
        Ok(Self {
            numbers,
            named,
            line: None,
            multiplier: Multiplier::new(proved, seed),
        })
    }

    /// Appends the next piece. False when there are none left.
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
        if let Numbers::Text(whole) = &mut self.numbers {
            text.append(&mut core::mem::take(whole).into_bytes());
            return Ok(false);
        }
        let Some(request) = self.numbers.next() else {
            return Ok(false);
        };
        if self.named {
            text.extend_from_slice(notation(request.kind, request.n).as_bytes());
            text.extend_from_slice(b" = ");
        }
        self.line = Some(Pieces::new(answer::admit(request)?, &mut self.multiplier)?);
        Ok(true)
    }
}

/// The lines of `info`.
fn facts(info: &info::Info) -> String {
    let mut text = String::from("digits:          ");
    match info.digits {
        Count::Exact(count) => push_u64(&mut text, count),
        Count::AtMost(count) => {
            text.push_str("at most ");
            push_u64(&mut text, count);
        }
        Count::Beyond => text.push_str("beyond 2^64"),
    }
    text.push_str("\ntrailing zeros:  ");
    match info.trailing_zeros {
        Some(count) => push_u64(&mut text, count),
        None => text.push_str("only the product tells"),
    }
    text.push_str("\nleading digits:  ");
    text.push_str(
        info.leading_digits
            .as_deref()
            .unwrap_or("only the product tells"),
    );
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
    fn lists_factorials() {
        assert_eq!(printed(Command::Run(0)), "0! = 1\n");
        assert_eq!(printed(Command::Run(3)), "1! = 1\n2! = 2\n3! = 6\n");
        assert!(printed(Command::Run(10)).ends_with("\n10! = 3628800\n"));
        assert!(Listing::new(Command::Run(u64::MAX), 1).is_err());
    }

    #[test]
    fn lists_kinds() {
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
