//! The run of a handler of WASI 0.3 for one request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use axum::http::Request;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::Service;

use super::exchange::Exchange;
use super::p3_body::P3Body;
use super::request_body::RequestBody;
use crate::grants::State;

/// Answers `request`, and returns when the guest has no task left and its answer was read.
///
/// # Errors
///
/// The error that stopped the guest.
pub(super) async fn answer(
    store: &mut Store<State>,
    handler: &Service,
    request: Request<RequestBody>,
    exchange: Arc<Exchange>,
) -> wasmtime::Result<()> {
    let request = store.data_mut().p3_request(request)?;
    let running = store.run_concurrent(async |store: &Accessor<State>| {
        // Dropped before the sandbox is, so an answer that the end of the sandbox cuts differs
        // from one that the guest ended.
        let (end, ended) = oneshot::channel::<Infallible>();
        match handler.handle(store, request).await? {
            Ok(response) => {
                let sent = async { Ok(()) };
                let response = store.with(|store| response.into_http(store, sent))?;
                let response = response.map(|frames| P3Body::new(frames, end).boxed_unsync());
                exchange.set_answer(Ok(response));
            }
            Err(error) => {
                drop(end);
                exchange.set_answer(Err(error.into()));
            }
        }
        poll_fn(|context| store.poll_no_interesting_tasks(context)).await;
        // The sender is dropped at the end of the body.
        let _ = ended.await;
        Ok(())
    });
    running.await.flatten()
}
