//! Numbers as JSON objects, whole or written around their digits.

use serde::Serialize;

use crate::json::{object_end, object_start};
use crate::worlds::factorial::{Grade, GradeRecord, Request, count_digits};

/// The fields before the digits.
#[derive(Serialize)]
struct Start {
    n: u64,
    kind: String,
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_us: Option<u64>,
}

/// The fields after the digits.
#[derive(Serialize)]
struct End {
    digits: u64,
    #[serde(flatten)]
    grade: GradeRecord,
}

/// The object of a number up to its digits.
pub(super) fn number_start(request: &Request, elapsed_us: Option<u64>) -> String {
    let start = Start {
        n: request.n,
        kind: request.kind.to_string(),
        format: request.format.to_string(),
        elapsed_us,
    };
    object_start(&start, "value")
}

/// The rest of the object after `digits` digits.
pub(super) fn number_end(digits: u64, grade: &Grade) -> String {
    let grade = grade.into();
    object_end(&End { digits, grade })
}

/// The object of a short number, whose products are proved.
pub(super) fn number(request: &Request, elapsed_us: Option<u64>, value: &str) -> String {
    let digits = count_digits(value.as_bytes()) as u64;
    let end = number_end(digits, &Grade::Proved);
    [&number_start(request, elapsed_us), value, &end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::factorial::{Kind, Verification};

    #[test]
    fn a_number_is_written_around_its_digits() {
        let request = Request::decimal(Kind::Multifactorial(3), 5);
        assert_eq!(
            number(&request, Some(7), "10"),
            r#"{"n":5,"kind":"multi:3","format":"decimal","elapsed_us":7,"value":"10","digits":2,"grade":"proved"}"#
        );
        let grade = Grade::Verified(Verification {
            products: 3,
            repeated: 0,
            miss_exponent: 44,
        });
        assert_eq!(
            number_start(&request, None) + "10" + &number_end(2, &grade),
            r#"{"n":5,"kind":"multi:3","format":"decimal","value":"10","digits":2,"grade":"verified","products_checked":3,"products_repeated":0,"miss_probability":"2^-44"}"#
        );
    }
}
