//! The description of the API, made from the routes (`OpenAPI` 3.1).

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::Service;
use super::representation::{Codings, Fixed};
use crate::factorial::Graded;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cocoon",
        description = "Exact factorials, each computed in a WebAssembly sandbox of its own."
    ),
    components(schemas(Number))
)]
struct Description;

/// A number as a JSON object.
#[derive(Serialize, ToSchema)]
pub(super) struct Number {
    /// The number whose factorial it is.
    #[schema(example = 20)]
    n: u64,
    /// Which factorial.
    #[schema(example = "factorial")]
    kind: String,
    /// How it is written.
    #[schema(example = "decimal")]
    format: String,
    /// Its digits.
    #[schema(example = "2432902008176640000")]
    value: String,
    /// How many, but for those of an exponent.
    #[schema(example = 19)]
    digits: u64,
    /// In a listing, how long its sandbox computed, in microseconds.
    elapsed_us: Option<u64>,
    #[serde(flatten)]
    grade: Graded,
}

/// A router that describes its routes.
pub(super) fn router() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Description::openapi())
}

/// Serves the description.
pub(super) fn document(
    description: &OpenApi,
) -> impl Fn(Codings, HeaderMap) -> Ready<Response> + Clone + use<> {
    let json = description.to_json().unwrap_or_default();
    let document = Arc::new(Fixed::new("application/json", json));
    move |codings, headers| ready(document.response(codings, &headers))
}
