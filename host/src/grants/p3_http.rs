//! `wasi:http` of WASI 0.3, under the bounds of that of WASI 0.2.

#[cfg(feature = "compiler")]
use axum::http::{Method as HttpMethod, Request as HttpRequest, header, uri};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
#[cfg(feature = "compiler")]
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::http::types::{
    HeaderError, HostFields, HostRequest as _, Method, Scheme,
};
use wasmtime_wasi_http::{FieldMap, WasiHttpView as _, p3};

use super::http::{fits, with_room};
use super::state::State;

/// The instance of the types in the linker.
const TYPES: &str = "wasi:http/types@0.3.0";

/// Links the types and the client of outgoing requests.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p3::add_to_linker(linker)?;
    // The same functions, with bounds.
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[constructor]fields", |mut store: Store<'_>, (): ()| {
        Ok((HostFields::new(&mut with_room(&mut store)?)?,))
    })?;
    types.func_wrap("[method]fields.clone", clone_fields)?;
    types.func_wrap("[static]fields.from-list", fields_from_list)?;
    types.func_wrap("[method]request.set-method", set_method)?;
    types.func_wrap("[method]request.set-path-with-query", set_path)?;
    types.func_wrap("[method]request.set-authority", set_authority)?;
    types.func_wrap("[method]request.set-scheme", set_scheme)
}

type Store<'a> = StoreContextMut<'a, State>;
type Set = Result<(), ()>;

fn clone_fields(
    mut store: Store<'_>,
    (fields,): (Resource<FieldMap>,),
) -> wasmtime::Result<(Resource<FieldMap>,)> {
    Ok((HostFields::clone(&mut with_room(&mut store)?, fields)?,))
}

fn fields_from_list(
    mut store: Store<'_>,
    (entries,): (Vec<(String, Vec<u8>)>,),
) -> wasmtime::Result<(Result<Resource<FieldMap>, HeaderError>,)> {
    let fields = HostFields::from_list(&mut with_room(&mut store)?, entries);
    match fields {
        Ok(fields) => Ok((Ok(fields),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn set_method(
    mut store: Store<'_>,
    (request, method): (Resource<Request>, Method),
) -> wasmtime::Result<(Set,)> {
    match &method {
        Method::Other(name) if !fits(Some(name)) => Ok((Err(()),)),
        _ => Ok((store.data_mut().http().set_method(request, method)?,)),
    }
}

fn set_path(
    mut store: Store<'_>,
    (request, path): (Resource<Request>, Option<String>),
) -> wasmtime::Result<(Set,)> {
    if !fits(path.as_ref()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_path_with_query(request, path)?,))
}

fn set_authority(
    mut store: Store<'_>,
    (request, authority): (Resource<Request>, Option<String>),
) -> wasmtime::Result<(Set,)> {
    if !fits(authority.as_ref()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_authority(request, authority)?,))
}

fn set_scheme(
    mut store: Store<'_>,
    (request, scheme): (Resource<Request>, Option<Scheme>),
) -> wasmtime::Result<(Set,)> {
    match &scheme {
        Some(Scheme::Other(name)) if !fits(Some(name)) => Ok((Err(()),)),
        _ => Ok((store.data_mut().http().set_scheme(request, scheme)?,)),
    }
}

#[cfg(feature = "compiler")]
impl State {
    /// `request` as a handler of WASI 0.3 gets it.
    ///
    /// # Errors
    ///
    /// If its `Host` is no authority.
    pub(crate) fn p3_request<B>(&mut self, request: HttpRequest<B>) -> wasmtime::Result<Request>
    where
        B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Error>,
    {
        self.http.answers_head = *request.method() == HttpMethod::HEAD;
        self.http.hooks.continue_trace(request.headers());
        let (parts, body) = request.into_parts();
        let uri::Parts {
            authority,
            path_and_query,
            ..
        } = parts.uri.into_parts();
        let host = parts.headers.get(header::HOST);
        let authority = match (authority, host) {
            (None, Some(host)) if !host.is_empty() => Some(host.as_bytes().try_into()?),
            (authority, _) => authority,
        };
        let headers = FieldMap::new_immutable(&mut self.http.hooks, parts.headers);
        let scheme = Some(uri::Scheme::HTTP);
        // A body that breaks off fails at its reader.
        let (request, _) = Request::new(
            parts.method,
            scheme,
            authority,
            path_and_query,
            headers,
            None,
            body,
        );
        Ok(request)
    }
}
