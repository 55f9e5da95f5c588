//! The plan of a fan-out: which sandbox does what, in which order.
//!
//! Each sandbox multiplies its share of the factors. One of two sandboxes sends its number
//! to the other, which multiplies both, until two sandboxes remain. Their product is half
//! of all the work, so they share it: they exchange their numbers, and each computes one
//! half of the product (see `mul::half_product`). One sends its half to the other, which
//! joins both as the first arrives and writes the digits.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "parts are few, and a share is at most the whole number"
)]

use alloc::vec;
use alloc::vec::Vec;

use super::shares::{self, ShareSize};
use crate::answer;
use crate::estimate::peak_memory;
use crate::request::{Count, Error, Format, Kind, Request};

/// Fewest digits for which a second sandbox pays, as measured in `benches/README.md`.
const DIGITS_MIN: u64 = 900_000;

/// Most parts of a plan.
const PARTS_MAX: usize = 64;

/// Limits on the width of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Most sandboxes that work at once.
    pub sandboxes: u32,
    /// Fewest digits of a number that is divided.
    pub digits_min: u64,
}

impl Width {
    /// Allows up to `sandboxes` sandboxes, for numbers that are long enough.
    pub fn up_to(sandboxes: u32) -> Self {
        Self {
            sandboxes,
            digits_min: DIGITS_MIN,
        }
    }
}

/// The part of one sandbox, as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Indexes of the parts that it reads from, one for each stream.
    pub inputs: Vec<u32>,
    /// Bytes of linear memory that its sandbox needs in all.
    pub peak_bytes: u64,
}

/// A step of a part. Between steps a part holds one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Computes the whole number and writes the answer.
    ComputeWhole,
    /// Multiplies its share of the factors.
    MultiplyShare,
    /// Reads another number.
    Read,
    /// Multiplies by that number.
    Multiply,
    /// Writes its number.
    Write,
    /// Writes its number while it reads another.
    Exchange,
    /// Writes the first half of the product of both numbers.
    WriteHalf,
    /// Computes the second half, and joins the first half as it reads it.
    ReadHalf,
    /// Writes the digits.
    Answer,
}

impl Step {
    /// Whether the step writes a stream.
    pub(super) fn writes(self) -> bool {
        !matches!(
            self,
            Self::MultiplyShare | Self::Read | Self::Multiply | Self::ReadHalf
        )
    }
}

/// The steps of one sandbox.
pub(super) struct Role {
    pub(super) steps: Vec<Step>,
    /// Indexes of the parts that it reads from.
    pub(super) inputs: Vec<u32>,
    share: ShareSize,
    /// Length of its number before the exchange, as a fraction of the whole.
    product: f64,
}

/// The roles of all sandboxes.
pub(super) struct Plan {
    /// Number of digits, or a bound on it.
    pub(super) digits: u64,
    pub(super) roles: Vec<Role>,
}

impl Plan {
    pub(super) fn new(request: Request, width: Width) -> Result<Self, Error> {
        let admission = answer::admit(request)?;
        let digits = match admission.cost().digits {
            Count::Exact(digits) | Count::AtMost(digits) => digits,
            Count::Beyond => 0,
        };
        let parts = usize::try_from(width.sandboxes)
            .unwrap_or(PARTS_MAX)
            .min(PARTS_MAX);
        let is_product = !matches!(request.kind, Kind::Subfactorial | Kind::Alternating);
        if parts > 1
            && digits >= width.digits_min
            && request.format == Format::Decimal
            && is_product
        {
            let roles = assign_roles(&shares::estimate_sizes(request.kind, request.n, parts));
            let plan = Self { digits, roles };
            let fits = |role| plan.peak_bytes(role, request).is_some();
            if plan.roles.iter().all(fits) {
                return Ok(plan);
            }
        }
        let whole = Role {
            steps: vec![Step::ComputeWhole],
            inputs: Vec::new(),
            share: ShareSize {
                fraction: 1.0,
                list_bytes: 0,
            },
            product: 1.0,
        };
        let roles = vec![whole];
        Ok(Self { digits, roles })
    }

    /// Estimates the peak of a sandbox in bytes. `None` if more than a 32-bit memory holds.
    fn peak_bytes(&self, role: &Role, request: Request) -> Option<u64> {
        let digits_of = |fraction| (self.digits as f64 * fraction) as u64;
        let step_bytes = |step: &Step| match step {
            Step::ComputeWhole => peak_memory::estimate_number(Count::Exact(self.digits), request),
            Step::MultiplyShare => {
                let ShareSize {
                    fraction,
                    list_bytes,
                } = role.share;
                peak_memory::estimate_share(digits_of(fraction), list_bytes, request)
            }
            Step::Multiply => peak_memory::estimate_product(digits_of(role.product), request),
            Step::WriteHalf | Step::ReadHalf => peak_memory::estimate_half(self.digits, request),
            Step::Read | Step::Write | Step::Exchange | Step::Answer => Some(0),
        };
        let mut peak = 0;
        for step in &role.steps {
            peak = step_bytes(step)?.max(peak);
        }
        Some(peak)
    }
}

/// Assigns steps to sandboxes with shares of these sizes.
fn assign_roles(shares: &[ShareSize]) -> Vec<Role> {
    let role = |&share: &ShareSize| Role {
        steps: vec![Step::MultiplyShare],
        inputs: Vec::new(),
        share,
        product: share.fraction,
    };
    let mut roles: Vec<Role> = shares.iter().map(role).collect();
    // Sandboxes whose numbers are not multiplied into others yet. The last one stays.
    let mut left: Vec<usize> = (0..roles.len()).collect();
    while left.len() > 2 {
        let receivers = left.chunks(2).map(|pair| match *pair {
            [sender, receiver] => {
                roles[sender].steps.push(Step::Write);
                let product = roles[sender].product;
                let role = &mut roles[receiver];
                role.steps.extend([Step::Read, Step::Multiply]);
                role.inputs.push(sender as u32);
                role.product += product;
                receiver
            }
            _ => pair[0],
        });
        left = receivers.collect();
    }
    if let [first, last] = left[..] {
        let exchange = |role: &mut Role, inputs: &[usize], more: &[Step]| {
            role.inputs.extend(inputs.iter().map(|&input| input as u32));
            role.steps.push(Step::Exchange);
            role.steps.extend(more);
        };
        exchange(&mut roles[first], &[last], &[Step::WriteHalf]);
        let more = [Step::ReadHalf, Step::Answer];
        exchange(&mut roles[last], &[first, first], &more);
    }
    roles
}

/// Plans the computation of a number by several sandboxes. The last part writes the
/// digits. A plan of one part means that more do not pay.
///
/// # Errors
///
/// As [`answer::admit`].
pub fn plan(request: Request, width: Width) -> Result<Vec<Part>, Error> {
    let plan = Plan::new(request, width)?;
    Ok(plan
        .roles
        .iter()
        .map(|role| Part {
            inputs: role.inputs.clone(),
            // All parts of a plan fit into memory.
            peak_bytes: plan.peak_bytes(role, request).unwrap_or(u64::MAX),
        })
        .collect())
}
