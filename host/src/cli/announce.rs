//! Announcements of the program on its streams: text for people, or lines of JSON like those
//! of the log.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

use cocoon::telemetry::{self, LogFormat};
use serde_json::{Map, Value};

/// The variable of `--log-format`.
pub(super) const VARIABLE: &str = "COCOON_LOG_FORMAT";

/// Whether lines are JSON. Errors in arguments are announced before these are parsed.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Takes the format from the arguments as they were typed, or from the environment.
pub(super) fn guess_format(arguments: &[OsString]) {
    let typed = arguments.iter().take_while(|argument| *argument != "--");
    let mut typed = typed.map(|argument| argument.to_string_lossy());
    let mut found = std::env::var(VARIABLE).ok();
    while let Some(argument) = typed.next() {
        if argument == "--log-format" {
            found = typed.next().map(Cow::into_owned);
        } else if let Some(value) = argument.strip_prefix("--log-format=") {
            found = Some(value.to_owned());
        }
    }
    if let Some(Ok(format)) = found.map(|text| text.parse()) {
        set_format(format);
    }
}

/// Sets the format that the parsed arguments have.
pub(super) fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Whether lines are JSON.
pub(super) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// A line of JSON, with its newline, in the shape of the log's.
pub(super) fn json_line(level: &str, message: &str, fields: Map<String, Value>) -> String {
    telemetry::json_line(level, message, fields, "cocoon")
}
