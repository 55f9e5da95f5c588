//! The routes of `cocoon config serve`, as tables of a configuration.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::lines;
use crate::cli::config::{RouteSettings, Settings};
use crate::cli::failure::Failure;
use crate::cli::message::one_line;

/// The key with values that are not shown.
const SECRET: &str = "env";

/// Formats the routes of `settings` as TOML.
pub(super) fn toml(settings: &Settings, literal: impl Fn(&Value) -> String) -> String {
    let mut text = String::new();
    for RouteSettings { line, written, .. } in settings.routes() {
        // Writing to a string never fails.
        let file = one_line(&settings.file());
        let _ = writeln!(text, "\n[[serve.route]]  # {file}:{line}");
        for (key, value) in written {
            let _ = match value.as_array() {
                Some(names) if *key == SECRET => {
                    let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
                    let names = one_line(&names.join(", "));
                    writeln!(text, "# {key}: {names} (values not shown)")
                }
                _ => writeln!(text, "{key} = {}", literal(value)),
            };
        }
    }
    text
}

/// Formats each route of `settings` as a JSON object on a line.
pub(super) fn json_lines(settings: &Settings) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for route in settings.routes() {
        let written = route.written.iter();
        let value: Map<_, _> = written
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        text.extend(lines::json_line(&json!({
            "command": "serve",
            "key": "route",
            "value": value,
            "source": "file",
            "file": settings.file(),
            "line": route.line,
        }))?);
    }
    Ok(text)
}
