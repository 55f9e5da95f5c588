//! The state that all requests and connections of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::found_route::FindRoute;
use crate::error::RunError;
use crate::limits::Limits;
use crate::metrics::Meter;
use crate::span::spawn_on;
use crate::tasks::Tasks;
use crate::telemetry::{self, Build, HttpMetrics, Metrics, ReadRoutes};

/// The state of a server. Cheap to clone.
#[derive(Clone)]
pub struct ServerState(Arc<Inner>);

struct Inner {
    limits: Limits,
    /// The runtime of long jobs.
    workers: Handle,
    http_metrics: HttpMetrics,
    metrics: Metrics,
    /// Finds the routes of requests to the fallback.
    routes: Option<Arc<dyn FindRoute>>,
    is_loading: AtomicBool,
    is_draining: AtomicBool,
    traces_probes: AtomicBool,
    /// Tasks that may outlive their requests.
    tasks: Tasks,
}

/// The routes of a server's fallback, and their metrics.
pub(crate) type Found = (Arc<dyn FindRoute>, Box<dyn ReadRoutes>);

impl ServerState {
    /// The state of a server under `limits` whose requests match `routes`. Long jobs run in the
    /// current runtime. `component` identifies the build in the metrics.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(crate) fn new(
        limits: &Limits,
        meter: &Meter,
        component: String,
        routes: impl IntoIterator<Item = String>,
    ) -> Self {
        Self::with(limits, meter, component, routes, None, |_| ())
    }

    /// As [`ServerState::new`], with the metrics that `add` adds.
    #[cfg(feature = "queue")]
    pub(super) fn with_metrics(
        limits: &Limits,
        meter: &Meter,
        component: String,
        routes: impl IntoIterator<Item = String>,
        add: impl FnOnce(&mut Metrics),
    ) -> Self {
        Self::with(limits, meter, component, routes, None, add)
    }

    /// As [`ServerState::new`], for a server whose fallback has `found` routes.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[cfg(feature = "compiler")]
    pub(crate) fn with_routes(
        limits: &Limits,
        meter: &Meter,
        component: String,
        routes: impl IntoIterator<Item = String>,
        found: Found,
    ) -> Self {
        Self::with(limits, meter, component, routes, Some(found), |_| ())
    }

    fn with(
        limits: &Limits,
        meter: &Meter,
        component: String,
        routes: impl IntoIterator<Item = String>,
        found: Option<Found>,
        add: impl FnOnce(&mut Metrics),
    ) -> Self {
        let (found, read) = found.unzip();
        let http_metrics = HttpMetrics::new(routes);
        let build = Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            component,
        };
        let mut metrics = Metrics::with_routes(meter, &http_metrics, build, read);
        add(&mut metrics);
        Self(Arc::new(Inner {
            limits: limits.clone(),
            workers: Handle::current(),
            metrics,
            routes: found,
            http_metrics,
            is_loading: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            traces_probes: AtomicBool::new(false),
            tasks: Tasks::new(),
        }))
    }

    /// Makes the service unready until [`ServerState::finish_loading`]: its components are compiled.
    pub fn begin_loading(&self) {
        self.0.is_loading.store(true, Ordering::Relaxed);
    }

    /// Makes the service ready.
    pub fn finish_loading(&self) {
        self.0.is_loading.store(false, Ordering::Relaxed);
    }

    /// Whether components are compiled before the first request.
    pub(super) fn is_loading(&self) -> bool {
        self.0.is_loading.load(Ordering::Relaxed)
    }

    /// Makes the service unready. It still answers requests.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the service is about to end.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Traces requests for health and metrics too, on routes that are made after this call.
    pub fn trace_probes(&self) {
        self.0.traces_probes.store(true, Ordering::Relaxed);
    }

    pub(super) fn traces_probes(&self) -> bool {
        self.0.traces_probes.load(Ordering::Relaxed)
    }

    /// The limits of requests and connections.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The tasks that may outlive their requests.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(super) fn workers(&self) -> &Handle {
        &self.0.workers
    }

    pub(super) fn routes(&self) -> Option<Arc<dyn FindRoute>> {
        self.0.routes.clone()
    }

    pub(crate) fn http_metrics(&self) -> &HttpMetrics {
        &self.0.http_metrics
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Runs long work on the workers, so that it does not block the thread of a connection.
    /// Dropping the future aborts the work.
    ///
    /// # Errors
    ///
    /// [`RunError::WriterGone`] if the work panics.
    pub(crate) async fn run_on_workers<R: Send + 'static>(
        &self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> Result<R, RunError> {
        let working = AbortOnDropHandle::new(spawn_on(&self.0.workers, work));
        working.await.map_err(|_| RunError::WriterGone)
    }

    /// Counts an open connection until the value is dropped.
    pub(super) fn count_connection(&self) -> telemetry::Connection {
        self.0.http_metrics.connection()
    }

    /// Counts a connection that got 503.
    pub(super) fn count_refusal(&self) {
        let mut observation = self.0.http_metrics.observe(None);
        observation.set_status(StatusCode::SERVICE_UNAVAILABLE.as_u16());
    }
}
