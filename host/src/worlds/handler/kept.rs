//! The sandbox of a handler, which may answer several requests, one after the other.
//!
//! A sandbox rests between two requests: it has no span, and no deadline runs. One that trapped,
//! met a limit or grew too far is not kept.

use std::sync::Arc;

use tokio::io::empty;
use tokio::sync::OwnedSemaphorePermit;

use super::lines::Lines;
use super::world::Handler;
use crate::component::Component;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::{Cli, Grants};
use crate::limits::Limit;
use crate::pool::Permit;
use crate::sandbox::Sandbox;

/// A sandbox with its outputs.
pub struct Kept {
    pub(super) sandbox: Sandbox<Handler>,
    outputs: [Lines; 2],
    /// In the copy of the component for a thread. It is released after the sandbox is dropped.
    _place: Option<OwnedSemaphorePermit>,
    /// Requests that it answered.
    answered: u32,
    /// Memory after the first request.
    first_bytes: u64,
}

impl Kept {
    /// Starts a fresh sandbox in the place of `permit`, for the request with the name
    /// `request_id`.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`], or if a folder cannot be opened.
    pub(super) async fn start(
        component: &Component<Handler>,
        grants: &Grants,
        permit: Permit,
        route: &Arc<str>,
        request_id: Option<&Arc<str>>,
    ) -> Result<Box<Self>, RunError> {
        let outputs = ["stdout", "stderr"];
        let outputs = outputs.map(|stream| Lines::new(route, request_id, stream));
        let [stdout, stderr] = &outputs;
        let cli = Cli {
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Arc::new(empty()),
            stdout: Arc::new(stdout.clone()),
            stderr: Arc::new(stderr.clone()),
        };
        let copy = component.copy_with_place(permit.meter());
        let component = copy.as_ref().map_or(component, |&(copy, _)| copy);
        let (folders, denials) = (component.folders(), component.denials());
        let granting = grants.of_sandbox(cli, folders, denials, component.engine());
        let wasi = granting
            .await
            .map_err(|error| RunError::Failed(error.to_string()))?;
        Ok(Box::new(Self {
            sandbox: Sandbox::new(component, permit, Some(wasi)).await?,
            _place: copy.map(|(_, place)| place),
            outputs,
            answered: 0,
            first_bytes: 0,
        }))
    }

    /// Prepares the sandbox for the request with the name `request_id`, within `deadline`.
    pub(super) fn renew(&mut self, deadline: &Deadline, request_id: Option<&Arc<str>>) {
        self.sandbox.renew(deadline);
        for output in &self.outputs {
            output.begin(request_id);
        }
    }

    /// Ends a request, and returns the sandbox if it may answer another one.
    pub(super) fn rest(mut self: Box<Self>, reuse: u32) -> Option<Box<Self>> {
        let used_bytes = self.sandbox.memory_bytes();
        self.answered = self.answered.saturating_add(1);
        if self.answered == 1 {
            self.first_bytes = used_bytes;
        }
        // Half of the memory that the first request left. With less, a limit would meet the
        // request of a client that did not cause it.
        let most_bytes = self.first_bytes.midpoint(self.sandbox.cap_bytes());
        let resources_max = self.sandbox.limits().count(Limit::Resources) / 2;
        let may_answer = self.answered < reuse
            && used_bytes <= most_bytes
            && !self.sandbox.was_refused_memory()
            && self.sandbox.state_mut().count_resources() <= resources_max;
        if !may_answer {
            return None;
        }
        for output in &self.outputs {
            output.end();
        }
        self.sandbox.rest();
        Some(self)
    }
}
