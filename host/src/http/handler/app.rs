//! The router of handlers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Limited};
use tower::service_fn;
use tracing::Span;

use super::route::{Route, RouteParts};
use super::routes::Routes;
use super::table::{Duplicate, Table};
use crate::error::RunError;
use crate::http::server::{
    Access, Errors, FindRoute, Probes, Problem, ROUTES_PATH, ServerState, finish, finish_fallback,
    probes, too_old,
};
use crate::limits::{Limits, OLD_CLIENT_BYTES};
use crate::metrics::Meter;
use crate::telemetry::{ReadRoutes, tell_trace};
use crate::worlds::handler::ResponseBody;

/// Paths that need no token where probes have the address of the handlers.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The state of a service of handlers. Cheap to clone.
#[derive(Clone)]
pub struct Handlers(Arc<Inner>);

struct Inner {
    server: ServerState,
    routes: Routes,
    /// Whether requests have the token of the service, which is none of the handlers' business.
    is_private: bool,
}

impl Handlers {
    /// A service under `limits` that has no route yet. `meter` counts the jobs of all of its
    /// routes. With `is_private`, requests need a token. Long jobs run in the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new(limits: &Limits, meter: &Meter, component: String, is_private: bool) -> Self {
        let (_, description) = probes::<ServerState>().split_for_parts();
        let paths = description.paths.paths.into_keys();
        let paths = paths.chain([ROUTES_PATH.to_owned()]);
        let routes = Routes::new();
        let found: (Arc<dyn FindRoute>, Box<dyn ReadRoutes>) =
            (Arc::new(routes.clone()), Box::new(routes.clone()));
        Self(Arc::new(Inner {
            server: ServerState::with_routes(limits, meter, component, paths, found),
            routes,
            is_private,
        }))
    }

    /// A route of this service. It gets no request before [`Handlers::replace`].
    pub fn route(&self, parts: RouteParts) -> Arc<Route> {
        let counters = self.server().http_metrics().add_route(&parts.endpoint.name);
        Arc::new(Route::new(parts, counters))
    }

    /// The routes, in the order of their precedence.
    pub fn routes(&self) -> Vec<Arc<Route>> {
        self.0.routes.table().iter().cloned().collect()
    }

    /// Replaces all routes by `routes`, between two requests. Requests that have found a route
    /// that is not among them are still answered by it.
    ///
    /// # Errors
    ///
    /// Where two routes match the same requests. Then nothing changes.
    pub fn replace(&self, routes: &[Arc<Route>]) -> Result<(), Duplicate> {
        let patterns = routes
            .iter()
            .map(|route| (route.pattern.clone(), Arc::clone(route)));
        let old = self.0.routes.replace(Table::new(patterns)?);
        let is_left = |old: &Arc<Route>| routes.iter().any(|new| Arc::ptr_eq(old, new));
        for route in old.iter().filter(|route| !is_left(route)) {
            route.endpoint.retire();
        }
        let metrics = self.server().http_metrics();
        metrics.retain_routes(|name| routes.iter().any(|route| &**route.name() == name));
        Ok(())
    }

    /// The state of the server.
    pub fn server(&self) -> &ServerState {
        &self.0.server
    }
}

impl FromRef<Handlers> for ServerState {
    fn from_ref(handlers: &Handlers) -> Self {
        handlers.server().clone()
    }
}

/// The router of `handlers` for clients with `access`. With [`Probes::Here`], the paths of health
/// and metrics are the service's own.
pub fn app(handlers: &Handlers, health: Probes, access: Access) -> Router {
    let (routes, open_paths): (_, &'static [&'static str]) = match health {
        Probes::Here => (probes().split_for_parts().0, &OPEN_PATHS),
        Probes::Apart => (Router::new(), &[]),
    };
    let server = handlers.server();
    let routes = routes.with_state(handlers.clone());
    let routes = finish(routes, server, access.clone(), open_paths, Errors::All);
    let handlers = handlers.clone();
    let others = service_fn(move |request: Request| {
        let answering = answer(handlers.clone(), request);
        Box::pin(answering.map(|answered| Ok(answered.into_response())))
    });
    finish_fallback(routes, others, server, access, Errors::All)
}

/// Answers one request by the handler of its route.
async fn answer(handlers: Handlers, mut request: Request) -> Result<Response, Problem> {
    let Inner {
        server, is_private, ..
    } = &*handlers.0;
    let Some(route) = request.extensions_mut().remove::<Arc<Route>>() else {
        return Err(Problem::plain(
            StatusCode::NOT_FOUND,
            format!(
                "expected a host and a path with a route, got {}",
                request.uri().path()
            ),
        ));
    };
    if let (Err(wait), Some(rate)) = (route.take_token(), route.rate()) {
        let detail = format!("expected at most {rate} requests, got more; see Retry-After");
        return Err(Problem::past_rate(detail, wait).of_route(route.name()));
    }
    if *is_private {
        request.headers_mut().remove(AUTHORIZATION);
    }
    let span = Span::current();
    if !span.is_disabled() {
        // The handler carries the trace on.
        tell_trace(&span, request.headers_mut());
    }
    let version = request.version();
    let deadline = route.deadline();
    let answering = route.endpoint.answer(request, &deadline, server.tasks());
    let response = answering
        .await
        .map_err(|error| Problem::from(error).of_route(route.name()))?;
    let is_marked = response.body().is_whole() || response.headers().contains_key(CONTENT_LENGTH);
    if version < Version::HTTP_11 && !is_marked {
        return Ok(answer_old(response).await);
    }
    Ok(response.map(Body::new))
}

/// The answer to a client of HTTP/1.0, which cannot see that a body without a length was cut. A
/// short one is sent with its length.
async fn answer_old(response: Response<ResponseBody>) -> Response {
    let (head, body) = response.into_parts();
    match Limited::new(body, OLD_CLIENT_BYTES).collect().await {
        Ok(whole) => Response::from_parts(head, Body::from(whole.to_bytes())),
        Err(error) => match error.downcast::<RunError>() {
            Ok(error) => Problem::from(*error).into_response(),
            Err(_) => too_old(),
        },
    }
}
