//! The run of a handler for one request, and what it shares with the answer's body.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::Request;
use wasmtime::Store;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::endpoint::Endpoint;
use super::lines::Lines;
use super::request_body::RequestBody;
use crate::error::RunError;
use crate::grants::{Answer, State};
use crate::limits::REQUEST_ID_BYTES_MAX;
use crate::pool::Permit;
use crate::sandbox::Sandbox;

/// The run of a handler.
pub(super) type Run = Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>;

/// The state that a run shares with the answer's body.
#[derive(Default)]
pub(super) struct Exchange {
    answer: Mutex<Option<Answer>>,
    /// The error that ended the run. It is set before the body breaks off.
    failure: OnceLock<RunError>,
}

impl Exchange {
    /// Takes the answer, if the guest has set one.
    pub(super) fn take_answer(&self) -> Option<Answer> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }

    fn set_answer(&self, set: Answer) {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        *answer = Some(set);
    }

    /// The error of an answer that broke off.
    pub(super) fn failure(&self) -> RunError {
        self.failure.get().cloned().unwrap_or_else(|| {
            let what =
                "expected the end of the answer's body, got none before the handler dropped it";
            RunError::Failed(what.to_owned())
        })
    }
}

/// Starts a handler in the place of `permit`. Polling the run drives it.
pub(super) fn start(
    endpoint: Arc<Endpoint>,
    permit: Permit,
    request: Request<RequestBody>,
    exchange: Arc<Exchange>,
) -> Run {
    Box::pin(async move {
        let request_id = request_id(&request);
        let lines = |stream| Lines::new(&endpoint.name, request_id.as_ref(), stream);
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(lines("stdout")).stderr(lines("stderr"));
        // Its place is released after the sandbox is dropped.
        let copy = endpoint.component.of_thread();
        let component = copy.as_ref().map_or(&endpoint.component, |&(copy, _)| copy);
        let (folders, denials) = (component.folders(), component.denials());
        let granting = endpoint
            .grants
            .of_sandbox(wasi, folders, denials, component.engine());
        let wasi = granting
            .await
            .map_err(|error| RunError::Failed(error.to_string()))?;
        let mut sandbox = Sandbox::new(component, permit, Some(wasi)).await?;
        let answer = Arc::clone(&exchange);
        let result = sandbox
            .run(async |store: &mut Store<State>, handler: &Proxy| {
                let data = store.data_mut();
                let answered = move |set| answer.set_answer(set);
                let (request, outparam) = data.start_request(Scheme::Http, request, answered)?;
                let handler = handler.wasi_http_incoming_handler();
                handler.call_handle(store, request, outparam).await
            })
            .await;
        if let Err(error) = &result {
            // It is set once.
            let _ = exchange.failure.set(error.clone());
        }
        sandbox.state_mut().abort_bodies();
        result
    })
}

/// The name of the request, if it has one that can stand in a line.
fn request_id(request: &Request<RequestBody>) -> Option<Arc<str>> {
    let name = request.headers().get("x-request-id")?.to_str().ok()?;
    (name.len() <= REQUEST_ID_BYTES_MAX).then(|| name.into())
}
