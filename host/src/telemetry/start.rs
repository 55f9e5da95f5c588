//! The start of the log and of the export of spans.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::error::TelemetryError;
use super::logs::LogFormat;
use super::settings::Settings;
use super::traces::Export;
use super::variables::Variables;
use super::{context, logs};
use crate::limits::{COMMAND_SPANS_QUEUED, SPANS_QUEUED};

/// Telemetry, until the value is dropped. Dropping it sends the last spans, in at most
/// [`crate::limits::TELEMETRY_FLUSH`].
#[derive(Debug)]
#[must_use]
pub struct Guard {
    _export: Option<Export>,
}

/// The kind of program that exports spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// Nothing. OpenTelemetry's variables are not read.
    Nothing,
    /// The requests of a service.
    Requests,
    /// A command and its instances.
    Command,
}

/// Starts the log of this process with `filter`, and the export of spans if the environment
/// requests it. Problems of OpenTelemetry's variables are logged.
///
/// # Errors
///
/// Where the filter is invalid, where the exporter does not start, or where telemetry was started
/// before.
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
        // The log comes first, so that the end of a span is logged while its trace is known.
        .with(log)
        .with(export.as_ref().map(Export::layer))
        .try_init()
        .map_err(|_| TelemetryError::Started)?;
    if let Some(settings) = settings {
        for complaint in settings.complaints {
            tracing::warn!(reason = complaint, "telemetry setting ignored");
        }
        context::propagate_by(settings.propagators);
    }
    Ok(Guard { _export: export })
}
