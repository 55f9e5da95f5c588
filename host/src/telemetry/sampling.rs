//! Which traces are exported.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

use super::context::Undecided;

/// A sampler that decides where the caller has not, also for traces that the caller began.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    decided: Sampler,
    undecided: Sampler,
}

impl Sampling {
    /// Decides by `root`, unless the parent has decided and `of_parent` is set.
    pub(super) fn new(root: Sampler, of_parent: bool) -> Self {
        let decided = if of_parent {
            Sampler::ParentBased(Box::new(root.clone()))
        } else {
            root.clone()
        };
        Self {
            decided,
            undecided: root,
        }
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_undecided = parent.is_some_and(|parent| parent.get::<Undecided>().is_some());
        let sampler = if is_undecided {
            &self.undecided
        } else {
            &self.decided
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}
