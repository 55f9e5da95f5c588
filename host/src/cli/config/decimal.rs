//! Integers of a configuration file.

use toml::de::DeInteger;

/// Returns an integer in decimal, without underscores.
pub(super) fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}
