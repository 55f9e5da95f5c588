//! The mathematical notation of a number.

use alloc::string::String;

use super::decimal::push_u64;
use super::kind::Kind;

/// Returns the notation of a number: `10!`, `10!!`, `10!!!`, `10!(4)`, `!10`, `10#`, `sf(10)`, `H(10)`, `af(10)`.
///
/// ```
/// use factorial::request::{Kind, notation::write_notation};
/// assert_eq!(write_notation(Kind::Multifactorial(2), 10), "10!!");
/// ```
pub fn write_notation(kind: Kind, n: u64) -> String {
    let (prefix, suffix) = match kind {
        Kind::Factorial | Kind::Multifactorial(1) => ("", "!"),
        Kind::Multifactorial(2) => ("", "!!"),
        Kind::Multifactorial(3) => ("", "!!!"),
        Kind::Multifactorial(_) => ("", "!("),
        Kind::Subfactorial => ("!", ""),
        Kind::Primorial => ("", "#"),
        Kind::Superfactorial => ("sf(", ")"),
        Kind::Hyperfactorial => ("H(", ")"),
        Kind::Alternating => ("af(", ")"),
    };
    let mut text = String::with_capacity(48);
    text.push_str(prefix);
    push_u64(&mut text, n);
    text.push_str(suffix);
    if let Kind::Multifactorial(step) = kind
        && suffix == "!("
    {
        push_u64(&mut text, u64::from(step));
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_notation() {
        let all = [
            (Kind::Factorial, "10!"),
            (Kind::Multifactorial(1), "10!"),
            (Kind::Multifactorial(2), "10!!"),
            (Kind::Multifactorial(3), "10!!!"),
            (Kind::Multifactorial(4), "10!(4)"),
            (Kind::Subfactorial, "!10"),
            (Kind::Primorial, "10#"),
            (Kind::Superfactorial, "sf(10)"),
            (Kind::Hyperfactorial, "H(10)"),
            (Kind::Alternating, "af(10)"),
        ];
        for (kind, text) in all {
            assert_eq!(write_notation(kind, 10), text);
        }
    }
}
