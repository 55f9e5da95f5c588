//! Routes of requests that the router leaves to its fallback, since they may change while the
//! service runs.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};

use crate::telemetry::RouteCounters;

/// Finds the routes of requests.
pub(crate) trait FindRoute: fmt::Debug + Send + Sync + 'static {
    /// The route of `request`, which keeps it for its answer.
    fn find(&self, request: &mut Request) -> Option<FoundRoute>;
}

/// A route, as telemetry names it.
#[derive(Clone, Debug)]
pub(crate) struct FoundRoute {
    /// The name in metrics and logs.
    pub(crate) name: Arc<str>,
    /// The prefix of its paths.
    pub(crate) path: Arc<str>,
    pub(crate) counters: RouteCounters,
}

/// The route of a request.
#[derive(Clone, Debug)]
pub(super) enum RouteName {
    /// A path of the router.
    Matched(MatchedPath),
    Found(FoundRoute),
}

impl RouteName {
    /// The name in logs.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Found(route) => &route.name,
        }
    }

    /// The path in traces.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Found(route) => &route.path,
        }
    }
}
