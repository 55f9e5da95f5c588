//! The router of handlers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use tracing::Span;

use super::routes::Routes;
use crate::error::RunError;
use crate::http::server::{Access, Errors, Probes, Problem, ServerState, finish, probes, too_old};
use crate::limits::{Limits, OLD_CLIENT_BYTES};
use crate::metrics::Meter;
use crate::telemetry::tell_trace;
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
    /// A service of `routes` under `limits`. With `is_private`, requests need a token. Long jobs
    /// run in the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new(
        routes: Routes,
        limits: &Limits,
        meter: &Meter,
        component: String,
        is_private: bool,
    ) -> Self {
        let (_, description) = probes::<ServerState>().split_for_parts();
        let paths = description.paths.paths.into_keys();
        Self(Arc::new(Inner {
            server: ServerState::new(limits, meter, component, paths),
            routes,
            is_private,
        }))
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
    let routes = routes.fallback(answer).with_state(handlers.clone());
    finish(routes, handlers.server(), access, open_paths, Errors::All)
}

/// Answers one request by the handler of its route.
async fn answer(
    State(handlers): State<Handlers>,
    mut request: Request,
) -> Result<Response, Problem> {
    let Inner {
        server,
        routes,
        is_private,
    } = &*handlers.0;
    let route = {
        let host = match request.uri().host() {
            Some(host) => Some(host),
            None => request.headers().get(HOST).and_then(|it| it.to_str().ok()),
        };
        routes.find(host, request.uri().path())
    };
    let Some(route) = route else {
        return Err(Problem::plain(
            StatusCode::NOT_FOUND,
            format!("expected a path with a route, got {}", request.uri().path()),
        ));
    };
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
    let response = answering.await.map_err(Problem::from)?;
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
