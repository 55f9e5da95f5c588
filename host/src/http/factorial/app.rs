//! The service and its router.

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{any, get};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Service, batch, info, listing, number, openapi, page};
use crate::http::server::{
    ADMIN_PATHS, Access, Errors, Probes, Problem, ServerState, finish, probes,
};
use crate::worlds::factorial::Factorial;

/// The path of the API's description.
const OPENAPI: &str = "/openapi.json";

/// Paths that need no token. Probes have none, and health reports nothing confidential. The
/// files of the page are the same in every copy of this program, and a browser sends no token
/// for them; the page itself asks for the token.
const OPEN_PATHS: [&str; 6] = [
    "/healthz",
    "/readyz",
    page::PATHS[0],
    page::PATHS[1],
    page::PATHS[2],
    page::PATHS[3],
];

/// The routes in the API's description, without those of the server.
fn factorials() -> OpenApiRouter<Service> {
    openapi::router()
        .routes(routes!(number::factorial))
        .routes(routes!(listing::factorials))
        .routes(routes!(info::kinds))
        .routes(routes!(info::info))
        .routes(routes!(batch::batch))
}

/// The paths of all routes.
fn paths() -> impl Iterator<Item = String> {
    let (_, description) = factorials().merge(probes()).split_for_parts();
    let others = page::PATHS.into_iter().chain([OPENAPI]);
    let described = description.paths.paths.into_keys();
    described.chain(others.map(str::to_owned))
}

impl Service {
    /// A service of `factorial`, whose component has the digest `component`. With `is_private`,
    /// requests need a token, and shared caches must not keep the answers. Long jobs run in the
    /// current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new(factorial: Factorial, component: String, is_private: bool) -> Self {
        let (limits, meter) = (factorial.limits(), factorial.meter());
        let server = ServerState::new(limits, meter, component.clone(), paths());
        Self::from_parts(server, factorial, component, is_private)
    }
}

/// The router of `service` for clients with `access`.
pub fn app(service: &Service, health: Probes, access: Access) -> Router {
    let routes = match health {
        Probes::Here => factorials().merge(probes()),
        Probes::Apart => factorials(),
    };
    let (routes, description) = routes.split_for_parts();
    let routes = match health {
        Probes::Here => routes,
        Probes::Apart => ADMIN_PATHS
            .iter()
            .fold(routes, |routes, path| routes.route(path, any(moved))),
    };
    let document = openapi::document(description, service.is_private(), &OPEN_PATHS);
    let routes = routes
        .merge(page::routes())
        .route(OPENAPI, get(document))
        .fallback(not_found)
        .with_state(service.clone());
    finish(
        routes,
        service.server(),
        access,
        &OPEN_PATHS,
        Errors::Problems,
    )
}

async fn not_found(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!("expected a path of /openapi.json, got {}", uri.path()),
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
