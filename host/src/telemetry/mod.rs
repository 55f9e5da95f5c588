//! What the service tells of itself: metrics for whoever asks, traces over OTLP,
//! and a log.
//!
//! Nothing here stands in a request's way. A request adds to counters, and who
//! reads them pays for the reading; its spans go into a bounded queue, and are
//! dropped where that is full. What is logged goes to standard error.

mod b3;
mod context;
mod delivery;
mod exemplars;
mod grpc;
mod http_metrics;
mod json_lines;
mod logs;
mod metrics;
mod openmetrics;
mod otlp;
mod process;
mod queue;
mod sampling;
mod settings;
mod text_format;
mod tls;
mod traces;
mod variables;
mod w3c;
mod worker;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use context::{continue_command, is_exported, leave_out};
pub(crate) use context::{continue_trace, exported_trace, named_trace, tell_trace};
pub use http_metrics::{Connection, HttpMetrics, Observation};
pub use json_lines::json_line;
pub use logs::{ACCESS_TARGET, LOG_FILTER, LogFormat};
pub use metrics::{Build, CLASSIC_TYPE, Metrics, OPENMETRICS_TYPE};
use settings::Settings;
use traces::Export;
use variables::Variables;

use crate::limits::{COMMAND_SPANS_QUEUED, SPANS_QUEUED};

/// Why there is no telemetry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The log is filtered by something that is no filter.
    #[error(
        "`{filter}` is no log filter ({reason}); write it as cocoon=debug, or as cocoon=warn,cocoon::http=debug"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter does not start.
    #[error("no spans can be exported: {0}")]
    Start(String),
    /// There is a log already.
    #[error("telemetry was started before")]
    Started,
}

/// Telemetry, for as long as it lives. The last spans are sent when it is
/// dropped, which takes [`crate::limits::TELEMETRY_FLUSH`] at most.
#[derive(Debug)]
#[must_use]
pub struct Guard {
    _export: Option<Export>,
}

/// What has spans to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// Nothing. OpenTelemetry's variables are not read.
    Nothing,
    /// The requests of a service.
    Requests,
    /// A command and its instances.
    Command,
}

/// Starts the log of this process, of what `filter` lets through, and the export of spans if
/// the environment asks for it. What is wrong with OpenTelemetry's variables is logged.
///
/// # Errors
///
/// Where the filter is none, where the exporter does not start, or where telemetry was
/// started before.
pub fn start(format: LogFormat, filter: &str, exports: Exports) -> Result<Guard, TelemetryError> {
    let settings = match exports {
        Exports::Nothing => None,
        Exports::Requests => Settings::read(Variables::of_process(), SPANS_QUEUED),
        Exports::Command => Settings::read(Variables::of_process(), COMMAND_SPANS_QUEUED),
    };
    let target = settings.as_ref().and_then(|settings| {
        let target = settings.target.as_ref()?;
        Some((settings, target))
    });
    let export = match target {
        Some((settings, target)) => Some(Export::start(settings, target)?),
        None => None,
    };
    let log = logs::layer(format, filter)?;
    tracing_subscriber::registry()
        // First, so that the end of a span is logged while its trace is known.
        .with(log)
        .with(export.as_ref().map(Export::layer))
        .try_init()
        .map_err(|_| TelemetryError::Started)?;
    if let Some(settings) = settings {
        for complaint in settings.complaints {
            tracing::warn!("{complaint}");
        }
        context::propagate_by(settings.propagators);
    }
    Ok(Guard { _export: export })
}
