//! Verification of digits from another program.
//!
//! One sandbox reads them from a channel; nothing holds all of them. [`VERIFY_BYTES`] of
//! memory and the deadline bound it. The component stops reading after as many digits as the
//! number has.

use bytes::Bytes;
use wasmtime::component::StreamReader;

use super::bindings::{Kind, Verdict};
use super::contract::error_line;
use super::{Factorial, request_span};
use crate::channel::{Inlet, Receiver};
use crate::error::RunError;
use crate::limits::VERIFY_BYTES;
use crate::span::record_failure;

impl Factorial {
    /// Compares `digits` with those of the `kind` of `n`, and stops reading at the first
    /// mistake that it can know.
    ///
    /// # Errors
    ///
    /// Where the request is invalid or finds no room, where a limit stops it, and
    /// [`RunError::Upstream`] where the digits break off.
    pub async fn verify(
        &self,
        kind: Kind,
        n: u64,
        digits: Receiver<Bytes>,
        seed: u64,
    ) -> Result<Verdict, RunError> {
        let verdict = self.compare(kind, n, digits, seed).await;
        self.meter().watch(verdict)
    }

    async fn compare(
        &self,
        kind: Kind,
        n: u64,
        digits: Receiver<Bytes>,
        seed: u64,
    ) -> Result<Verdict, RunError> {
        let cap_bytes = self.first_cap_bytes().max(VERIFY_BYTES);
        let mut sandbox = self.sandbox(cap_bytes, &self.pool().deadline()).await?;
        let span = request_span!(sandbox, "verify", kind, n);
        let verdict = sandbox
            .run(async |store, component| {
                store
                    .run_concurrent(async |accessor| {
                        let digits = accessor
                            .with(|store| StreamReader::new(store, Inlet::bytes(digits)))?;
                        component
                            .cocoon_factorial_factorial()
                            .call_verify(accessor, kind, n, digits, seed)
                            .await
                    })
                    .await?
            })
            .await
            .and_then(|verdict| Ok(verdict?))
            .inspect_err(|error| record_failure(&span, error))?;
        Ok(match verdict {
            Verdict::Wrong(text) => Verdict::Wrong(error_line(&text)),
            right @ Verdict::Right(_) => right,
        })
    }
}
