//! The environment variables of OpenTelemetry, and their problems.
//!
//! Each complaint names a variable, and is reported once, as a warning; the default is used
//! in place of the value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

/// The beginning of the names of all of them.
const PREFIX: &str = "OTEL_";

/// Variables that OpenTelemetry knows and this program does not support, by the beginning of
/// their names.
const UNSUPPORTED: [&str; 15] = [
    "OTEL_BLRP_",
    "OTEL_CONFIG_FILE",
    "OTEL_ENTITIES",
    "OTEL_EXPERIMENTAL_",
    "OTEL_EXPORTER_JAEGER_",
    "OTEL_EXPORTER_OTLP_LOGS_",
    "OTEL_EXPORTER_OTLP_METRICS_",
    "OTEL_EXPORTER_OTLP_PROFILES_",
    "OTEL_EXPORTER_PROMETHEUS_",
    "OTEL_EXPORTER_ZIPKIN_",
    "OTEL_LOGRECORD_",
    "OTEL_LOG_LEVEL",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_METRIC_EXPORT_",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
];

/// Variables from which Kubernetes puts others together, by the beginning of their names.
const PARTS: [&str; 3] = ["OTEL_RESOURCE_ATTRIBUTES_", "OTEL_POD_IP", "OTEL_NODE_IP"];

/// A reader of the variables, which keeps complaints.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, OsString>,
    read: Vec<&'static str>,
    complaints: Vec<String>,
}

/// A variable that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl Variables {
    /// The variables of this process.
    pub(super) fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// OpenTelemetry's variables among `all`. By its specification, empty ones are unset.
    pub(super) fn new(all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let named = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let values = named.filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty());
        Self {
            values: values.collect(),
            ..Self::default()
        }
    }

    /// The first of `names` that is set.
    pub(super) fn first(&mut self, names: &[&'static str]) -> Option<Set> {
        self.read.extend(names);
        for &name in names {
            let Some(value) = self.values.get(name) else {
                continue;
            };
            match value.to_str() {
                Some(value) => {
                    let value = value.trim().to_owned();
                    return Some(Set { name, value });
                }
                None => self.complaints.push(format!(
                    "invalid value for {name}: expected UTF-8; using the default"
                )),
            }
        }
        None
    }

    /// The value of the first of `names` that is set, unless `parse` refuses it.
    pub(super) fn parse<T>(
        &mut self,
        names: &[&'static str],
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let set = self.first(names)?;
        let parsed = parse(&set.value);
        if parsed.is_none() {
            self.complain(&set, expected);
        }
        parsed
    }

    /// A time of at least a millisecond, from the first of `names` that is set.
    pub(super) fn milliseconds(&mut self, names: &[&'static str]) -> Option<Duration> {
        self.parse(names, "milliseconds, an integer from 1", |text| {
            let ms = text.parse::<u32>().ok().filter(|ms| *ms > 0)?;
            Some(Duration::from_millis(ms.into()))
        })
    }

    /// Reports that a value is not `expected`.
    pub(super) fn complain(&mut self, set: &Set, expected: &str) {
        let Set { name, value } = set;
        self.complaints.push(format!(
            "invalid value `{}` for {name}: expected {expected}; using the default",
            value.escape_debug()
        ));
    }

    /// Reports something else.
    pub(super) fn say(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// All complaints, with those about variables that were not read.
    pub(super) fn complaints(self) -> Vec<String> {
        let has = |beginnings: &[&str], name: &str| {
            let mut beginnings = beginnings.iter();
            beginnings.any(|beginning| name.starts_with(beginning))
        };
        let left = self
            .values
            .keys()
            .filter(|name| !self.read.iter().any(|read| read == name) && !has(&PARTS, name));
        let (unsupported, unknown): (Vec<&str>, Vec<&str>) = left
            .map(String::as_str)
            .partition(|name| has(&UNSUPPORTED, name));
        let mut complaints = self.complaints;
        if !unsupported.is_empty() {
            let names = unsupported.join(", ");
            complaints.push(format!("unsupported variables: {names}"));
        }
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            complaints.push(format!("unknown variables: {names}"));
        }
        complaints
    }
}

/// Reads `key=value,key=value`, both percent-encoded. `None` where a member is malformed.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim);
    let members = members.filter(|member| !member.is_empty());
    let pair = |member: &str| {
        let (key, value) = member.split_once('=')?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    };
    members.map(pair).collect()
}

/// Reads percent-encoded UTF-8. `None` where it is malformed.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = str::from_utf8(digits).ok()?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Variables {
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Variables::new(all.into_iter())
    }

    #[test]
    fn variables_that_are_not_read_are_named_once() {
        let mut variables = variables(&[
            ("OTEL_SERVICE_NAME", "x"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "5"),
            ("OTEL_SERVICE_NAMES", "x"),
            ("OTEL_LOG_LEVEL", ""),
            ("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "x"),
            ("PATH", "x"),
        ]);
        assert!(variables.first(&["OTEL_SERVICE_NAME"]).is_some());
        assert_eq!(
            variables.complaints(),
            [
                "unsupported variables: OTEL_BLRP_SCHEDULE_DELAY",
                "unknown variables: OTEL_SERVICE_NAMES",
            ]
        );
    }

    #[test]
    fn a_malformed_value_is_reported_and_none() {
        let mut variables = variables(&[("OTEL_BSP_MAX_QUEUE_SIZE", "many")]);
        let parsed = variables.parse(&["OTEL_BSP_MAX_QUEUE_SIZE"], "a positive integer", |text| {
            text.parse::<u64>().ok()
        });
        assert_eq!(parsed, None);
        assert_eq!(
            variables.complaints(),
            [
                "invalid value `many` for OTEL_BSP_MAX_QUEUE_SIZE: expected a positive integer; \
                 using the default"
            ]
        );
    }

    #[test]
    fn pairs_are_percent_decoded() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            pairs(" a=b ,, c%2C=d%20=%C3%A9"),
            Some(vec![pair("a", "b"), pair("c,", "d =é")])
        );
        assert_eq!(pairs(""), Some(Vec::new()));
        for wrong in ["a", "=b", "a=%", "a=%2", "a=%+1", "a=%ff", "a=b,c"] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
    }
}
