//! The component's plan of parts for one number.

use bytes::Bytes;

use crate::channel::{Inlet, Receiver, Sender};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{CHANNEL_BYTES, PART_READERS};
use crate::pool::{Need, Permit};
use crate::worlds::factorial::{Estimate, Factorial, Grade, Part, PartCall, Request};

/// The plan of several sandboxes for one number.
#[derive(Clone)]
pub struct Plan {
    factorial: Factorial,
    request: Request,
    sandboxes: u32,
    cost: Estimate,
    parts: Vec<Part>,
    deadline: Deadline,
}

impl Plan {
    /// Makes a plan for `request` with up to `sandboxes` parts.
    ///
    /// # Errors
    ///
    /// Where the request is invalid or would exceed a limit, or the component's plan cannot
    /// run.
    pub async fn make(
        factorial: &Factorial,
        request: Request,
        sandboxes: u32,
    ) -> Result<Self, RunError> {
        let deadline = factorial.pool().deadline();
        let check = |parts: &[Part]| check(parts, sandboxes);
        let planned = factorial.plan_parts(request, sandboxes, &deadline, check);
        let (cost, parts) = factorial.meter().watch(planned.await)?;
        Ok(Self {
            factorial: factorial.clone(),
            request,
            sandboxes,
            cost,
            parts,
            deadline,
        })
    }

    /// The parts. The last one writes the number.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The cost of the request in one sandbox.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    pub(super) fn factorial(&self) -> &Factorial {
        &self.factorial
    }

    pub(super) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Whether the part at `index` writes the number.
    pub(super) fn is_last(&self, index: usize) -> bool {
        index + 1 == self.parts.len()
    }

    /// The component's call for the part at `index`.
    pub(super) fn call(&self, index: usize, seed: u64) -> PartCall {
        PartCall {
            request: self.request,
            sandboxes: self.sandboxes,
            index,
            is_last: self.is_last(index),
            seed,
        }
    }

    /// Reserves the places of all parts at once.
    pub(super) async fn reserve(&self) -> Result<Vec<Permit>, RunError> {
        let needs: Vec<_> = (0..self.parts.len()).map(|part| self.need(part)).collect();
        self.factorial
            .pool()
            .reserve_all(&needs, &self.deadline)
            .await
    }

    /// The memory of the part at `index`: its promise, and a channel for each of its readers.
    fn need(&self, index: usize) -> Need {
        let reads_from = |part: &Part| {
            let is_read = |&&input: &&u32| input as usize == index;
            part.inputs.iter().filter(is_read).count() as u64
        };
        let channels: u64 = self.parts.iter().map(reads_from).sum();
        let cap_bytes = self.parts.get(index).map_or(0, |part| part.peak_bytes);
        let one = Need::of_memory(cap_bytes);
        Need {
            buffer_bytes: one.buffer_bytes + channels.saturating_sub(1) * CHANNEL_BYTES,
            ..one
        }
    }

    /// Runs one part alone, for a caller that moves the bytes between the sandboxes.
    /// [`FanOut`](super::FanOut) runs a whole plan.
    ///
    /// `inputs` are those of the plan. `outputs` has a channel for each part that reads this
    /// one, and for the last part one more, for the number. Each ends when it is complete; that
    /// of the number ends with the result of the part.
    ///
    /// # Errors
    ///
    /// The error that stopped it. All outputs end with the same error.
    pub async fn run_part(
        &self,
        index: usize,
        seed: u64,
        inputs: Vec<Receiver<Bytes>>,
        outputs: Vec<Sender<Bytes>>,
    ) -> Result<Grade, RunError> {
        let factorial = &self.factorial;
        let result = async {
            if index >= self.parts.len() {
                return Err(RunError::Malformed(format!(
                    "expected a part below {}, got {index}",
                    self.parts.len()
                )));
            }
            let reserving = factorial.pool().reserve(self.need(index), &self.deadline);
            let mut sandbox = factorial.sandbox_in(reserving.await?).await?;
            let inputs = inputs.into_iter().map(Inlet::bytes).collect();
            let call = self.call(index, seed);
            factorial
                .perform(&mut sandbox, call, inputs, &outputs)
                .await
        }
        .await;
        for output in &outputs {
            output.end(&result.clone().map(|_| ()));
        }
        factorial.meter().watch(result)
    }
}

/// Checks that the parts can run: at most as many as `sandboxes`, each but the last read by
/// another one, and all inputs among them.
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
    fn plans_that_cannot_run_are_errors() {
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
