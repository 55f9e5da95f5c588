//! The log: one line for each event on standard error, as text for people or as
//! JSON for programs.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::format::{FmtSpan, JsonFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt as lines};

use super::error::TelemetryError;
use super::json_lines::{JsonLines, RequestNames};
pub use crate::text::GUEST_TARGET;

/// The default filter of the log.
pub const LOG_FILTER: &str = "cocoon=warn";

/// The target of the lines of requests, which are at the level `info`, and at `warn` for
/// errors of the server.
pub const ACCESS_TARGET: &str = "cocoon::access";

/// Whether the log has the lines of requests.
static LOGS_REQUESTS: AtomicBool = AtomicBool::new(false);

/// Whether the log has the lines of requests. `tracing::enabled!` would answer the same, and hide
/// the next event on this thread from a layer that has a filter.
pub(crate) fn logs_requests() -> bool {
    LOGS_REQUESTS.load(Ordering::Relaxed)
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people. The collector of the lines adds the time.
    #[default]
    Text,
    /// One JSON object a line, with its time.
    Json,
}

impl LogFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.to_string() == text)
            .ok_or_else(|| format!("expected text or json, got `{text}`"))
    }
}

/// The layer that writes events and spans that pass `filter`. A span, of which `cocoon=debug`
/// passes all, is written when it ends.
pub(super) fn layer<S>(
    format: LogFormat,
    filter: &str,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter: Targets = filter
        .parse()
        .map_err(|error: ParseError| TelemetryError::Filter {
            filter: filter.to_owned(),
            reason: error.to_string(),
        })?;
    let logs_requests = filter.would_enable(ACCESS_TARGET, &Level::INFO);
    LOGS_REQUESTS.store(logs_requests, Ordering::Relaxed);
    let layer = lines::layer()
        .with_writer(io::stderr)
        // A line that cannot be written is dropped, and must not end the program.
        .log_internal_errors(false)
        .with_span_events(FmtSpan::CLOSE);
    Ok(match format {
        LogFormat::Text => layer.without_time().with_filter(filter).boxed(),
        LogFormat::Json => {
            let lines = layer
                .fmt_fields(JsonFields::new())
                .event_format(JsonLines)
                .with_filter(filter);
            let of_requests =
                FilterFn::new(|metadata| metadata.is_span() && metadata.name() == "request")
                    .with_max_level_hint(LevelFilter::DEBUG);
            let names = RequestNames.with_filter(of_requests);
            // Not one after the other by `and_then`, of which the registry asks the last one
            // alone for its most verbose level.
            vec![names.boxed(), lines.boxed()].boxed()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_can_be_written_and_read_back() {
        for format in LogFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "xml".parse::<LogFormat>().expect_err("no format");
        assert!(error.contains("text or json"), "{error}");
    }
}
