//! A component of `wasi:http/proxy` with three paths. `GET /factorial/{n}` does what the native
//! handler of the bench does, in an instance of its own for each request. `POST /echo` returns
//! the body, and `GET /spin` computes without end.

use num_bigint::BigUint;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

wasip2::http::proxy::export!(Factorials);

struct Factorials;

/// The most that one write may have.
const WRITE_BYTES: usize = 4096;
/// The most that one read of `/echo` returns.
const BLOCK_BYTES: u64 = 64 << 10;

impl Guest for Factorials {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match &*path {
            "/echo" => return echo(&request, answer),
            "/spin" => spin(),
            _ => {}
        }
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

/// Returns the body in the blocks in which it arrives.
fn echo(request: &IncomingRequest, answer: ResponseOutparam) {
    let incoming = request.consume().expect("the only reader");
    let input = incoming.stream().expect("the only stream");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the only body");
    ResponseOutparam::set(answer, Ok(response));
    let out = body.write().expect("the only stream");
    let ready = out.subscribe();
    loop {
        let block = match input.blocking_read(BLOCK_BYTES) {
            Ok(block) => block,
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error:?}"),
        };
        let mut rest = &*block;
        while !rest.is_empty() {
            ready.block();
            let room = out.check_write().expect("a reader");
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at(room.min(rest.len()));
            out.write(piece).expect("a reader");
            rest = after;
        }
    }
    out.blocking_flush().expect("a reader");
    drop((ready, out, input));
    drop(IncomingBody::finish(incoming));
    OutgoingBody::finish(body, None).expect("the whole body");
}

fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}
