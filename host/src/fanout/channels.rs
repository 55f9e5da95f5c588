//! The channels between the parts of a plan.

use bytes::Bytes;

use super::Plan;
use crate::channel::{Receiver, Sender, channel};

/// The channels of one part.
#[derive(Default)]
pub(super) struct PartChannels {
    pub(super) inputs: Vec<Receiver<Bytes>>,
    pub(super) outputs: Vec<Sender<Bytes>>,
}

/// Makes the channels of a plan, part by part. The last part writes to `digits`.
pub(super) fn connect(plan: &Plan, digits: &Sender<Bytes>) -> Vec<PartChannels> {
    let mut parts: Vec<PartChannels> = plan
        .parts()
        .iter()
        .map(|_| PartChannels::default())
        .collect();
    for (reader, part) in plan.parts().iter().enumerate() {
        for &writer in &part.inputs {
            // A plan with other inputs was refused.
            if let Some(writer) = parts.get_mut(writer as usize) {
                let (sender, receiver) = channel();
                writer.outputs.push(sender);
                parts[reader].inputs.push(receiver);
            }
        }
    }
    if let Some(last) = parts.last_mut() {
        last.outputs.push(digits.clone());
    }
    parts
}
