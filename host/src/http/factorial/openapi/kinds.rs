//! The schemas of kinds, formats and grades.
//!
//! The patterns accept the same texts as the parsers in `worlds/factorial/request.rs`.

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::worlds::factorial::{Format, Grade, Kind, ONE_OF_EACH_KIND};

/// The K of `multi:K`: an integer from 1 to 4294967295.
const STEP: &str = "^multi:([1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}\
    |429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}\
    |4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$";
/// The DIGITS of `scientific:DIGITS`: an integer from 1 to 1000.
const DIGITS: &str = "^scientific:([1-9][0-9]{0,2}|1000)$";

fn names(names: impl IntoIterator<Item = impl Into<String>>) -> ObjectBuilder {
    let names = names.into_iter().map(Into::<String>::into);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
}

/// One of `names`, or a text of a `pattern`.
fn names_or(description: &str, fixed: &[String], pattern: &str, example: &str) -> RefOr<Schema> {
    let others = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .examples([example]);
    OneOfBuilder::new()
        .description(Some(description))
        .item(names(fixed.iter().cloned()))
        .item(others)
        .examples(fixed.first().cloned())
        .into()
}

impl PartialSchema for Kind {
    fn schema() -> RefOr<Schema> {
        // The names but those of the pattern.
        let fixed: Vec<_> = ONE_OF_EACH_KIND
            .iter()
            .map(ToString::to_string)
            .filter(|name| !name.starts_with("multi:"))
            .collect();
        names_or(
            "A kind of factorial; `multi:K` multiplies every K-th number",
            &fixed,
            STEP,
            "multi:3",
        )
    }
}

impl ToSchema for Kind {}

impl PartialSchema for Format {
    fn schema() -> RefOr<Schema> {
        names_or(
            "A format of a number: all digits, or the first ones and an exponent",
            &["decimal".to_owned()],
            DIGITS,
            "scientific:5",
        )
    }
}

impl ToSchema for Format {}

impl PartialSchema for Grade {
    fn schema() -> RefOr<Schema> {
        names(["proved", "verified"])
            .description(Some(
                "The certainty of a result: every product proved exact, or checked modulo a random prime",
            ))
            .into()
    }
}

impl ToSchema for Grade {}
