//! The kinds of numbers.

use alloc::string::String;

use super::error::Error;

/// Kind of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// n! = 1 · 2 · … · n (OEIS A000142).
    Factorial,
    /// n!(k) = n · (n − k) · (n − 2k) · … down to the last positive factor;
    /// k = 2 is n!! (A006882), k = 3 is n!!! (A007661).
    Multifactorial(u32),
    /// !n, the number of derangements of n elements (A000166).
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

impl Kind {
    /// Checks the parameters of the kind.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a multifactorial with k = 0, which has infinitely many
    /// factors.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Multifactorial(0) => Err(Error::Invalid(String::from(
                "expected a step k of at least 1 for a multifactorial, got 0",
            ))),
            _ => Ok(()),
        }
    }

    /// Parses a kind of the command line: `factorial`, `double`, `multi:K`,
    /// `subfactorial`, `primorial`, `superfactorial`, `hyperfactorial` or
    /// `alternating`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for any other text.
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
                    Error::unexpected(
                        "the kind factorial, double, multi:K, subfactorial, primorial, superfactorial, \
                         hyperfactorial or alternating",
                        text,
                    )
                })?,
        };
        kind.check()?;
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_parsed() {
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
    }
}
