//! One number, computed by several sandboxes: what the component plans, and each
//! of its steps by itself.
//!
//! The component knows how a number is put together; in here is only what makes
//! its plan one that can be run at all. [`crate::fanout`] runs it.

use std::pin::pin;

use bytes::Bytes;
use wasmtime::component::StreamReader;

use super::bindings::{Estimate, FactorialWorld, Grade, Request, Step};
use super::{Factorial, digits, held_to_proof, span};
use crate::channel::{Broadcast, Inlet, Receiver, Sender};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{Limit, PLAN_STEPS_PER_SANDBOX};
use crate::pool::Permit;
use crate::sandbox::Sandbox;
use crate::span::failed;

/// How several sandboxes compute one number, as the component planned it.
#[derive(Clone, Debug)]
pub struct Plan {
    request: Request,
    sandboxes: u32,
    cost: Estimate,
    steps: Vec<Step>,
    deadline: Deadline,
}

/// One step of a plan, as the component is asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) request: Request,
    pub(crate) sandboxes: u32,
    pub(crate) index: u32,
    pub(crate) seed: u64,
    /// Whether it puts out the number.
    pub(crate) is_last: bool,
}

impl Plan {
    /// What each sandbox does, in an order in which every step comes after those
    /// that it reads from. The last one puts out the number.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What the request would cost in one sandbox.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    /// When the last digit must have been produced.
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// The step at `index`, as the component is asked for it.
    pub(crate) fn part(&self, index: usize, seed: u64) -> Part {
        Part {
            request: self.request,
            sandboxes: self.sandboxes,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            seed,
            is_last: index + 1 == self.steps.len(),
        }
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
        self.check_output(&cost)?;
        let span = span!(sandbox, "plan", request.kind, request.n);
        let steps = sandbox
            .run(async |store, component| {
                component
                    .cocoon_factorial_parts()
                    .call_plan(store, request, sandboxes)
                    .await
            })
            .await
            .and_then(|steps| Ok(steps?))
            .and_then(|steps| check(&steps, sandboxes).map(|()| steps))
            .inspect_err(|error| failed(&span, error))?;
        Ok(Plan {
            request,
            sandboxes,
            cost,
            steps,
            deadline,
        })
    }

    /// Does one step of a plan by itself: reads `inputs`, which are what the
    /// steps before it put out, and writes to all `outputs`, which end as the
    /// step ended.
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
        let outputs = Broadcast::new(outputs);
        let performed = async {
            let Some(step) = plan.steps.get(index) else {
                return Err(RunError::Malformed(format!(
                    "there is no step {index} in a plan of {}",
                    plan.steps.len()
                )));
            };
            let permit = self.admit_step(step, &plan.deadline).await?;
            let mut sandbox = self.sandbox_in(permit).await?;
            self.perform_in(&mut sandbox, plan.part(index, seed), inputs, &outputs)
                .await
        }
        .await;
        outputs.end(&performed.clone().map(|_| ()));
        performed.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn admit_step(&self, step: &Step, deadline: &Deadline) -> Result<Permit, RunError> {
        self.0.pool.admit(step.peak_bytes, deadline).await
    }

    /// The places for all steps of a plan at once.
    pub(crate) async fn admit_steps(&self, plan: &Plan) -> Result<Vec<Permit>, RunError> {
        let caps_bytes: Vec<_> = plan.steps.iter().map(|step| step.peak_bytes).collect();
        self.0.pool.admit_all(&caps_bytes, &plan.deadline).await
    }

    /// Does a step in a sandbox that is there, for as long as somebody reads.
    pub(crate) async fn perform_in(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        part: Part,
        inputs: Vec<Receiver<Bytes>>,
        outputs: &Broadcast<Bytes>,
    ) -> Result<Grade, RunError> {
        let Part {
            request,
            sandboxes,
            index,
            seed,
            is_last,
        } = part;
        let cap_bytes = self.limits().get(Limit::Output);
        // The readers of the others are steps, whose time is the job's.
        let deadline = is_last.then(|| sandbox.deadline().clone());
        let performing = sandbox.run(async |store, component| {
            store
                .run_concurrent(async |accessor| {
                    let inputs = accessor.with(|mut store| {
                        inputs
                            .into_iter()
                            .map(|input| StreamReader::new(&mut store, Inlet::bytes(input)))
                            .collect::<Result<_, _>>()
                    })?;
                    let component = component.cocoon_factorial_parts();
                    let performed = component
                        .call_perform(accessor, request, sandboxes, index, seed, inputs)
                        .await?;
                    match performed {
                        Ok(written) => {
                            digits::pour(accessor, written, outputs, cap_bytes, deadline).await
                        }
                        Err(error) => Ok(Err(error)),
                    }
                })
                .await?
        });
        let grade = digits::while_read(pin!(performing), outputs).await?;
        held_to_proof(request.proved, grade)
    }
}

/// Whether the steps can be run: in their order, each read by another, and no
/// more than can be kept track of.
fn check(steps: &[Step], sandboxes: u32) -> Result<(), RunError> {
    let wrong = |what: String| Err(RunError::Failed(format!("its plan is none: {what}")));
    let most = sandboxes.saturating_mul(PLAN_STEPS_PER_SANDBOX);
    if steps.is_empty() || steps.len() > most as usize {
        return wrong(format!(
            "it has {} steps, and must have 1 to {most}",
            steps.len()
        ));
    }
    let mut read = vec![false; steps.len()];
    for (index, step) in steps.iter().enumerate() {
        let mut read_here = vec![false; index];
        for &input in &step.inputs {
            match read_here.get_mut(input as usize) {
                Some(twice @ false) => *twice = true,
                Some(true) => return wrong(format!("step {index} reads step {input} twice")),
                None => {
                    return wrong(format!(
                        "step {index} reads step {input}, not one before it"
                    ));
                }
            }
            read[input as usize] = true;
        }
    }
    match read[..read.len() - 1].iter().position(|&read| !read) {
        Some(unread) => wrong(format!("nobody reads step {unread}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(inputs: &[&[u32]]) -> Vec<Step> {
        let step = |inputs: &&[u32]| Step {
            inputs: inputs.to_vec(),
            peak_bytes: 1,
        };
        inputs.iter().map(step).collect()
    }

    #[test]
    fn plans_that_can_be_run_are_told_from_others() {
        for plan in [&[&[][..]][..], &[&[], &[], &[0, 1]], &[&[], &[0], &[0, 1]]] {
            assert_eq!(check(&steps(plan), 1), Ok(()), "{plan:?}");
        }
        for (plan, word) in [
            (&[][..], "0 steps"),
            (&[&[0][..]], "not one before"),
            (&[&[], &[2], &[1, 0]], "not one before"),
            (&[&[], &[u32::MAX]], "not one before"),
            (&[&[], &[0, 0]], "twice"),
            (&[&[], &[], &[0]], "nobody reads step 1"),
            (&[&[][..]; 9], "9 steps, and must have 1 to 8"),
        ] {
            let error = check(&steps(plan), 2).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
