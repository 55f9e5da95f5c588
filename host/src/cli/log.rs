//! The filter of log events.

use std::env::VarError;
use std::path::Path;

use cocoon::telemetry::{ACCESS_TARGET, GUEST_TARGET, LOG_FILTER, TelemetryError};

use super::paths::shown;

/// The variable that filters the log, without a flag.
pub(crate) const LOG_VARIABLE: &str = "COCOON_LOG";

/// Returns the targets and levels of the log, with every request if `logs_requests`, and the lines
/// of handlers if `logs_handlers`.
pub(super) fn log_filter(
    logs_requests: bool,
    logs_handlers: bool,
) -> Result<String, TelemetryError> {
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
    let mut filter = filter;
    for (target, is_on) in [
        (ACCESS_TARGET, logs_requests),
        (GUEST_TARGET, logs_handlers),
    ] {
        if is_on {
            filter = format!("{filter},{target}=info");
        }
    }
    Ok(filter)
}
