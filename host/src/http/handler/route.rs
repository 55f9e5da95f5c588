//! One route: the handler of some requests, and the limits of these requests.

use std::sync::Arc;
use std::time::Duration;

use super::rate::{Bucket, Rate};
use super::table::Pattern;
use crate::deadline::Deadline;
use crate::limits::Limit;
use crate::telemetry::RouteCounters;
use crate::worlds::handler::Endpoint;

/// A route. It has everything that a request needs.
pub struct Route {
    /// The requests that it matches.
    pub pattern: Pattern,
    /// The handler with its component, grants, pool and limits.
    pub endpoint: Arc<Endpoint>,
    /// The location of the component.
    pub location: String,
    /// The digest of the component.
    pub digest: String,
    /// The prefix in traces.
    pub(super) path: Arc<str>,
    pub(super) counters: RouteCounters,
    bucket: Option<Bucket>,
}

/// The parts of a route.
pub struct RouteParts {
    /// The requests that it matches.
    pub pattern: Pattern,
    /// Its handler.
    pub endpoint: Endpoint,
    /// The location of the component.
    pub location: String,
    /// The digest of the component.
    pub digest: String,
    /// The rate of its requests.
    pub rate: Option<Rate>,
}

impl Route {
    pub(super) fn new(parts: RouteParts, counters: RouteCounters) -> Self {
        let RouteParts {
            pattern,
            endpoint,
            location,
            digest,
            rate,
        } = parts;
        Self {
            path: pattern.path().into(),
            pattern,
            endpoint: Arc::new(endpoint),
            location,
            digest,
            counters,
            bucket: rate.map(Bucket::new),
        }
    }

    /// The name in logs, metrics, traces and problems.
    pub fn name(&self) -> &Arc<str> {
        &self.endpoint.name
    }

    /// The rate of its requests.
    pub fn rate(&self) -> Option<Rate> {
        self.bucket.as_ref().map(Bucket::rate)
    }

    /// Counts a request against the rate.
    ///
    /// # Errors
    ///
    /// The time until the next request may arrive.
    pub(super) fn take_token(&self) -> Result<(), Duration> {
        self.bucket.as_ref().map_or(Ok(()), Bucket::take)
    }

    /// The deadline of a request that arrives now.
    pub fn deadline(&self) -> Deadline {
        let limits = &self.endpoint.limits;
        Deadline::after(limits.get(Limit::Deadline), limits.get(Limit::Stall))
    }
}
