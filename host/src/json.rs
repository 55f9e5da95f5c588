//! JSON that people and servers send, read strictly.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A struct that only a JSON object stands for. Derived implementations also read it
/// from an array of its fields. They refuse a field that comes twice.
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
