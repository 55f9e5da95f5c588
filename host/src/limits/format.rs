//! The text form of limits and of their values.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Limit;
use super::table::{GIB, KIB, MIB, Unit};

impl Limit {
    /// `value` in this limit's unit, as a person writes it.
    pub fn format(self, value: u64) -> String {
        match self.spec().unit {
            Unit::Bytes => format_bytes(value),
            Unit::Milliseconds => {
                humantime::format_duration(Duration::from_millis(value)).to_string()
            }
            Unit::Count => value.to_string(),
        }
    }

    /// Reads a value as a person writes it: `256MiB`, `1h`, `1000`.
    ///
    /// # Errors
    ///
    /// The expected values, where `text` has another unit or is out of `Spec::range`.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let value = match self.spec().unit {
            Unit::Bytes => text
                .parse::<bytesize::ByteSize>()
                .ok()
                .map(|size| size.as_u64()),
            Unit::Milliseconds => humantime::parse_duration(text)
                .ok()
                .and_then(|time| u64::try_from(time.as_millis()).ok()),
            Unit::Count => parse_integer(text),
        };
        let (least, most) = self.spec().range;
        let value = value.filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| {
            let (least, most) = (self.format(least), self.format(most));
            match self.spec().unit {
                Unit::Bytes => {
                    format!("expected a size from {least} to {most}, such as 64MiB, got `{text}`")
                }
                // The greatest is over a hundred years.
                Unit::Milliseconds => {
                    format!("expected a time from {least}, such as 500ms, 30s or 1h, got `{text}`")
                }
                Unit::Count => format!("expected an integer from {least} to {most}, got `{text}`"),
            }
        })
    }
}

/// Parses an integer, which may have single underscores between its digits, such as `10_000`.
pub fn parse_integer<T: FromStr>(text: &str) -> Option<T> {
    let is_grouped = text.split('_').all(|group| !group.is_empty());
    is_grouped.then(|| text.replace('_', "").parse().ok())?
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.spec().name)
    }
}

/// The largest binary unit that holds `bytes` without a rest.
fn format_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_integers_may_be_grouped() {
        for (text, number) in [
            ("0", Some(0)),
            ("10_000", Some(10_000)),
            ("1_0_0", Some(100)),
            ("18446744073709551615", Some(u64::MAX)),
            ("", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("-_1", None),
            ("1,000", None),
        ] {
            assert_eq!(parse_integer(text), number, "{text}");
        }
        assert_eq!(Limit::Sandboxes.parse("1_000"), Ok(1000));
    }
}
