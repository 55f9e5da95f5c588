//! One number, computed by several sandboxes: what the component plans, and each
//! of its parts by itself.
//!
//! The component knows how a number is put together; in here is only what makes
//! its plan one that can be run at all. [`crate::fanout`] runs it.

use std::pin::pin;
use std::slice;

use bytes::Bytes;
use wasmtime::component::StreamReader;

use super::bindings::{Error, Estimate, FactorialWorld, Grade, Part, Request};
use super::{Factorial, digits, held_to_proof, span};
use crate::channel::{ByteInlet, Inlet, Receiver, Sender};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{CHANNEL_BYTES, Limit, PART_READERS};
use crate::pool::{Need, Permit};
use crate::sandbox::Sandbox;
use crate::span::failed;

/// How several sandboxes compute one number, as the component planned it.
#[derive(Clone, Debug)]
pub struct Plan {
    request: Request,
    sandboxes: u32,
    cost: Estimate,
    parts: Vec<Part>,
    deadline: Deadline,
}

impl Plan {
    /// What each sandbox does. The last one puts out the number.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What the request would cost in one sandbox.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    /// When the last digit must have been produced.
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// What the sandbox of that part may take: a channel for each time that it is read.
    fn need(&self, index: usize) -> Need {
        let read = |part: &Part| {
            let from = |&&input: &&u32| input as usize == index;
            part.inputs.iter().filter(from).count() as u64
        };
        let channels: u64 = self.parts.iter().map(read).sum();
        let cap_bytes = self.parts.get(index).map_or(0, |part| part.peak_bytes);
        let one = Need::of_memory(cap_bytes);
        Need {
            buffer_bytes: one.buffer_bytes + channels.saturating_sub(1) * CHANNEL_BYTES,
            ..one
        }
    }

    /// Whether that part puts out the number.
    pub(crate) fn is_last(&self, index: usize) -> bool {
        index + 1 == self.parts.len()
    }
}

impl Factorial {
    /// Asks how up to `sandboxes` sandboxes compute `request`.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense or would exceed a limit, or where the
    /// component's plan is none.
    pub async fn plan(&self, request: Request, sandboxes: u32) -> Result<Plan, RunError> {
        let plan = self.ask_plan(request, sandboxes).await;
        plan.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn ask_plan(&self, request: Request, sandboxes: u32) -> Result<Plan, RunError> {
        let deadline = self.0.pool.deadline();
        let mut sandbox = self.sandbox(self.first_cap_bytes(), &deadline).await?;
        let cost = match self.0.costs.get(&request) {
            Some(cost) => cost,
            None => self.cost_in(&mut sandbox, request).await?,
        };
        self.check_reach(&request, &cost)?;
        let span = span!(sandbox, "plan", request.kind, request.n);
        let parts = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_parts()
                    .call_plan(store, request, sandboxes)
                    .await
            })
            .await
            .and_then(|parts| Ok(parts?))
            .and_then(|parts| check(&parts, sandboxes).map(|()| parts))
            .inspect_err(|error| failed(&span, error))?;
        Ok(Plan {
            request,
            sandboxes,
            cost,
            parts,
            deadline,
        })
    }

    /// Does one part of a plan by itself: reads `inputs`, as the plan has them, and
    /// writes to `outputs`, one for each time that a part of the plan reads from
    /// it, and for the last part one more, the answer. Each ends when it is
    /// complete, but the answer as the part ends.
    ///
    /// This is for whoever carries the bytes between the sandboxes on their own;
    /// [`crate::fanout::FanOut`] runs a whole plan.
    ///
    /// # Errors
    ///
    /// What stopped it, which the readers are told as well.
    pub async fn perform(
        &self,
        plan: &Plan,
        index: usize,
        seed: u64,
        inputs: Vec<Receiver<Bytes>>,
        outputs: Vec<Sender<Bytes>>,
    ) -> Result<Grade, RunError> {
        let performed = async {
            if index >= plan.parts.len() {
                return Err(RunError::Malformed(format!(
                    "expected a part below {}, got {index}",
                    plan.parts.len()
                )));
            }
            let permit = self.0.pool.admit(plan.need(index), &plan.deadline).await?;
            let mut sandbox = self.sandbox_in(permit).await?;
            let inputs = inputs.into_iter().map(Inlet::bytes).collect();
            self.perform_in(&mut sandbox, plan, index, seed, inputs, &outputs)
                .await
        }
        .await;
        for output in &outputs {
            output.end(&performed.clone().map(|_| ()));
        }
        performed.inspect_err(|error| self.meter().ended_with(error))
    }

    /// The places for all parts of a plan at once.
    pub(crate) async fn admit_parts(&self, plan: &Plan) -> Result<Vec<Permit>, RunError> {
        let needs: Vec<_> = (0..plan.parts.len())
            .map(|index| plan.need(index))
            .collect();
        self.0.pool.admit_all(&needs, &plan.deadline).await
    }

    /// Does a part in a sandbox that is there, for as long as somebody reads.
    pub(crate) async fn perform_in(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        plan: &Plan,
        index: usize,
        seed: u64,
        inputs: Vec<ByteInlet>,
        outputs: &[Sender<Bytes>],
    ) -> Result<Grade, RunError> {
        let Plan {
            request, sandboxes, ..
        } = *plan;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let cap_bytes = self.limits().get(Limit::Output);
        // Who reads from the last part has read all when nobody wants the answer.
        let (answer, readers) = match outputs.split_last() {
            Some((answer, _)) if plan.is_last(index) => (Some(answer), slice::from_ref(answer)),
            _ => (None, outputs),
        };
        // The readers of the others are parts, whose time is the job's.
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
                            "part {index} puts out {} streams, and {} are read",
                            written.len(),
                            outputs.len()
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
        held_to_proof(request.proved, grade)
    }
}

/// Whether the parts can be run: no more than sandboxes, each but the last read by
/// another, and what they read is there.
fn check(parts: &[Part], sandboxes: u32) -> Result<(), RunError> {
    let wrong = |what: String| Err(RunError::Failed(format!("its plan is none: {what}")));
    let most = sandboxes.max(1);
    if parts.is_empty() || parts.len() > most as usize {
        return wrong(format!(
            "it has {} parts, and must have 1 to {most}",
            parts.len()
        ));
    }
    let mut read = vec![0; parts.len()];
    for (index, part) in parts.iter().enumerate() {
        for &input in &part.inputs {
            match read.get_mut(input as usize) {
                Some(_) if input as usize == index => {
                    return wrong(format!("part {index} reads from itself"));
                }
                Some(times) if *times == PART_READERS => {
                    return wrong(format!(
                        "part {input} is read more than {PART_READERS} times"
                    ));
                }
                Some(times) => *times += 1,
                None => {
                    return wrong(format!(
                        "part {index} reads from part {input}, and there is none"
                    ));
                }
            }
        }
    }
    match read[..read.len() - 1].iter().position(|&times| times == 0) {
        Some(unread) => wrong(format!("nobody reads from part {unread}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(inputs: &[&[u32]]) -> Vec<Part> {
        let part = |inputs: &&[u32]| Part {
            inputs: inputs.to_vec(),
            peak_bytes: 1,
        };
        inputs.iter().map(part).collect()
    }

    #[test]
    fn plans_that_can_be_run_are_told_from_others() {
        for plan in [
            &[&[][..]][..],
            &[&[], &[], &[0, 1]],
            &[&[], &[0], &[0, 1]],
            &[&[1], &[0, 0]],
        ] {
            assert_eq!(check(&parts(plan), 3), Ok(()), "{plan:?}");
        }
        for (plan, word) in [
            (&[][..], "0 parts"),
            (&[&[0][..]], "reads from itself"),
            (&[&[], &[2]], "part 1 reads from part 2, and there is none"),
            (&[&[], &[u32::MAX]], "there is none"),
            (&[&[], &[], &[0]], "nobody reads from part 1"),
            (&[&[], &[0; 5]], "part 0 is read more than 4 times"),
            (&[&[][..]; 4], "4 parts, and must have 1 to 3"),
        ] {
            let error = check(&parts(plan), 3).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
