//! `facts`: a JSON API of two resources.
//!
//! `GET /factorial/{n}` computes an exact factorial. `POST /words` counts the lines, words and
//! bytes of a text, and lists its ten most frequent words.

mod response;
mod words;

use num_bigint::BigUint;
use serde_json::{Value, json};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, Method, ResponseOutparam};

use crate::response::{Problem, send};

wasip2::http::proxy::export!(Facts);

/// The largest number whose factorial is computed.
const N_MAX: u32 = 10_000;

struct Facts;

impl Guest for Facts {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let result = if let Some(n) = path.strip_prefix("/factorial/") {
            allow(&request.method(), &[Method::Get, Method::Head], "GET, HEAD")
                .and_then(|()| factorial(n))
        } else if path == "/words" {
            allow(&request.method(), &[Method::Post], "POST").and_then(|()| words::count(&request))
        } else {
            Err(Problem::new(
                404,
                "expected /factorial/{n} or /words".to_owned(),
            ))
        };
        send(result, &request.method(), out);
    }
}

/// Refuses other methods.
fn allow(method: &Method, methods: &[Method], names: &'static str) -> Result<(), Problem> {
    if methods.iter().any(|allowed| same(allowed, method)) {
        return Ok(());
    }
    let problem = Problem::new(405, format!("expected the method {names}"));
    Err(Problem {
        allow: Some(names),
        ..problem
    })
}

fn same(lhs: &Method, rhs: &Method) -> bool {
    std::mem::discriminant(lhs) == std::mem::discriminant(rhs)
}

/// The digits are a string: JSON's numbers are often read as floating point.
fn factorial(n: &str) -> Result<Value, Problem> {
    let number = n.parse::<u32>().ok().filter(|n| *n <= N_MAX);
    let Some(number) = number else {
        let detail = format!("expected an integer from 0 to {N_MAX}, got {n}");
        return Err(Problem::new(400, detail));
    };
    let product: BigUint = (1..=number).map(BigUint::from).product();
    let digits = product.to_string();
    Ok(json!({ "n": number, "digits": digits.len(), "factorial": digits }))
}
