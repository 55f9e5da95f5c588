//! The service: factorials over HTTP, a fresh sandbox for every request.
//!
//! [`app`] is the routes, [`server`] the connections that lead to them. A request
//! lives until the last byte of its answer is handed over, and holds a sandbox
//! only while that computes. Whoever hangs up frees it at the next tick, since
//! that drops the request's future.

pub mod access;
mod access_log;
pub mod admin;
mod answer;
mod ask;
mod attributes;
mod batch;
mod connection;
mod factorial;
mod feed;
mod field;
mod full;
mod gzip;
mod health;
mod listing;
mod metrics;
mod observe;
mod openapi;
mod page;
mod places;
mod problem;
mod protocol;
mod representation;
pub mod server;
mod tell;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{any, get};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::access::Access;
use crate::error::RunError;
use crate::factorial::Factorial;
use crate::limits::Limits;
use crate::span::spawn_on;
use crate::telemetry::{self, Build, HttpMetrics, Metrics};
use observe::Traced;

pub use problem::{PROBLEM_JSON, Problem};

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    factorial: Factorial,
    /// The runtime that it was made in.
    workers: Handle,
    http_metrics: HttpMetrics,
    metrics: Metrics,
    component: String,
    cache_control: &'static str,
    /// Whether requests need a token.
    is_private: bool,
    draining: AtomicBool,
    traces_probes: AtomicBool,
}

/// Answers are what they are for ever.
const FOR_EVERYBODY: &str = "public, max-age=31536000, immutable";
const FOR_ONE: &str = "private, max-age=31536000, immutable";

impl Service {
    /// A service that answers with `factorial`, whose component is told apart
    /// from others by `component`. What was asked with a token is `private`: it
    /// is kept out of caches that several clients share. What takes long is done by
    /// the runtime in which this is called.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new(factorial: Factorial, component: String, private: bool) -> Self {
        let (_, description) = described().merge(probes()).split_for_parts();
        let described = description.paths.paths.into_keys();
        let others = page::PATHS
            .iter()
            .chain(&[OPENAPI])
            .map(|&path| path.to_owned());
        let http_metrics = HttpMetrics::new(described.chain(others));
        let build = Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            component: component.clone(),
        };
        Self(Arc::new(Inner {
            metrics: Metrics::new(factorial.meter(), &http_metrics, build),
            http_metrics,
            factorial,
            workers: Handle::current(),
            component,
            cache_control: if private { FOR_ONE } else { FOR_EVERYBODY },
            is_private: private,
            draining: AtomicBool::new(false),
            traces_probes: AtomicBool::new(false),
        }))
    }

    /// From now on it is not ready for more work, which it takes nevertheless.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// From now on, routes that are made trace requests for health and metrics as well.
    pub fn trace_probes(&self) {
        self.0.traces_probes.store(true, Ordering::Relaxed);
    }

    fn traced(&self) -> Traced {
        if self.0.traces_probes.load(Ordering::Relaxed) {
            Traced::All
        } else {
            Traced::ButProbes
        }
    }

    /// Whether it is about to end.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// The limits that requests are under.
    pub fn limits(&self) -> &Limits {
        self.0.factorial.limits()
    }

    fn factorial(&self) -> &Factorial {
        &self.0.factorial
    }

    /// Does what takes long, and stops when nobody waits for it any more. Others go
    /// on meanwhile, as they might not on the thread of a connection.
    async fn work<R: Send + 'static>(
        &self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> Result<R, RunError> {
        let working = AbortOnDropHandle::new(spawn_on(&self.0.workers, work));
        working.await.map_err(|_| RunError::WriterGone)
    }

    /// A connection that is open for as long as the value lives.
    fn connection(&self) -> telemetry::Connection {
        self.0.http_metrics.connection()
    }

    /// Counts a connection that was sent away with 503.
    fn refused_connection(&self) {
        let mut observation = self.0.http_metrics.observe(None);
        observation.answered(StatusCode::SERVICE_UNAVAILABLE.as_u16());
    }

    fn component(&self) -> &str {
        &self.0.component
    }
}

/// Where the description of the routes is.
const OPENAPI: &str = "/openapi.json";

/// The routes that are described.
fn described() -> OpenApiRouter<Service> {
    openapi::router()
        .routes(routes!(factorial::factorial))
        .routes(routes!(listing::factorials))
        .routes(routes!(tell::kinds))
        .routes(routes!(tell::info))
        .routes(routes!(batch::batch))
}

/// The routes of health and metrics, likewise.
fn probes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
}

/// Where health and metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// Among the other routes.
    Here,
    /// At an address of their own, by [`admin::Admin`].
    Apart,
}

/// The routes of the service, for those who have `access`.
pub fn app(service: &Service, probes: Probes, access: Access) -> Router {
    let described = match probes {
        Probes::Here => described().merge(self::probes()),
        Probes::Apart => described(),
    };
    let (routes, description) = described.split_for_parts();
    let routes = match probes {
        Probes::Here => routes,
        Probes::Apart => health::PROBES
            .iter()
            .fold(routes, |routes, path| routes.route(path, any(moved))),
    };
    let routes = routes
        .merge(page::routes())
        .route(
            OPENAPI,
            get(openapi::document(description, service.0.is_private)),
        )
        .fallback(not_found);
    finished(routes, service, access)
}

/// Health and metrics alone.
fn probes_app(service: &Service) -> Router {
    let (routes, _) = probes().split_for_parts();
    finished(routes.fallback(no_probe), service, Access::open())
}

/// `routes` with the layers that all of them have. Refusals are observed, too.
fn finished(routes: Router<Service>, service: &Service, access: Access) -> Router {
    let routes = routes
        .method_not_allowed_fallback(not_allowed)
        .with_state(service.clone())
        .layer(protocol::Protocol);
    let metrics = service.0.http_metrics.clone();
    access
        .guard(routes)
        .layer(observe::layer(metrics, service.traced()))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!(
            "expected a path that /openapi.json lists, got {}",
            uri.path()
        ),
    )
}

async fn moved(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!(
            "expected {} at the address of --admin-listen, got it at that of --listen",
            uri.path()
        ),
    )
}

async fn no_probe(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!(
            "expected {}, got {}; other paths are at the address of --listen",
            health::PROBES.join(", "),
            uri.path()
        ),
    )
}

async fn not_allowed(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "expected a method that the Allow header lists for {}, got another",
            uri.path()
        ),
    )
}
