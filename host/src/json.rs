//! JSON: strict reading of objects that people and servers send, and writing of records.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::error::RunError;

/// `record` as JSON on one line, without a line break.
///
/// # Errors
///
/// [`RunError::Failed`] for a record that JSON cannot represent, such as a map whose keys are not
/// strings.
pub fn to_json(record: &impl Serialize) -> Result<String, RunError> {
    serde_json::to_string(record).map_err(|error| RunError::Failed(error.to_string()))
}

/// The start of an object that is written around a long string: the fields of `before`, of which
/// there is at least one, and then the opening quote of the string `name`. The rest is
/// [`object_end`].
pub(crate) fn object_start(before: &impl Serialize, name: &str) -> String {
    let fields = to_json(before).unwrap_or_default();
    let fields = fields.strip_suffix('}').unwrap_or_default();
    format!(r#"{fields},"{name}":""#)
}

/// The end of an object after [`object_start`] and the string: the closing quote, and the fields
/// of `after`, of which there is at least one.
pub(crate) fn object_end(after: &impl Serialize) -> String {
    let fields = to_json(after).unwrap_or_default();
    let fields = fields.strip_prefix('{').unwrap_or_default();
    format!(r#"",{fields}"#)
}

/// Reads `T` from a JSON object only. Derived implementations also read it from an array of its
/// fields. They refuse a repeated field.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Pair {
        a: u64,
        #[serde(default)]
        b: u64,
    }

    #[test]
    fn only_an_object_without_repeated_fields_is_read() {
        let read = |text: &str| {
            let read = serde_json::from_str::<Object<Pair>>(text);
            read.map(|Object(pair)| (pair.a, pair.b)).ok()
        };
        assert_eq!(read(r#"{"a":1,"b":2}"#), Some((1, 2)));
        assert_eq!(read(r#" {"c":[1],"a":1} "#), Some((1, 0)));
        for text in [
            "[1,2]",
            "[]",
            "1",
            "null",
            "\"a\"",
            "{}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1}{"a":1}"#,
            r#"{"a":1}x"#,
            r#"{"a":1"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
