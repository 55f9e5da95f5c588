//! One route: a handler, and how long it has for a request.

use std::sync::Arc;

use crate::deadline::Deadline;
use crate::limits::Limit;
use crate::worlds::handler::Endpoint;

/// A route. It has everything that a request needs.
pub struct Route {
    /// The handler with its component, grants, pool and limits.
    pub endpoint: Arc<Endpoint>,
    /// The digest of the component.
    pub digest: String,
}

impl Route {
    /// The deadline of a request that arrives now.
    pub fn deadline(&self) -> Deadline {
        let limits = &self.endpoint.limits;
        Deadline::after(limits.get(Limit::Deadline), limits.get(Limit::Stall))
    }
}
