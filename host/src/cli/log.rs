//! The filter of the log.

use std::env::VarError;
use std::path::Path;

use cocoon::telemetry::{ACCESS_TARGET, LOG_FILTER, TelemetryError};

use super::paths::shown;

/// The variable that filters the log. It has no flag.
pub(crate) const LOG_VARIABLE: &str = "COCOON_LOG";

/// The targets and levels of the log, with every request if `logs_requests`.
pub(super) fn log_filter(logs_requests: bool) -> Result<String, TelemetryError> {
    let filter = match std::env::var(LOG_VARIABLE) {
        Ok(filter) => filter,
        Err(VarError::NotPresent) => LOG_FILTER.to_owned(),
        Err(VarError::NotUnicode(filter)) => {
            return Err(TelemetryError::Filter {
                filter: shown(Path::new(&filter)),
                reason: format!("{LOG_VARIABLE} is not UTF-8"),
            });
        }
    };
    Ok(if logs_requests {
        format!("{filter},{ACCESS_TARGET}=info")
    } else {
        filter
    })
}
