//! The document, which each route adds its part to.

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Schema, Server};
use utoipa_axum::router::OpenApiRouter;

use crate::http::server::{
    Codings, Problem, StaticContent, add_refusals, text_header, without_body,
};

/// The name of the one security scheme.
const TOKEN: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cocoon",
        description = "Exact factorials, each computed in its own WebAssembly sandbox."
    ),
    components(schemas(Problem))
)]
struct Description;

/// A router that describes its routes.
pub(in crate::http) fn router<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S> {
    OpenApiRouter::with_openapi(Description::openapi())
}

/// Serves the description. All routes but `open_paths` need the token if the service
/// `requires_token`, and accept one that they ignore if it does not.
pub(in crate::http) fn document(
    mut description: OpenApi,
    requires_token: bool,
    open_paths: &[&str],
) -> impl Fn(Codings, HeaderMap) -> Ready<Response> + Clone + use<> {
    complete(&mut description, requires_token, open_paths);
    let json = description.to_json().unwrap_or_default();
    // The registry of formats has these names without hyphens, and generators know no others.
    let json = json.replace("\"u-int", "\"uint");
    let document = Arc::new(StaticContent::new("application/json", json));
    move |codings, headers| ready(document.response(codings, &headers))
}

fn complete(description: &mut OpenApi, requires_token: bool, open_paths: &[&str]) {
    description.servers = Some(vec![Server::new("/")]);
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "The token in the first line of the file of `--token-file`",
        ));
    let components = description.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token.build()));
    add_refusals(components);
    let with_token = SecurityRequirement::new(TOKEN, [] as [&str; 0]);
    description.security = Some(if requires_token {
        vec![with_token]
    } else {
        vec![SecurityRequirement::default(), with_token]
    });
    for (path, item) in &mut description.paths.paths {
        let operations = [&mut item.get, &mut item.post];
        for operation in operations.into_iter().flatten() {
            with_fields(operation);
            let parameters = operation.parameters.iter_mut().flatten();
            parameters.for_each(never_null);
            if open_paths.contains(&path.as_str()) {
                operation.security = Some(Vec::new());
                operation.responses.responses.remove("401");
            }
        }
        // Every GET has its HEAD.
        item.head = item.get.as_ref().map(head_of);
    }
}

/// Removes null from the types of an optional parameter, which is left out instead.
fn never_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
        && let SchemaType::Array(types) = &object.schema_type
        && let [one, Type::Null] | [Type::Null, one] = &types[..]
    {
        object.schema_type = SchemaType::Type(one.clone());
    }
}

/// Adds the fields that every representation has.
fn with_fields(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (matches!(&**status, "200" | "304"), response) {
            for (name, what) in [
                (
                    "Cache-Control",
                    "The time for which the answer may be cached",
                ),
                (
                    "Vary",
                    "The header fields of the request that select the answer",
                ),
            ] {
                let header = text_header(what);
                response.headers.insert(name.to_owned(), header.into());
            }
        }
    }
}

/// The operation that answers HEAD where `get` answers GET: alike, but without a body.
fn head_of(get: &Operation) -> Operation {
    let mut head = get.clone();
    head.operation_id = get.operation_id.as_ref().map(|id| format!("{id}_head"));
    for response in head.responses.responses.values_mut() {
        match response {
            RefOr::T(response) => response.content.clear(),
            RefOr::Ref(reference) => {
                if let Some(refusal) = without_body(reference) {
                    *response = refusal.into();
                }
            }
        }
    }
    head
}
