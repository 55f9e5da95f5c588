//! Backtraces of traps on standard error.

use std::io::{self, Write as _};

use cocoon::RunError;
use serde_json::{Value, json};

use super::announce;

/// The most backtraces that one command prints. Instances that trap alike share one.
const PRINTED: usize = 5;

/// Prints the backtraces of a command's instances, each only once.
#[derive(Default)]
pub(crate) struct Backtraces {
    printed: Vec<Vec<String>>,
}

impl Backtraces {
    /// Prints the backtrace of `error` if it is a trap. `instance` is the number of one of
    /// several instances.
    pub(crate) fn print(&mut self, error: &RunError, instance: Option<u64>) {
        let frames = error.frames();
        let is_known = self.printed.iter().any(|printed| printed == frames);
        if frames.is_empty() || is_known || self.printed.len() == PRINTED {
            return;
        }
        // A single write keeps the lines together. A failed write is ignored.
        let _ = io::stderr().write_all(text(frames, instance).as_bytes());
        self.printed.push(frames.to_vec());
    }
}

/// The frames in lines of text, or as fields of one line of JSON.
fn text(frames: &[String], instance: Option<u64>) -> String {
    if announce::is_json() {
        let fields = json!({"instance": instance, "frames": frames});
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        fields.retain(|_, value| *value != Value::Null);
        return announce::json_line("ERROR", "backtrace", fields);
    }
    let of = instance.map_or_else(String::new, |instance| format!(" in instance {instance}"));
    frames.iter().enumerate().fold(
        format!("cocoon: backtrace of the trap{of}:\n"),
        |text, (number, frame)| text + &format!("{number:>4}: {frame}\n"),
    )
}
