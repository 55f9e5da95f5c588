//! Requests by route and status, how long they took, and the connections that
//! they came on.
//!
//! The routes of a router are known when the service starts, so a request finds its counters in a
//! table without writers. Routes that may change later keep their own [`RouteCounters`]. Counters
//! of statuses other than 200 are behind a lock: failures may cost a little more.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::TraceId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::exemplars::{Exemplar, Exemplars};
use crate::metrics::sharded::ShardedHistogram;

/// The route of requests that match none.
const OTHER: &str = "other";
/// The status that nearly all requests have.
const OK: u16 = 200;
/// Stands for the status of requests that were dropped before they had one, as
/// it does in the logs of other servers.
const CLOSED_BY_CLIENT: u16 = 499;

/// Counts and times requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The routes of the router, and [`OTHER`].
    routes: HashMap<String, RouteCounters>,
    other: RouteCounters,
    /// Routes that were added later.
    added: Mutex<Vec<RouteCounters>>,
    requests: Requests,
    durations: Durations,
    connections: Gauge,
}

type Requests = Family<RequestLabels, Counter>;
pub(super) type Durations = Family<RouteLabel, ShardedHistogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabel {
    route: String,
}

/// The counters of one route. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RouteCounters(Arc<Route>);

#[derive(Debug)]
struct Route {
    name: String,
    requests: Requests,
    ok: Counter,
    /// The counters of other statuses.
    statuses: Mutex<BTreeMap<u16, Counter>>,
    /// Whether its series are gone, though some requests may still run.
    is_removed: AtomicBool,
    duration: ShardedHistogram,
    exemplars: Exemplars,
}

impl RouteCounters {
    fn new(name: String, requests: &Requests, durations: &Durations) -> Self {
        let labels = RouteLabel {
            route: name.clone(),
        };
        Self(Arc::new(Route {
            ok: count(requests, &name, OK),
            requests: requests.clone(),
            statuses: Mutex::default(),
            is_removed: AtomicBool::new(false),
            duration: durations.get_or_create_owned(&labels),
            exemplars: Exemplars::default(),
            name,
        }))
    }

    /// The number of requests by status.
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        let mut all: BTreeMap<_, _> = self
            .others()
            .iter()
            .map(|(status, counter)| (*status, counter.get()))
            .collect();
        all.insert(OK, self.0.ok.get());
        all
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<u16, Counter>> {
        let statuses = &self.0.statuses;
        statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, status: u16, took: Duration, trace: Option<TraceId>) {
        let route = &*self.0;
        if status == OK {
            route.ok.inc();
        } else if !route.is_removed.load(Ordering::Relaxed) {
            let mut others = self.others();
            let counter = others.entry(status);
            let counter = counter.or_insert_with(|| count(&route.requests, &route.name, status));
            counter.inc();
        }
        route.duration.observe(took);
        if let Some(trace) = trace {
            route.exemplars.keep(trace, took);
        }
    }

    /// Removes its series.
    fn remove(&self, durations: &Durations) {
        let route = &*self.0;
        route.is_removed.store(true, Ordering::Relaxed);
        let statuses: Vec<_> = self.others().keys().copied().chain([OK]).collect();
        for status in statuses {
            route.requests.remove(&RequestLabels {
                route: route.name.clone(),
                status,
            });
        }
        durations.remove(&RouteLabel {
            route: route.name.clone(),
        });
    }
}

impl HttpMetrics {
    /// Metrics of a service with these `routes`, as the router writes them:
    /// `/factorial/{n}`. Requests to others are counted together, as `other`.
    pub fn new(routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let requests = Requests::default();
        let durations = Durations::default();
        let counters = |name: String| RouteCounters::new(name, &requests, &durations);
        let routes = routes.into_iter().map(Into::into);
        Self(Arc::new(Inner {
            routes: routes.map(|name| (name.clone(), counters(name))).collect(),
            other: counters(OTHER.to_owned()),
            added: Mutex::default(),
            requests,
            durations,
            connections: Gauge::default(),
        }))
    }

    /// The counters of the route `name`, which the router does not know. Two routes with the same
    /// name, one after the other, have the same counters.
    pub fn add_route(&self, name: &str) -> RouteCounters {
        let mut added = self.added();
        if let Some(known) = added.iter().find(|route| route.0.name == name) {
            return known.clone();
        }
        let route = RouteCounters::new(name.to_owned(), &self.0.requests, &self.0.durations);
        added.push(route.clone());
        route
    }

    /// Removes the series of routes that were added, except those that `is_left` names.
    pub fn retain_routes(&self, is_left: impl Fn(&str) -> bool) {
        self.added().retain(|route| {
            let is_left = is_left(&route.0.name);
            if !is_left {
                route.remove(&self.0.durations);
            }
            is_left
        });
    }

    fn added(&self) -> MutexGuard<'_, Vec<RouteCounters>> {
        self.0.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request to `route`, which is counted and timed when the value is
    /// dropped.
    pub fn observe(&self, route: Option<&str>) -> Observation {
        let known = route.and_then(|name| self.0.routes.get(name));
        Self::observe_route(known.unwrap_or(&self.0.other).clone())
    }

    /// As [`HttpMetrics::observe`], for a route that was added.
    pub fn observe_route(route: RouteCounters) -> Observation {
        Observation {
            route,
            status: CLOSED_BY_CLIENT,
            trace: None,
            since: Instant::now(),
        }
    }

    /// A connection that is open for as long as the value lives.
    pub fn connection(&self) -> Connection {
        self.0.connections.inc();
        Connection(self.clone())
    }

    pub(super) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    pub(super) fn durations(&self) -> &Durations {
        &self.0.durations
    }

    /// The exemplars of the durations, with their routes.
    pub(super) fn exemplars(&self) -> Vec<(String, Exemplar)> {
        let added = self.added();
        let known = self.0.routes.values().chain([&self.0.other]);
        known
            .chain(added.iter())
            .flat_map(|RouteCounters(route)| {
                let exemplars = route.exemplars.all().into_iter();
                exemplars.map(|exemplar| (route.name.clone(), exemplar))
            })
            .collect()
    }

    pub(super) fn connections(&self) -> &Gauge {
        &self.0.connections
    }
}

fn count(requests: &Requests, route: &str, status: u16) -> Counter {
    let route = route.to_owned();
    requests.get_or_create_owned(&RequestLabels { route, status })
}

/// A request that is counted when the value is dropped: at the last byte of its answer, or when
/// its client has disconnected.
#[derive(Debug)]
pub struct Observation {
    route: RouteCounters,
    status: u16,
    trace: Option<TraceId>,
    since: Instant,
}

impl Observation {
    /// Sets the status of the answer.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// Says in which trace the request is exported.
    pub fn set_trace(&mut self, trace: Option<TraceId>) {
        self.trace = trace;
    }

    /// The status that the request was answered with.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The time since the request began.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.route
            .add(self.status, self.since.elapsed(), self.trace);
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connection(HttpMetrics);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.0.connections.dec();
    }
}
