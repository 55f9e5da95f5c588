//! Numbers as JSON records, the same on the command line and over HTTP.

use serde::Serialize;
use utoipa::ToSchema;

use super::bindings::{Count, Facts, Grade, Kind};

/// The grade of a result.
#[derive(Clone, Debug, Serialize)]
pub struct GradeRecord {
    /// `proved` or `verified`.
    grade: String,
    #[serde(flatten)]
    checks: Option<Checks>,
}

/// The checks of a verified result.
#[derive(Clone, Debug, Serialize)]
struct Checks {
    /// Products that were checked modulo a random prime.
    products_checked: u32,
    /// Wrong ones, which were computed again with proof.
    products_repeated: u32,
    /// As `2^-44`.
    miss_probability: String,
}

impl From<&Grade> for GradeRecord {
    fn from(grade: &Grade) -> Self {
        let checks = match grade {
            Grade::Proved => None,
            Grade::Verified(verification) => Some(Checks {
                products_checked: verification.products,
                products_repeated: verification.repeated,
                miss_probability: miss_probability(verification.miss_exponent),
            }),
        };
        Self {
            grade: grade.to_string(),
            checks,
        }
    }
}

/// Counts the digits in `text`, without those of an exponent.
pub fn count_digits(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|&&byte| byte != b'e');
    digits.filter(|byte| byte.is_ascii_digit()).count()
}

/// `2^-exponent` as text.
pub fn miss_probability(exponent: u32) -> String {
    format!("2^-{exponent}")
}

/// The facts of a number without its computation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactsRecord {
    /// The number whose factorial is meant.
    n: u64,
    /// Which factorial.
    #[schema(value_type = Kind)]
    kind: String,
    /// Exactly so many digits, where that is known.
    #[schema(required = true)]
    digits: Option<u64>,
    /// So many digits or fewer.
    #[schema(required = true)]
    digits_at_most: Option<u64>,
    /// Zeros at the end.
    #[schema(required = true)]
    trailing_zeros: Option<u64>,
    /// The first digits, cut off and not rounded.
    #[schema(required = true)]
    leading_digits: Option<String>,
    /// Bytes of memory that its sandbox may take.
    #[schema(required = true)]
    peak_bytes: Option<u64>,
}

impl FactsRecord {
    /// `facts` of the `kind` of `n`.
    pub fn new(kind: Kind, n: u64, facts: Facts) -> Self {
        Self {
            n,
            kind: kind.to_string(),
            digits: facts.digits.exact(),
            digits_at_most: match facts.digits {
                Count::AtMost(most) => Some(most),
                Count::Exact(_) | Count::Beyond => None,
            },
            trailing_zeros: facts.trailing_zeros,
            leading_digits: facts.leading_digits,
            peak_bytes: facts.peak_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_an_exponent_do_not_count() {
        for (text, digits) in [
            ("120", 3),
            ("1.20e+2", 3),
            ("1e+18446744073709551615", 1),
            ("", 0),
        ] {
            assert_eq!(count_digits(text.as_bytes()), digits, "{text}");
        }
    }
}
