//! The error of telemetry that does not start.

/// The error of telemetry that does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log is invalid.
    #[error(
        "expected a log filter such as cocoon=debug or cocoon=warn,cocoon::http=debug, got `{filter}`: {reason}"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// The problem.
        reason: String,
    },
    /// The exporter does not start.
    #[error("cannot start the export of spans: {0}")]
    Start(String),
    /// There is a log already.
    #[error("expected to start telemetry once, got a second start")]
    Started,
}
