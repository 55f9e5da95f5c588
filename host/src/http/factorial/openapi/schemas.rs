//! The schemas of answers: numbers, and the lines and events of streams.
//!
//! `OpenAPI` 3.1 has no word for the items of a stream. So the schema of a stream is that
//! of one line of NDJSON, or of one server-sent event.

use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::server::Problem;
use crate::worlds::factorial::{Format, Grade, Kind};

/// An integer from 0 to 2^64 - 1.
pub(crate) enum Whole {}

impl PartialSchema for Whole {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::Custom("uint64".to_owned())))
            .minimum(Some(0_usize))
            .maximum(Some(usize::MAX))
            .into()
    }
}

impl ToSchema for Whole {}

/// A number as a JSON object.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the API's description is derived from it")]
pub(crate) struct Number {
    /// The number whose factorial this is.
    #[schema(value_type = Whole)]
    n: u64,
    kind: Kind,
    format: Format,
    /// Its digits.
    #[schema(
        example = "2432902008176640000",
        pattern = r"^[0-9]+(\.[0-9]+)?(e\+[0-9]+)?$"
    )]
    value: String,
    /// Number of digits, without those of an exponent.
    #[schema(example = 19)]
    digits: u64,
    /// The time of its sandbox in microseconds. Only in a listing.
    #[schema(nullable = false)]
    elapsed_us: Option<u64>,
    grade: Grade,
    /// Products that were checked modulo a random prime. Only of a verified number.
    #[schema(nullable = false)]
    products_checked: Option<u32>,
    /// Products that were wrong, and computed again with proof. Only of a verified number.
    #[schema(nullable = false)]
    products_repeated: Option<u32>,
    /// The probability of a missed error, such as `2^-44`. Only of a verified number.
    #[schema(nullable = false, pattern = r"^2\^-[0-9]+$")]
    miss_probability: Option<String>,
}

/// The last line of a complete listing.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListDone {
    #[schema(schema_with = always)]
    done: bool,
    /// Numbers in the listing.
    count: usize,
}

impl ListDone {
    pub(crate) const fn of(count: usize) -> Self {
        Self { done: true, count }
    }
}

fn always() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([true]))
        .into()
}

/// The last line of a listing in which a number failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListFailed {
    pub(crate) failed: Problem,
}

/// The last event of a complete listing.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListCount {
    /// Numbers in the listing.
    pub(crate) count: usize,
}

/// The state of the sandbox of one number.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListState {
    #[schema(value_type = Whole)]
    pub(crate) n: u64,
    pub(crate) state: Stage,
}

/// The states of a sandbox.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Queued,
    Running,
    Done,
}

/// The answer to an invalid or failed request of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineProblem<'a> {
    #[schema(value_type = Problem)]
    pub(crate) problem: &'a Problem,
}

/// A line of a listing.
pub(crate) enum ListLine {}

impl PartialSchema for ListLine {
    fn schema() -> RefOr<Schema> {
        one_of(
            "One line of the stream; the last is `ListDone` or `ListFailed`",
            ["Number", "ListDone", "ListFailed"],
        )
    }
}

impl ToSchema for ListLine {
    fn schemas(schemas: &mut Schemas) {
        add::<Number>(schemas);
        add::<ListDone>(schemas);
        add::<ListFailed>(schemas);
    }
}

/// An event of a listing.
pub(crate) enum ListEvent {}

impl PartialSchema for ListEvent {
    fn schema() -> RefOr<Schema> {
        one_of(
            "One server-sent event; the last is `DoneEvent` or `FailedEvent`",
            ["StateEvent", "ResultEvent", "DoneEvent", "FailedEvent"],
        )
    }
}

impl ToSchema for ListEvent {
    fn schemas(schemas: &mut Schemas) {
        add::<ListState>(schemas);
        add::<ListCount>(schemas);
        for (schema, event, data) in [
            ("StateEvent", "state", "ListState"),
            ("ResultEvent", "result", "Number"),
            ("DoneEvent", "done", "ListCount"),
            ("FailedEvent", "failed", "Problem"),
        ] {
            schemas.push((schema.to_owned(), self::event(event, data)));
        }
    }
}

/// A line of the answer to a batch.
pub(crate) enum BatchLine {}

impl PartialSchema for BatchLine {
    fn schema() -> RefOr<Schema> {
        one_of(
            "One line of the stream: the answer to the line with the same number in the request",
            ["Number", "LineProblem"],
        )
    }
}

impl ToSchema for BatchLine {
    fn schemas(schemas: &mut Schemas) {
        add::<Number>(schemas);
        add::<LineProblem<'_>>(schemas);
    }
}

type Schemas = Vec<(String, RefOr<Schema>)>;

fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn one_of<const N: usize>(description: &str, names: [&str; N]) -> RefOr<Schema> {
    let one_of = OneOfBuilder::new().description(Some(description));
    names
        .into_iter()
        .fold(one_of, |one_of, name| {
            one_of.item(Ref::from_schema_name(name))
        })
        .into()
}

/// An event whose data is JSON of the schema `data`.
fn event(name: &str, data: &str) -> RefOr<Schema> {
    let data = ObjectBuilder::new()
        .schema_type(Type::String)
        .content_media_type("application/json")
        .content_schema(Some(Ref::from_schema_name(data)));
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([name]));
    ObjectBuilder::new()
        .property("event", name)
        .required("event")
        .property("data", data)
        .required("data")
        .into()
}
