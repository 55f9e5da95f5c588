//! The state of `wasi:http` in one sandbox, and its outgoing requests.

#[cfg(feature = "compiler")]
use std::sync::Arc;

#[cfg(feature = "compiler")]
use axum::http::HeaderName;
use axum::http::{HeaderMap, Request, Response};
#[cfg(feature = "compiler")]
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::denials::Denials;
#[cfg(feature = "compiler")]
use super::http_client::HttpClient;
#[cfg(feature = "compiler")]
use crate::limits::HTTP_REQUESTS;
use crate::limits::{HTTP_CHUNK_BYTES, HTTP_FIELDS_BYTES};

/// Fields that name the trace of a request.
const TRACE_FIELDS: [&str; 6] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
];

/// The state of `wasi:http` in one sandbox.
pub(super) struct Http {
    pub(super) context: WasiHttpCtx,
    pub(super) hooks: Requests,
    /// Whether the request that a handler answers is HEAD.
    pub(super) answers_head: bool,
}

impl Http {
    pub(super) fn new(
        denials: Denials,
        #[cfg(feature = "compiler")] client: Option<HttpClient>,
    ) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(HTTP_FIELDS_BYTES);
        Self {
            context,
            hooks: Requests {
                denials,
                #[cfg(feature = "compiler")]
                client,
                #[cfg(feature = "compiler")]
                places: None,
                trace: None,
            },
            answers_head: false,
        }
    }
}

/// Sends the requests of one sandbox, or denies them.
pub(super) struct Requests {
    denials: Denials,
    /// `None` if no destination is granted.
    #[cfg(feature = "compiler")]
    client: Option<HttpClient>,
    /// Places for requests, from the first one on.
    #[cfg(feature = "compiler")]
    places: Option<Arc<Semaphore>>,
    /// The fields that name the trace of the request that a handler answers.
    trace: Option<Box<HeaderMap>>,
}

impl Requests {
    /// Makes the requests of the sandbox parts of the trace that `headers` name.
    #[cfg(feature = "compiler")]
    pub(super) fn continue_trace(&mut self, headers: &HeaderMap) {
        if self.client.is_none() {
            return;
        }
        self.trace = None;
        for name in TRACE_FIELDS.map(HeaderName::from_static) {
            if let Some(value) = headers.get(&name) {
                let trace = self.trace.get_or_insert_default();
                trace.insert(name, value.clone());
            }
        }
    }

    /// Adds the trace to the fields of a request that names none.
    fn add_trace(&self, headers: &mut HeaderMap) {
        let Some(trace) = &self.trace else {
            return;
        };
        if !TRACE_FIELDS.iter().any(|name| headers.contains_key(*name)) {
            headers.extend((**trace).clone());
        }
    }
}

type Completion = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Completion), Error>> + Send>;

impl WasiHttpHooks for Requests {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Completion,
    ) -> Sending {
        self.add_trace(request.headers_mut());
        #[cfg(feature = "compiler")]
        if let Some(client) = self.client.clone() {
            if let Err(error) = client.check(request.uri()) {
                return Box::new(async { Err(error) });
            }
            let places = || Arc::new(Semaphore::new(HTTP_REQUESTS));
            let places = self.places.get_or_insert_with(places);
            let Ok(permit) = Arc::clone(places).try_acquire_owned() else {
                return Box::new(async { Err(Error::ConnectionLimitReached) });
            };
            return Box::new(async move {
                let options = options.unwrap_or_default();
                let response = client.send(request, options, permit).await?;
                Ok((response, Box::new(async { Ok(()) }) as Completion))
            });
        }
        let _ = options;
        let function = "wasi:http/outgoing-handler.handle";
        self.denials.report(function, flag(request.uri().host()));
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    // The client adds it, where the version of HTTP has one.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }
}

/// The flag that grants requests to `host`. Builds without a compiler have none.
fn flag(host: Option<&str>) -> Option<String> {
    let flag = match host {
        Some(host) if !host.is_empty() => format!("--allow-http {host}"),
        _ => "--allow-http".to_owned(),
    };
    cfg!(feature = "compiler").then_some(flag)
}
