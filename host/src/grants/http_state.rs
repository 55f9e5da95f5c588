//! The state of `wasi:http` in one sandbox, and its denial of outgoing requests.

use axum::http::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::denials::Denials;
use crate::limits::{HTTP_CHUNK_BYTES, HTTP_CHUNKS, HTTP_FIELDS_BYTES};

/// The state of `wasi:http` in one sandbox.
pub(super) struct Http {
    pub(super) context: WasiHttpCtx,
    pub(super) hooks: DenyRequests,
    /// Whether the request that a handler answers is HEAD.
    pub(super) answers_head: bool,
}

impl Http {
    pub(super) fn new(denials: Denials) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(HTTP_FIELDS_BYTES);
        Self {
            context,
            hooks: DenyRequests(denials),
            answers_head: false,
        }
    }
}

/// Denies all outgoing requests.
pub(super) struct DenyRequests(Denials);

type Completion = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for DenyRequests {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Completion,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Completion), Error>> + Send> {
        let function = "wasi:http/outgoing-handler.handle";
        self.0.report(function, None::<&str>);
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        HTTP_CHUNKS
    }
}
