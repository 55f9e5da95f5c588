//! The calls for one number in several sandboxes: the component's plan, and each of its parts.
//!
//! The component knows how a number is composed of parts. [`crate::fanout`] runs a plan.

use std::pin::pin;
use std::slice;

use bytes::Bytes;
use wasmtime::component::StreamReader;

use super::bindings::{Error, Estimate, FactorialWorld, Grade, Part, Request};
use super::contract::check_grade;
use super::{Factorial, digits, request_span};
use crate::channel::{ByteInlet, Sender};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::Limit;
use crate::sandbox::Sandbox;
use crate::span::record_failure;
use crate::text::counted;

/// One part of a plan, as the component is called for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartCall {
    pub(crate) request: Request,
    /// The number of sandboxes that the plan was made for.
    pub(crate) sandboxes: u32,
    /// From 0.
    pub(crate) index: usize,
    /// Whether the part writes the number.
    pub(crate) is_last: bool,
    /// The seed of random checks, the same for all parts.
    pub(crate) seed: u64,
}

impl Factorial {
    /// The cost of `request` in one sandbox, and the component's plan for up to `sandboxes`
    /// sandboxes, which `check` accepts.
    pub(crate) async fn plan_parts(
        &self,
        request: Request,
        sandboxes: u32,
        deadline: &Deadline,
        check: impl Fn(&[Part]) -> Result<(), RunError>,
    ) -> Result<(Estimate, Vec<Part>), RunError> {
        let mut sandbox = self.sandbox(self.first_cap_bytes(), deadline).await?;
        let cost = self.known_cost(&mut sandbox, request).await?;
        self.check_reach(&request, &cost)?;
        let span = request_span!(sandbox, "plan", request.kind, request.n);
        let parts = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_parts()
                    .call_plan(store, request, sandboxes)
                    .await
            })
            .await
            .and_then(|parts| Ok(parts?))
            .and_then(|parts| check(&parts).map(|()| parts))
            .inspect_err(|error| record_failure(&span, error))?;
        Ok((cost, parts))
    }

    /// Runs a part in `sandbox`: reads `inputs` and writes `outputs`, as the plan has them.
    /// The last output of the last part is the number, whose channel the caller ends.
    pub(crate) async fn perform(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        part: PartCall,
        inputs: Vec<ByteInlet>,
        outputs: &[Sender<Bytes>],
    ) -> Result<Grade, RunError> {
        let PartCall {
            request,
            sandboxes,
            index,
            is_last,
            seed,
        } = part;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let cap_bytes = self.limits().bytes(Limit::Output);
        // The readers of the last part's other outputs need nothing more once the answer has
        // no reader.
        let (answer, readers) = match outputs.split_last() {
            Some((answer, _)) if is_last => (Some(answer), slice::from_ref(answer)),
            _ => (None, outputs),
        };
        // Other readers are parts of the same job, whose time counts.
        let deadline = answer.map(|_| sandbox.deadline().clone());
        let performing = sandbox.run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let inputs = accessor.with(|mut store| {
                        inputs
                            .into_iter()
                            .map(|input| StreamReader::new(&mut store, input))
                            .collect::<Result<_, _>>()
                    })?;
                    let component = component.cocoon_factorial_parts();
                    let performed = component
                        .call_perform(accessor, request, sandboxes, number, seed, inputs)
                        .await?;
                    let (written, done) = match performed {
                        Ok(performed) => performed,
                        Err(error) => return Ok(Err(error)),
                    };
                    if written.len() != outputs.len() {
                        return Ok(Err(Error::Failed(format!(
                            "expected {} from part {index}, got {}",
                            counted(outputs.len() as u64, "stream", "streams"),
                            written.len()
                        ))));
                    }
                    let mut written = written
                        .into_iter()
                        .zip(outputs)
                        .map(|(written, reader)| digits::Output {
                            written,
                            reader,
                            deadline: None,
                            ends_when_closed: true,
                        })
                        .collect::<Vec<_>>();
                    if let (Some(_), Some(last)) = (answer, written.last_mut()) {
                        last.deadline = deadline;
                        last.ends_when_closed = false;
                    }
                    digits::pour(accessor, written, done, cap_bytes).await
                })
                .await?
        });
        let grade = digits::while_read(pin!(performing), readers).await?;
        check_grade(request.proved, grade)
    }
}
