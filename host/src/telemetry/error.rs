//! The error of telemetry that does not start.

/// The error of telemetry that does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log is invalid.
    #[error(
        "`{filter}` is no log filter ({reason}); write it as cocoon=debug, or as cocoon=warn,cocoon::http=debug"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// The problem.
        reason: String,
    },
    /// The exporter does not start.
    #[error("no spans can be exported: {0}")]
    Start(String),
    /// There is a log already.
    #[error("telemetry was started before")]
    Started,
}
