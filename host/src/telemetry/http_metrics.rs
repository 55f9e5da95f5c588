//! Requests by route and status, how long they took, and the connections that
//! they came on.
//!
//! The routes are known when the service starts, so a request finds its counters in a table
//! without writers. Counters of statuses other than 200 are in a shared table: failures may cost a
//! little more.

use std::collections::HashMap;
use std::sync::Arc;
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
    /// The index of each route in `routes`.
    places: HashMap<String, usize>,
    /// The last one is for requests that match no route.
    routes: Vec<Route>,
    requests: Family<RequestLabels, Counter>,
    durations: Durations,
    connections: Gauge,
}

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

/// The counters of one route.
#[derive(Debug)]
struct Route {
    name: String,
    ok: Counter,
    duration: ShardedHistogram,
    exemplars: Exemplars,
}

impl HttpMetrics {
    /// Metrics of a service with these `routes`, as the router writes them:
    /// `/factorial/{n}`. Requests to others are counted together, as `other`.
    pub fn new(routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let requests = Family::default();
        let durations: Durations = Family::default();
        let names = routes.into_iter().map(Into::into).chain([OTHER.to_owned()]);
        let routes: Vec<_> = names
            .map(|name| Route {
                ok: count(&requests, &name, OK),
                duration: durations.get_or_create_owned(&RouteLabel {
                    route: name.clone(),
                }),
                exemplars: Exemplars::default(),
                name,
            })
            .collect();
        let places = routes.iter().enumerate();
        Self(Arc::new(Inner {
            places: places
                .map(|(place, route)| (route.name.clone(), place))
                .collect(),
            routes,
            requests,
            durations,
            connections: Gauge::default(),
        }))
    }

    /// A request to `route`, which is counted and timed when the value is
    /// dropped.
    pub fn observe(&self, route: Option<&str>) -> Observation {
        let inner = &*self.0;
        let place = route.and_then(|name| inner.places.get(name).copied());
        Observation {
            metrics: self.clone(),
            place: place.unwrap_or(inner.routes.len() - 1),
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

    pub(super) fn requests(&self) -> &Family<RequestLabels, Counter> {
        &self.0.requests
    }

    pub(super) fn durations(&self) -> &Durations {
        &self.0.durations
    }

    /// The exemplars of the durations, with their routes.
    pub(super) fn exemplars(&self) -> Vec<(&str, Exemplar)> {
        let routes = self.0.routes.iter();
        routes
            .flat_map(|route| {
                let exemplars = route.exemplars.all().into_iter();
                exemplars.map(|exemplar| (&*route.name, exemplar))
            })
            .collect()
    }

    pub(super) fn connections(&self) -> &Gauge {
        &self.0.connections
    }
}

fn count(requests: &Family<RequestLabels, Counter>, route: &str, status: u16) -> Counter {
    let route = route.to_owned();
    requests.get_or_create_owned(&RequestLabels { route, status })
}

/// A request that is counted when the value is dropped: at the last byte of its answer, or when
/// its client has disconnected.
#[derive(Debug)]
pub struct Observation {
    metrics: HttpMetrics,
    place: usize,
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
        let inner = &*self.metrics.0;
        if let Some(route) = inner.routes.get(self.place) {
            match self.status {
                OK => route.ok.inc(),
                status => count(&inner.requests, &route.name, status).inc(),
            };
            let took = self.since.elapsed();
            route.duration.observe(took);
            if let Some(trace) = self.trace {
                route.exemplars.keep(trace, took);
            }
        }
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
