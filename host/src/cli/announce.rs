//! Announcements of the program on its streams: text, or lines of JSON in the shape of the
//! log's.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

use cocoon::telemetry::{self, LogFormat};
use serde_json::{Map, Value};

/// The variable of `--log-format`.
pub(super) const VARIABLE: &str = "COCOON_LOG_FORMAT";

/// Whether lines are JSON. Errors in arguments are reported before the arguments are parsed.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Reads the format from this program's own arguments before they are parsed, or from the
/// environment.
pub(super) fn guess_format(own: &[OsString]) {
    let mut typed = own.iter().map(|argument| argument.to_string_lossy());
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

/// Sets the format of the parsed arguments.
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
