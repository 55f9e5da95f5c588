//! The records of `cocoon exec --json`, one for each line of output and one for each end.

use std::str;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use cocoon::RunError;
use cocoon::limits::Unit;
use cocoon::worlds::command::Stream;
use serde::{Serialize, Serializer};

use super::outcome::{Ending, Outcome};
use super::pieces::Piece;

/// A line without its newline, or a piece of one.
#[derive(Serialize)]
pub(super) struct LineRecord<'a> {
    instance: u64,
    stream: &'static str,
    /// The bytes if they are UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The bytes if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Base64<'a>>,
    /// No newline follows: the line is cut here, or the output ends here.
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
}

impl<'a> LineRecord<'a> {
    pub(super) fn new(instance: u64, stream: Stream, piece: Piece<'a>) -> Self {
        let text = str::from_utf8(piece.bytes).ok();
        Self {
            instance,
            stream: match stream {
                Stream::Out => "stdout",
                Stream::Err => "stderr",
            },
            text,
            base64: text.is_none().then_some(Base64(piece.bytes)),
            partial: piece.partial,
        }
    }
}

/// The end of an instance.
#[derive(Serialize)]
pub(super) struct EndRecord<'a> {
    instance: u64,
    /// The exit code of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    /// The kind of failure of a program that did not exit.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The backtrace of a trap, the innermost frame first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    frames: &'a [String],
    /// The flag of the limit that refused or stopped the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_value: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_unit: Option<&'static str>,
    elapsed_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    stdout_bytes: u64,
    stderr_bytes: u64,
    /// The number of runs, if it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
}

impl<'a> EndRecord<'a> {
    pub(super) fn new(outcome: &'a Outcome) -> Self {
        let error = match &outcome.ending {
            Ending::Error(error) => Some(error),
            Ending::Exit(_) | Ending::Ended => None,
        };
        let limit = error.and_then(RunError::limit);
        Self {
            instance: outcome.instance,
            exit: match outcome.ending {
                Ending::Exit(code) => Some(code),
                Ending::Error(_) | Ending::Ended => None,
            },
            failure: match &outcome.ending {
                Ending::Exit(_) => None,
                Ending::Error(error) => Some(error.name()),
                Ending::Ended => Some("interrupted"),
            },
            error: error.map(ToString::to_string),
            frames: error.map_or(&[], RunError::frames),
            limit: limit.map(|limit| limit.spec().flag),
            limit_value: error.and_then(RunError::limit_value),
            limit_unit: limit.map(|limit| match limit.spec().unit {
                Unit::Bytes => "bytes",
                Unit::Milliseconds => "ms",
                Unit::Count => "count",
            }),
            elapsed_us: u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
            memory_bytes: outcome.memory_bytes,
            stdout_bytes: outcome.output_bytes[Stream::Out as usize],
            stderr_bytes: outcome.output_bytes[Stream::Err as usize],
            attempts: (outcome.attempts > 1).then_some(outcome.attempts),
        }
    }
}

/// Bytes as a base64 string in the standard alphabet with padding (RFC 4648, section 4).
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64_STANDARD))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cocoon::limits::Limit;
    use serde_json::{Value, json};

    use super::*;

    /// Returns the record of a piece as a reader of `--json` parses it.
    fn line(stream: Stream, bytes: &[u8], partial: bool) -> Value {
        let piece = Piece {
            bytes,
            partial,
            continues: false,
        };
        serde_json::to_value(LineRecord::new(7, stream, piece)).expect("JSON")
    }

    #[test]
    fn a_record_has_text_or_base64_and_a_partial_flag() {
        assert_eq!(
            line(Stream::Out, "a\0\r é\u{2028}".as_bytes(), false),
            json!({"instance": 7, "stream": "stdout", "text": "a\0\r é\u{2028}"})
        );
        assert_eq!(
            line(Stream::Err, b"", true),
            json!({"instance": 7, "stream": "stderr", "text": "", "partial": true})
        );
        assert_eq!(
            line(Stream::Out, b"\xff\xfe?a", true),
            json!({"instance": 7, "stream": "stdout", "base64": "//4/YQ==", "partial": true})
        );
    }

    fn end(ending: Ending, attempts: u32) -> Value {
        let outcome = Outcome {
            instance: 3,
            ending,
            elapsed: Duration::from_millis(2),
            memory_bytes: Some(65_536),
            output_bytes: [5, 6],
            attempts,
        };
        serde_json::to_value(EndRecord::new(&outcome)).expect("JSON")
    }

    #[test]
    fn the_record_of_an_end_has_an_exit_code_or_a_failure() {
        assert_eq!(
            end(Ending::Exit(4), 1),
            json!({
                "instance": 3, "exit": 4, "elapsed_us": 2000, "memory_bytes": 65_536,
                "stdout_bytes": 5, "stderr_bytes": 6,
            })
        );
        let error = RunError::Stopped {
            limit: Limit::Deadline,
            value: 300,
        };
        assert_eq!(
            end(Ending::Error(error.clone()), 2),
            json!({
                "instance": 3, "failure": "stopped", "error": error.to_string(),
                "limit": "deadline", "limit_value": 300, "limit_unit": "ms",
                "elapsed_us": 2000, "memory_bytes": 65_536,
                "stdout_bytes": 5, "stderr_bytes": 6, "attempts": 2,
            })
        );
    }
}
