//! The formats of an answer.

use alloc::string::String;

use super::decimal::push_u64;
use super::error::Error;

/// Most significant digits of [`Format::Scientific`].
pub const SIGNIFICANT_MAX: u32 = 1000;

/// Format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// All digits.
    Decimal,
    /// `d.ddd…e+X` with this many significant digits, 1 to [`SIGNIFICANT_MAX`],
    /// rounded to nearest, ties to even.
    Scientific(u32),
}

impl Format {
    /// Checks the parameters of the format.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] unless the number of significant digits is 1 to
    /// [`SIGNIFICANT_MAX`].
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Scientific(significant) if !(1..=SIGNIFICANT_MAX).contains(&significant) => {
                const { assert!(SIGNIFICANT_MAX == 1000, "the text names it") };
                let mut text = String::from("expected 1 to 1000 significant digits, got ");
                push_u64(&mut text, significant.into());
                Err(Error::Invalid(text))
            }
            _ => Ok(()),
        }
    }

    /// Parses a format of the command line: `decimal` or `scientific:D`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let format = match text {
            "decimal" => Self::Decimal,
            _ => text
                .strip_prefix("scientific:")
                .and_then(|digits| digits.parse().ok())
                .map(Self::Scientific)
                .ok_or_else(|| Error::unexpected("the format decimal or scientific:D", text))?,
        };
        format.check()?;
        Ok(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_parsed() {
        assert_eq!(
            Format::parse("scientific:1000"),
            Ok(Format::Scientific(1000))
        );
        for wrong in ["", "scientific", "scientific:0", "scientific:1001", "hex"] {
            assert!(Format::parse(wrong).is_err(), "{wrong}");
        }
    }
}
