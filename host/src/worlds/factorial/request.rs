//! Requests as text: parsing and formatting.

use std::fmt;
use std::str::FromStr;

use super::bindings::{Count, Format, Grade, Kind, Request};

/// The names of kinds, for messages.
pub const KINDS: &str = "factorial, double, multi:K, subfactorial, primorial, superfactorial, hyperfactorial, alternating";
/// The names of formats, for messages.
pub const FORMATS: &str = "decimal, scientific:DIGITS";

/// One of each kind, in the order in which `kinds` lists them.
pub const ONE_OF_EACH_KIND: [Kind; 8] = [
    Kind::Factorial,
    Kind::Multifactorial(2),
    Kind::Multifactorial(3),
    Kind::Subfactorial,
    Kind::Primorial,
    Kind::Superfactorial,
    Kind::Hyperfactorial,
    Kind::Alternating,
];

/// Parses a count of 1 or more without a sign or leading zeros, so that one request has one
/// name.
fn count(text: &str) -> Option<u32> {
    let is_plain = text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_plain)
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "factorial" => Ok(Self::Factorial),
            "double" => Ok(Self::Multifactorial(2)),
            "subfactorial" => Ok(Self::Subfactorial),
            "primorial" => Ok(Self::Primorial),
            "superfactorial" => Ok(Self::Superfactorial),
            "hyperfactorial" => Ok(Self::Hyperfactorial),
            "alternating" => Ok(Self::Alternating),
            _ => match text.strip_prefix("multi:").map(count) {
                Some(Some(step @ 1..)) => Ok(Self::Multifactorial(step)),
                Some(_) => Err(format!(
                    "expected an integer K from 1 to {} in multi:K",
                    u32::MAX
                )),
                None => Err(format!("expected one of {KINDS}")),
            },
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Factorial => "factorial",
            Self::Multifactorial(2) => "double",
            Self::Multifactorial(step) => return write!(out, "multi:{step}"),
            Self::Subfactorial => "subfactorial",
            Self::Primorial => "primorial",
            Self::Superfactorial => "superfactorial",
            Self::Hyperfactorial => "hyperfactorial",
            Self::Alternating => "alternating",
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("scientific:").map(count)) {
            ("decimal", _) => Ok(Self::Decimal),
            (_, Some(Some(digits @ 1..=1000))) => Ok(Self::Scientific(digits)),
            (_, Some(_)) => Err("expected DIGITS from 1 to 1000 in scientific:DIGITS".to_owned()),
            (_, None) => Err(format!("expected one of {FORMATS}")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal => out.write_str("decimal"),
            Self::Scientific(digits) => write!(out, "scientific:{digits}"),
        }
    }
}

impl Count {
    /// The count, or `None` if it is not known exactly.
    pub const fn exact(self) -> Option<u64> {
        match self {
            Self::Exact(count) => Some(count),
            Self::AtMost(_) | Self::Beyond => None,
        }
    }

    /// An upper bound of the count, or `None` if none is known.
    pub const fn most(self) -> Option<u64> {
        match self {
            Self::Exact(count) | Self::AtMost(count) => Some(count),
            Self::Beyond => None,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(count) => write!(out, "{count}"),
            Self::AtMost(count) => write!(out, "at most {count}"),
            Self::Beyond => out.write_str("more than 18446744073709551615"),
        }
    }
}

impl Request {
    /// All digits of the `kind` of `n`.
    pub const fn decimal(kind: Kind, n: u64) -> Self {
        Self {
            kind,
            n,
            format: Format::Decimal,
            proved: false,
        }
    }

    /// The same request, with every product proved exact.
    #[must_use]
    pub const fn proved(self) -> Self {
        Self {
            proved: true,
            ..self
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Proved => "proved",
            Self::Verified(_) => "verified",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_formats_survive_formatting_and_parsing() {
        for kind in ONE_OF_EACH_KIND
            .into_iter()
            .chain([Kind::Multifactorial(1)])
        {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for format in [
            Format::Decimal,
            Format::Scientific(1),
            Format::Scientific(1000),
        ] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in [
            "",
            "multi:",
            "multi:0",
            "multi:-1",
            "multi:+3",
            "multi:03",
            "multi:4294967296",
            "Factorial",
        ] {
            assert!(text.parse::<Kind>().is_err(), "{text}");
        }
        for text in [
            "",
            "scientific",
            "scientific:0",
            "scientific:1001",
            "scientific:+5",
            "scientific:05",
            "hex",
        ] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
    }
}
