//! All routes, and the choice of one for a request.

use std::sync::Arc;

use super::route::Route;

/// The routes of a service.
pub struct Routes(Arc<Route>);

impl Routes {
    /// One route for all requests.
    pub fn all(route: Route) -> Self {
        Self(Arc::new(route))
    }

    /// The route of requests to `host` for `path`.
    pub fn find(&self, _host: Option<&str>, _path: &str) -> Option<&Arc<Route>> {
        Some(&self.0)
    }
}
