//! Checking digits that somebody else computed.
//!
//! One sandbox reads them from a channel; nothing holds all of them. It is
//! bounded by [`VERIFY_BYTES`] of memory and by the deadline. The digits may be
//! as many as the number has, and the component stops reading where they are
//! more.

use bytes::Bytes;
use wasmtime::component::StreamReader;

use super::bindings::{Kind, Verdict};
use super::{Factorial, held_to_line, span};
use crate::channel::{Inlet, Receiver};
use crate::error::RunError;
use crate::limits::VERIFY_BYTES;
use crate::span::failed;

impl Factorial {
    /// Whether `digits` are those of the `kind` of `n`. It stops reading as soon
    /// as it knows that they are not.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense or finds no room, where a limit stops
    /// it, and [`RunError::Upstream`] where the digits broke off.
    pub async fn verify(
        &self,
        kind: Kind,
        n: u64,
        digits: Receiver<Bytes>,
        seed: u64,
    ) -> Result<Verdict, RunError> {
        let verdict = self.compare(kind, n, digits, seed).await;
        verdict.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn compare(
        &self,
        kind: Kind,
        n: u64,
        digits: Receiver<Bytes>,
        seed: u64,
    ) -> Result<Verdict, RunError> {
        let cap_bytes = self.first_cap_bytes().max(VERIFY_BYTES);
        let mut sandbox = self.sandbox(cap_bytes, &self.0.pool.deadline()).await?;
        let span = span!(sandbox, "verify", kind, n);
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
            .inspect_err(|error| failed(&span, error))?;
        Ok(match verdict {
            Verdict::Wrong(text) => Verdict::Wrong(held_to_line(&text)),
            right @ Verdict::Right(_) => right,
        })
    }
}
