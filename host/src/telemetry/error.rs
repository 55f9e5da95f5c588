//! The error of telemetry that does not start.

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
