//! `GET /factorial/{n}` as a component of `wasi:http/proxy`: what the native
//! handler of the bench does, in an instance of its own for each request.

use num_bigint::BigUint;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wasip2::http::proxy::export!(Factorials);

struct Factorials;

/// The most that one write may have.
const WRITE_BYTES: usize = 4096;

impl Guest for Factorials {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let n = path
            .strip_prefix("/factorial/")
            .and_then(|n| n.parse::<u64>().ok());
        let (status, text) = n.map_or_else(
            || (404, String::new()),
            |n| {
                let product: BigUint = (1..=n).map(BigUint::from).product();
                (200, product.to_string())
            },
        );
        let headers = Fields::new();
        let length = text.len().to_string();
        let named = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", &length),
        ];
        for (name, value) in named {
            headers
                .append(name, value.as_bytes())
                .expect("a header that may be set");
        }
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).expect("a status");
        let body = response.body().expect("the only body");
        ResponseOutparam::set(answer, Ok(response));
        let out = body.write().expect("the only stream");
        for piece in text.as_bytes().chunks(WRITE_BYTES) {
            out.blocking_write_and_flush(piece).expect("a reader");
        }
        drop(out);
        OutgoingBody::finish(body, None).expect("as many bytes as promised");
    }
}
