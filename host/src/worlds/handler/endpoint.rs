//! A handler, and all that its sandboxes need.

use std::sync::Arc;

use super::world::Handler;
use crate::component::Component;
use crate::grants::Grants;
use crate::limits::{Limit, Limits};
use crate::pool::{Need, Pool};

/// A handler, and all that its sandboxes need.
pub struct Endpoint {
    /// The name in the log.
    pub name: Arc<str>,
    /// The component.
    pub component: Component<Handler>,
    /// The capabilities of each sandbox.
    pub grants: Grants,
    /// The places of its sandboxes.
    pub pool: Pool,
    /// The limits of each request.
    pub limits: Limits,
}

impl Endpoint {
    /// Host memory that each sandbox reserves.
    pub fn need(&self) -> Need {
        Need {
            cap_bytes: self.limits.bytes(Limit::SandboxMemory),
            buffer_bytes: self.limits.program_buffer_bytes()
                + Limits::http_buffer_bytes(!self.grants.http.is_empty()),
        }
    }
}
