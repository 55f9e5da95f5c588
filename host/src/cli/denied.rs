//! Messages about calls that no flag granted.

use cocoon::component::{Component, World};

use super::failure::say;

/// Prints a line on standard error for the first denied call of each flag.
pub(crate) fn report_denied<W: World>(component: &Component<W>) {
    component.on_denied(|call| say(&call.to_string()));
}

/// Logs the first denied call of each flag.
#[cfg(feature = "compiler")]
pub(crate) fn log_denied<W: World>(component: &Component<W>) {
    component.on_denied(|call| {
        tracing::warn!(
            function = &*call.function,
            flag = call.flag.as_deref(),
            "call denied without a grant"
        );
    });
}
