//! The run of a handler for one request, in its place.

use std::pin::Pin;
use std::sync::Arc;

use axum::http::Request;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::kept::Kept;
use super::p3;
use super::request_body::RequestBody;
use super::world::HandlerExports;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::State;
use crate::limits::REQUEST_ID_BYTES_MAX;
use crate::pool::Permit;
use crate::shares::Share;

/// The run of a handler.
pub(super) type Run = Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>;

/// The place of a sandbox. It is released after the sandbox.
pub(super) struct Place {
    pub(super) seat: Seat,
    pub(super) share: Share<Box<Kept>>,
}

/// What is in a place.
pub(super) enum Seat {
    /// A place for a fresh sandbox.
    Fresh(Permit),
    /// A sandbox that answered other requests.
    Kept(Box<Kept>),
}

/// Starts a handler in `place`. Polling the run drives it, until `deadline`.
pub(super) fn start(
    endpoint: Arc<Endpoint>,
    place: Place,
    deadline: Deadline,
    request: Request<RequestBody>,
    exchange: Arc<Exchange>,
) -> Run {
    Box::pin(async move {
        let Place { seat, share } = place;
        let request_id = request_id(&request);
        let mut kept = match seat {
            Seat::Fresh(permit) => {
                let Endpoint {
                    component,
                    grants,
                    name,
                    ..
                } = &*endpoint;
                Kept::start(component, grants, permit, name, request_id.as_ref()).await?
            }
            Seat::Kept(mut kept) => {
                kept.renew(&deadline, request_id.as_ref());
                kept
            }
        };
        let answer = Arc::clone(&exchange);
        let result = kept
            .sandbox
            .run(async |store: &mut Store<State>, handler: &HandlerExports| {
                let handler = match handler {
                    HandlerExports::P2(handler) => handler,
                    HandlerExports::P3(handler) => {
                        // Most handlers do not pay for its size.
                        return Box::pin(p3::answer(store, handler, request, answer)).await;
                    }
                };
                let data = store.data_mut();
                let answered = move |set| answer.set_answer(set);
                let (request, outparam) = data.start_request(Scheme::Http, request, answered)?;
                let handler = handler.wasi_http_incoming_handler();
                handler.call_handle(store, request, outparam).await
            })
            .await;
        if let Err(error) = &result {
            exchange.set_failure(error);
        }
        let is_left = kept.sandbox.state_mut().abort_bodies();
        exchange.cut_request();
        let has_failed = is_left || !exchange.is_answered();
        let kept = match result {
            Ok(()) if endpoint.reuse > 1 && !has_failed => kept.rest(endpoint.reuse),
            _ => {
                // Before its share.
                drop(kept);
                None
            }
        };
        match kept {
            Some(kept) => share.keep(kept),
            None => drop(share),
        }
        result
    })
}

/// The name of the request, if it has one that can stand in a line.
fn request_id(request: &Request<RequestBody>) -> Option<Arc<str>> {
    let name = request.headers().get("x-request-id")?.to_str().ok()?;
    (name.len() <= REQUEST_ID_BYTES_MAX).then(|| name.into())
}
