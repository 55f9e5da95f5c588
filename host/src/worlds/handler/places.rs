//! The places of all handlers of a service, which share them fairly.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::kept::Kept;
use super::world::Handler;
use crate::component::Component;
use crate::engine::Engine;
use crate::grants::Grants;
use crate::limits::{Limit, Limits};
use crate::metrics::Meter;
use crate::pool::{Need, Pool};
use crate::shares::Admission;

/// The sandboxes, the memory and the queue of a service of handlers. Cheap to clone.
#[derive(Clone)]
pub struct Places {
    pool: Pool,
    admission: Admission<Box<Kept>>,
    sandboxes: u32,
}

/// The settings of one handler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in logs, metrics and traces.
    pub name: Arc<str>,
    /// The capabilities of each sandbox.
    pub grants: Grants,
    /// The limits of each request.
    pub limits: Limits,
    /// Sandboxes at once. `None` for as many as there are.
    pub concurrency: Option<u32>,
    /// Requests that one sandbox answers, one after the other.
    pub reuse: u32,
}

impl Places {
    /// The places of `engine`.
    pub fn new(engine: &Engine) -> Self {
        let sandboxes = engine.sandboxes();
        let pool = Pool::new(engine, sandboxes);
        let queue = engine.limits().get(Limit::Queue);
        Self {
            admission: Admission::new(sandboxes, pool.pages_max(), queue),
            pool,
            sandboxes,
        }
    }

    /// The metrics of all handlers.
    pub fn meter(&self) -> &Meter {
        self.pool.meter()
    }

    /// A handler with a share of the places.
    pub fn endpoint(&self, component: Component<Handler>, settings: Settings) -> Endpoint {
        let Settings {
            name,
            grants,
            limits,
            concurrency,
            reuse,
        } = settings;
        let most = component.sandboxes().min(self.sandboxes);
        let concurrency = concurrency.unwrap_or(most).min(most);
        let pages = Pool::pages(Endpoint::need_of(&limits, &grants));
        Endpoint {
            name,
            component,
            grants,
            pool: self
                .pool
                .of_part(limits.clone(), self.meter().of_part(concurrency)),
            limits,
            member: self.admission.join(concurrency, pages),
            concurrency,
            reuse,
            is_long: AtomicBool::new(false),
        }
    }

    /// Whether a sandbox with each of `needs` exists at once.
    pub fn has_room_for_each(&self, needs: &[Need]) -> bool {
        let pages: u64 = needs.iter().copied().map(Pool::pages).sum();
        pages <= self.pool.pages_max() && needs.len() <= self.sandboxes as usize
    }

    /// Sandboxes with this `need` that exist at once.
    pub fn most(&self, need: Need) -> u64 {
        self.pool.places(need).min(self.sandboxes.into())
    }

    /// Ends sandboxes that have been idle for `time`.
    pub fn expire(&self, time: Duration) {
        self.admission.expire(time);
    }
}
