//! What can be asked for: a kind of product, its argument, and how the number
//! is to be written.
//!
//! The types mirror the contract without depending on its bindings, so that the
//! arithmetic builds and is tested on every target.

use alloc::string::String;

use crate::error::Error;

/// Most significant digits that [`Format::Scientific`] may ask for.
pub const SIGNIFICANT_MAX: u32 = 1000;

/// Which product is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// n! = 1 · 2 · … · n (OEIS A000142).
    Factorial,
    /// n!(k) = n · (n − k) · (n − 2k) · … down to the last positive factor;
    /// k = 2 is n!! (A006882), k = 3 is n!!! (A007661).
    Multifactorial(u32),
    /// !n, permutations that leave nothing in its place (A000166).
    Subfactorial,
    /// n#, the product of the primes up to n (A034386).
    Primorial,
    /// sf(n) = 1! · 2! · … · n! (A000178).
    Superfactorial,
    /// H(n) = 1¹ · 2² · … · nⁿ (A002109).
    Hyperfactorial,
    /// af(n) = n! − (n−1)! + … ± 1! (A005165).
    Alternating,
}

/// How the number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// All digits.
    Decimal,
    /// `d.ddd…e+X` with so many significant digits, 1 to [`SIGNIFICANT_MAX`],
    /// rounded to nearest, ties to even.
    Scientific(u32),
}

/// One number that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which product.
    pub kind: Kind,
    /// Its argument.
    pub n: u64,
    /// How the result is written.
    pub format: Format,
    /// Whether every product must be proved exact, even where a check would be
    /// faster.
    pub proved: bool,
}

impl Kind {
    /// Checks the parameters of the kind.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a multifactorial with k = 0, whose factors would
    /// never end.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Multifactorial(0) => Err(Error::Invalid(String::from(
                "a multifactorial needs a step k of at least 1",
            ))),
            _ => Ok(()),
        }
    }

    /// Reads a kind as it is written on a command line: `factorial`, `double`,
    /// `multi:K`, `subfactorial`, `primorial`, `superfactorial`,
    /// `hyperfactorial` or `alternating`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let kind = match text {
            "factorial" => Self::Factorial,
            "double" => Self::Multifactorial(2),
            "subfactorial" => Self::Subfactorial,
            "primorial" => Self::Primorial,
            "superfactorial" => Self::Superfactorial,
            "hyperfactorial" => Self::Hyperfactorial,
            "alternating" => Self::Alternating,
            _ => text
                .strip_prefix("multi:")
                .and_then(|step| step.parse().ok())
                .map(Self::Multifactorial)
                .ok_or_else(|| {
                    Error::Invalid(String::from(
                        "a kind is one of factorial, double, multi:K, subfactorial, primorial, \
                         superfactorial, hyperfactorial, alternating",
                    ))
                })?,
        };
        kind.check()?;
        Ok(kind)
    }
}

impl Format {
    /// Checks the parameters of the format.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a number of digits outside 1 to
    /// [`SIGNIFICANT_MAX`].
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Scientific(significant) if !(1..=SIGNIFICANT_MAX).contains(&significant) => {
                Err(Error::Invalid(String::from(
                    "scientific notation has 1 to 1000 significant digits",
                )))
            }
            _ => Ok(()),
        }
    }

    /// Reads a format as it is written on a command line: `decimal` or
    /// `scientific:D`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let format = match text {
            "decimal" => Self::Decimal,
            _ => text
                .strip_prefix("scientific:")
                .and_then(|digits| digits.parse().ok())
                .map(Self::Scientific)
                .ok_or_else(|| {
                    Error::Invalid(String::from("a format is one of decimal, scientific:D"))
                })?,
        };
        format.check()?;
        Ok(format)
    }
}

impl Request {
    /// All digits of a number, as fast as can be.
    pub const fn decimal(kind: Kind, n: u64) -> Self {
        Self {
            kind,
            n,
            format: Format::Decimal,
            proved: false,
        }
    }

    /// Checks all parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], as [`Kind::check`] and [`Format::check`] say it.
    pub fn check(self) -> Result<(), Error> {
        self.kind.check()?;
        self.format.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_formats_are_read() {
        assert_eq!(Kind::parse("double"), Ok(Kind::Multifactorial(2)));
        assert_eq!(Kind::parse("multi:7"), Ok(Kind::Multifactorial(7)));
        assert_eq!(Kind::parse("alternating"), Ok(Kind::Alternating));
        for wrong in [
            "",
            "multi",
            "multi:",
            "multi:0",
            "multi:-1",
            "multi:4294967296",
            "Factorial",
        ] {
            assert!(Kind::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Format::parse("scientific:1000"),
            Ok(Format::Scientific(1000))
        );
        for wrong in ["", "scientific", "scientific:0", "scientific:1001", "hex"] {
            assert!(Format::parse(wrong).is_err(), "{wrong}");
        }
    }
}
