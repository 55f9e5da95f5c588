//! The service: factorials over HTTP, a fresh sandbox for every request.
//!
//! [`app`] is the routes, [`server`] the connections that lead to them. A request
//! lives until the last byte of its answer is handed over, and holds a sandbox
//! only while that computes. Whoever hangs up frees it at the next tick, since
//! that drops the request's future.

pub mod access;
mod answer;
mod ask;
mod batch;
mod compress;
mod connection;
mod factorial;
mod feed;
mod health;
mod listing;
mod negotiate;
mod openapi;
mod problem;
pub mod server;
mod tell;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::get;
use utoipa_axum::routes;

use crate::factorial::Factorial;
use crate::limits::Limits;

pub use problem::{PROBLEM_JSON, Problem};

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    factorial: Factorial,
    component: String,
    cache_control: &'static str,
    draining: AtomicBool,
}

/// Answers are what they are for ever.
const FOR_EVERYBODY: &str = "public, max-age=31536000, immutable";
const FOR_ONE: &str = "private, max-age=31536000, immutable";

impl Service {
    /// A service that answers with `factorial`, whose component is told apart
    /// from others by `component`. What was asked with a token is `private`: it
    /// is kept out of caches that several clients share.
    pub fn new(factorial: Factorial, component: String, private: bool) -> Self {
        Self(Arc::new(Inner {
            factorial,
            component,
            cache_control: if private { FOR_ONE } else { FOR_EVERYBODY },
            draining: AtomicBool::new(false),
        }))
    }

    /// From now on it is not ready for more work, which it takes nevertheless.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
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

    fn component(&self) -> &str {
        &self.0.component
    }
}

/// The routes of the service.
pub fn app(service: &Service) -> Router {
    let (routes, description) = openapi::router()
        .routes(routes!(factorial::factorial))
        .routes(routes!(listing::factorials))
        .routes(routes!(tell::kinds))
        .routes(routes!(tell::info))
        .routes(routes!(batch::batch))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .split_for_parts();
    routes
        .route("/openapi.json", get(openapi::document(&description)))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(service.clone())
        .layer(compress::layer())
        .layer(axum::middleware::map_response(compress::tag))
        .layer(axum::middleware::map_request(compress::not_for_old_clients))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {}; /openapi.json tells what there is",
            uri.path()
        ),
    )
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} cannot be asked with {method}; Allow tells how it can",
            uri.path()
        ),
    )
}
