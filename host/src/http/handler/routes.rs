//! All routes, and the choice of one for a request.
//!
//! A new table replaces the old one as a whole, between two requests. A request keeps the route
//! that it found.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::Request;
use axum::http::header::HOST;

use super::route::Route;
use super::table::Table;
use crate::http::server::{FindRoute, FoundRoute};
use crate::telemetry::{ReadRoutes, RouteReading};

/// The routes of a service. Cheap to clone.
#[derive(Clone)]
pub(super) struct Routes(Arc<RwLock<Arc<Table<Arc<Route>>>>>);

impl Routes {
    /// No routes.
    pub(super) fn new() -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Table::empty()))))
    }

    /// The table as it is now.
    pub(super) fn table(&self) -> Arc<Table<Arc<Route>>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the table, and returns the old one.
    pub(super) fn replace(&self, table: Table<Arc<Route>>) -> Arc<Table<Arc<Route>>> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, Arc::new(table))
    }

    fn route(&self, request: &Request) -> Option<Arc<Route>> {
        let host = match request.uri().host() {
            Some(host) => Some(host),
            None => request.headers().get(HOST).and_then(|it| it.to_str().ok()),
        };
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.find(host, request.uri().path()).cloned()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        out.debug_list()
            .entries(table.iter().map(|route| route.name()))
            .finish()
    }
}

impl FindRoute for Routes {
    fn find(&self, request: &mut Request) -> Option<FoundRoute> {
        let route = self.route(request)?;
        let found = FoundRoute {
            name: Arc::clone(route.name()),
            path: Arc::clone(&route.path),
            counters: route.counters.clone(),
        };
        request.extensions_mut().insert(route);
        Some(found)
    }
}

impl ReadRoutes for Routes {
    fn read(&self) -> Vec<RouteReading> {
        let table = self.table();
        let readings = table.iter().map(|route| {
            let load = route.endpoint.load();
            RouteReading {
                name: route.name().to_string(),
                host: route.pattern.host().unwrap_or_default().to_owned(),
                path: route.pattern.path().to_owned(),
                component: route.digest.clone(),
                idle: load.idle,
                share: load.share,
                meter: route.endpoint.meter().clone(),
            }
        });
        readings.collect()
    }
}
