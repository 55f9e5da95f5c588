//! `wasi:http` of WASI 0.2.
//!
//! Handlers answer requests with it, and programs of some toolchains import it and never call it.
//! Sending a request without a grant fails with `HTTP-request-denied`. The guest decides how much a
//! header or a path holds, and how many there are, so this module bounds them:
//! [`HTTP_FIELDS`] times [`HTTP_FIELDS_BYTES`](crate::limits::HTTP_FIELDS_BYTES) and four times
//! [`HTTP_TEXT_BYTES`].

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, Host as _, HostFields, HostOutgoingRequest as _, Method, OutgoingRequest, Scheme,
};
use wasmtime_wasi_http::p2::types::{
    HostOutgoingRequest, HostOutgoingResponse, HostResponseOutparam,
};
use wasmtime_wasi_http::{FieldMap, WasiHttp, WasiHttpCtxView, WasiHttpView, p3};

use super::state::State;
use crate::limits::{HTTP_FIELDS, HTTP_TEXT_BYTES};

/// The instance of the types in the linker.
const TYPES: &str = "wasi:http/types@0.2.12";

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.hooks,
            table: &mut self.resources,
            ctx: &mut self.http.context,
        }
    }
}

/// Links the types and the handler of outgoing requests.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, State::http)?;
    let options = LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &options.into(), State::http)?;
    // The same functions, with bounds.
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[constructor]fields", |mut store: Store<'_>, (): ()| {
        Ok((HostFields::new(&mut with_room(&mut store)?)?,))
    })?;
    types.func_wrap("[method]fields.clone", clone_fields)?;
    types.func_wrap("[static]fields.from-list", fields_from_list)?;
    types.func_wrap("[method]outgoing-request.set-method", set_method)?;
    types.func_wrap("[method]outgoing-request.set-path-with-query", set_path)?;
    types.func_wrap("[method]outgoing-request.set-authority", set_authority)?;
    types.func_wrap("[method]outgoing-request.set-scheme", set_scheme)?;
    types.func_wrap("[method]outgoing-response.body", super::http_answer::body)?;
    types.func_wrap(
        "[method]response-outparam.send-informational",
        send_informational,
    )
}

type Store<'a> = StoreContextMut<'a, State>;
type Set = Result<(), ()>;

/// The state of `wasi:http`, if there is room for other fields.
pub(super) fn with_room<'a>(store: &'a mut Store<'_>) -> wasmtime::Result<WasiHttpCtxView<'a>> {
    let state = store.data_mut();
    let holds_fields = |entry: &mut (dyn std::any::Any + Send)| {
        entry.is::<FieldMap>()
            || entry.is::<HostOutgoingRequest>()
            || entry.is::<HostOutgoingResponse>()
            || entry.is::<p3::Request>()
            || entry.is::<p3::Response>()
    };
    let held = state.resources.iter_mut().map(holds_fields);
    if held.filter(|holds| *holds).count() >= HTTP_FIELDS {
        wasmtime::bail!(
            "expected at most {HTTP_FIELDS} requests and fields of wasi:http at once, got more"
        );
    }
    Ok(state.http())
}

/// Whether `text` is short enough for a part of a request.
pub(super) fn fits(text: Option<&String>) -> bool {
    text.is_none_or(|text| text.len() <= HTTP_TEXT_BYTES)
}

fn clone_fields(
    mut store: Store<'_>,
    (fields,): (Resource<FieldMap>,),
) -> wasmtime::Result<(Resource<FieldMap>,)> {
    Ok((with_room(&mut store)?.clone(fields)?,))
}

fn fields_from_list(
    mut store: Store<'_>,
    (entries,): (Vec<(String, Vec<u8>)>,),
) -> wasmtime::Result<(Result<Resource<FieldMap>, types::HeaderError>,)> {
    let mut http = with_room(&mut store)?;
    match http.from_list(entries) {
        Ok(fields) => Ok((Ok(fields),)),
        Err(error) => Ok((Err(http.convert_header_error(error)?),)),
    }
}

type Informational = (Resource<HostResponseOutparam>, u16, Resource<FieldMap>);

/// Takes an informational response and sends none. Clients need none, and a guest that asks for
/// it goes on.
fn send_informational(
    mut store: Store<'_>,
    (_, _, fields): Informational,
) -> wasmtime::Result<(Result<(), types::ErrorCode>,)> {
    store.data_mut().http().table.delete(fields)?;
    Ok((Ok(()),))
}

fn set_method(
    mut store: Store<'_>,
    (request, method): (Resource<OutgoingRequest>, Method),
) -> wasmtime::Result<(Set,)> {
    match &method {
        Method::Other(name) if !fits(Some(name)) => Ok((Err(()),)),
        _ => Ok((store.data_mut().http().set_method(request, method)?,)),
    }
}

fn set_path(
    mut store: Store<'_>,
    (request, path): (Resource<OutgoingRequest>, Option<String>),
) -> wasmtime::Result<(Set,)> {
    if !fits(path.as_ref()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_path_with_query(request, path)?,))
}

fn set_authority(
    mut store: Store<'_>,
    (request, authority): (Resource<OutgoingRequest>, Option<String>),
) -> wasmtime::Result<(Set,)> {
    if !fits(authority.as_ref()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_authority(request, authority)?,))
}

fn set_scheme(
    mut store: Store<'_>,
    (request, scheme): (Resource<OutgoingRequest>, Option<Scheme>),
) -> wasmtime::Result<(Set,)> {
    match &scheme {
        Some(Scheme::Other(name)) if !fits(Some(name)) => Ok((Err(()),)),
        _ => Ok((store.data_mut().http().set_scheme(request, scheme)?,)),
    }
}
