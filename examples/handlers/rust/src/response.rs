//! Responses: JSON, or an error as `application/problem+json` (RFC 9457).

use serde_json::{Value, json};
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// The most that WASI takes in one write.
const WRITE_BYTES: usize = 4096;

/// An error of the client.
pub struct Problem {
    pub status: u16,
    pub detail: String,
    /// The value of the header `allow`.
    pub allow: Option<&'static str>,
}

impl Problem {
    pub fn new(status: u16, detail: String) -> Self {
        Self {
            status,
            detail,
            allow: None,
        }
    }
}

/// Sends the response. A client that is gone ends the request.
pub fn send(result: Result<Value, Problem>, method: &Method, out: ResponseOutparam) {
    let (status, kind, allow, value) = match result {
        Ok(value) => (200, "application/json", None, value),
        Err(Problem {
            status,
            detail,
            allow,
        }) => {
            let value = json!({ "status": status, "detail": detail });
            (status, "application/problem+json", allow, value)
        }
    };
    let text = format!("{value}\n");
    let length = text.len().to_string();
    let headers = Fields::new();
    let allow = allow.map(|allow| ("allow", allow));
    let named = [("content-type", kind), ("content-length", &length)];
    for (name, value) in named.into_iter().chain(allow) {
        headers
            .append(name, value.as_bytes())
            .expect("a header that a handler may set");
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    if matches!(method, Method::Head) {
        return ResponseOutparam::set(out, Ok(response));
    }
    let body = response.body().expect("the only body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the only stream");
    for piece in text.as_bytes().chunks(WRITE_BYTES) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    // An error means that the client is gone.
    let _ = OutgoingBody::finish(body, None);
}
