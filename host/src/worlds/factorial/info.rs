//! Facts of a number without its computation.

use super::bindings::{Facts, Kind};
use super::{Factorial, request_span};
use crate::error::RunError;
use crate::span::record_failure;

impl Factorial {
    /// The facts of the `kind` of `n`, without computing it.
    ///
    /// # Errors
    ///
    /// Where the request is invalid, or finds no room.
    pub async fn info(&self, kind: Kind, n: u64) -> Result<Facts, RunError> {
        let facts = async {
            let deadline = self.pool().deadline();
            let mut sandbox = self.sandbox(self.first_cap_bytes(), &deadline).await?;
            let span = request_span!(sandbox, "info", kind, n);
            sandbox
                .run(async |store, component| {
                    component
                        .cocoon_factorial_factorial()
                        .call_info(store, kind, n)
                        .await
                })
                .await
                .and_then(|info| Ok(info?))
                .inspect_err(|error| record_failure(&span, error))
        }
        .await;
        self.meter().watch(facts)
    }
}
