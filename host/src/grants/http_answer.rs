//! The request that a handler gets, and the body of its answer.

#![cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "builds without a compiler run no handlers")
)]

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use hyper::body::Body;
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, HyperOutgoingBody, StreamContext};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest, HostOutgoingResponse, HostResponseOutparam,
};
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use super::state::State;
use crate::limits::{HTTP_CHUNK_BYTES, HTTP_CHUNKS};

/// The answer of a handler: its head with a body that is written later, or an error.
pub(crate) type Answer = Result<hyper::Response<HyperOutgoingBody>, Error>;

impl State {
    /// Adds `request` to the sandbox, and calls `answer` when the guest sets its answer.
    ///
    /// # Errors
    ///
    /// If the sandbox has as many resources as it may have.
    pub(crate) fn start_request<B>(
        &mut self,
        scheme: Scheme,
        request: Request<B>,
        answer: impl FnOnce(Answer) + Send + Sync + 'static,
    ) -> wasmtime::Result<(
        Resource<HostIncomingRequest>,
        Resource<HostResponseOutparam>,
    )>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error>,
    {
        self.http.answers_head = *request.method() == Method::HEAD;
        #[cfg(feature = "compiler")]
        self.http.hooks.continue_trace(request.headers());
        let mut http = self.http();
        let request = http.new_incoming_request(scheme, request)?;
        let answer = |set: Result<_, _>| answer(set.map_err(Error::from));
        let outparam = http.new_response_outparam_from_callback(answer)?;
        Ok((request, outparam))
    }

    /// Objects of the host that the guest holds.
    pub(crate) fn count_resources(&mut self) -> usize {
        self.resources.iter_mut().count()
    }

    /// Aborts bodies that the guest did not finish, so that none of them looks whole. Returns
    /// whether there were some.
    pub(crate) fn abort_bodies(&mut self) -> bool {
        let mut has_aborted = false;
        for entry in self.resources.iter_mut() {
            if let Some(body) = entry.downcast_mut::<HostOutgoingBody>() {
                let (empty, _) = HostOutgoingBody::new(StreamContext::Response, None, 1, 1);
                std::mem::replace(body, empty).abort();
                has_aborted = true;
            }
        }
        has_aborted
    }
}

type Wanted = Result<Resource<HostOutgoingBody>, ()>;

/// The body of a response. It is not held to `Content-Length` where the response has no body, as
/// that to HEAD.
pub(super) fn body(
    mut store: StoreContextMut<'_, State>,
    (response,): (Resource<HostOutgoingResponse>,),
) -> wasmtime::Result<(Wanted,)> {
    let state = store.data_mut();
    let response = state.resources.get_mut(&response)?;
    if response.body.is_some() {
        return Ok((Err(()),));
    }
    let Ok(length) = content_length(&response.headers) else {
        return Ok((Err(()),));
    };
    let is_bodiless = state.http.answers_head
        || matches!(
            response.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let length = length.filter(|_| !is_bodiless);
    let (body, frames) = HostOutgoingBody::new(
        StreamContext::Response,
        length,
        HTTP_CHUNKS,
        HTTP_CHUNK_BYTES,
    );
    response.body = Some(frames);
    Ok((Ok(state.resources.push(body)?),))
}

/// The value of `Content-Length`.
///
/// # Errors
///
/// If it is not one number.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let digits = value.to_str().map_err(drop)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || values.next().is_some() {
        return Err(());
    }
    digits.parse().map(Some).map_err(drop)
}
