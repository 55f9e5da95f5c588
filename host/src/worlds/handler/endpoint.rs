//! A handler, and all that its sandboxes need.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::kept::Kept;
use super::world::Handler;
use crate::component::Component;
use crate::grants::Grants;
use crate::limits::{Limit, Limits};
use crate::metrics::Meter;
use crate::pool::{Need, Pool};
use crate::shares::{Load, Member};

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
    /// The share of these places.
    pub(super) member: Member<Box<Kept>>,
    /// Sandboxes at once.
    pub concurrency: u32,
    /// Requests that one sandbox answers, one after the other.
    pub reuse: u32,
    /// The limits of each request.
    pub limits: Limits,
    /// Whether the last request computed for too long for the thread of its connection.
    pub(super) is_long: AtomicBool,
}

impl Endpoint {
    /// Host memory that each sandbox reserves.
    pub fn need(&self) -> Need {
        Self::need_of(&self.limits, &self.grants)
    }

    /// Host memory that each sandbox under `limits` with `grants` reserves.
    pub fn need_of(limits: &Limits, grants: &Grants) -> Need {
        Need {
            cap_bytes: limits.bytes(Limit::SandboxMemory),
            buffer_bytes: limits.program_buffer_bytes()
                + Limits::http_buffer_bytes(!grants.http.is_empty()),
        }
    }

    /// Its load.
    pub fn load(&self) -> Load {
        self.member.load()
    }

    /// The metrics of its sandboxes.
    pub fn meter(&self) -> &Meter {
        self.pool.meter()
    }

    /// Ends its idle sandboxes, and passes its share to other handlers.
    pub fn retire(&self) {
        self.member.retire();
    }
}
