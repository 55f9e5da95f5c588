//! A handler whose path selects its behaviour, some of it hostile. The query is its argument.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

struct Handler;

/// Requests that this sandbox answered before.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        // The prefix of a route is a part of the path.
        let prefix = std::env::var("PREFIX").unwrap_or_default();
        let path = path.strip_prefix(&prefix).unwrap_or(path);
        let number = || query.parse::<u64>().expect("a number");
        match path {
            "/hello" => respond(answer, 200, &[], b"hello\n"),
            "/answered" => {
                let text = format!("{}", ANSWERED.fetch_add(1, Ordering::Relaxed));
                respond(answer, 200, &[], text.as_bytes());
            }
            "/keep" => {
                // A sandbox that is used again has grown.
                std::mem::forget(vec![1_u8; usize::try_from(number()).expect("a size")]);
                let text = format!("{}", ANSWERED.fetch_add(1, Ordering::Relaxed));
                respond(answer, 200, &[], text.as_bytes());
            }
            "/status" => {
                let status = query.parse().expect("a status");
                respond(answer, status, &[], b"body");
            }
            "/empty" => {
                let status = query.parse().expect("a status");
                respond(answer, status, &[], b"");
            }
            "/empty-late" => {
                let status: u16 = query.parse().expect("a status");
                let (body, out) = begin(answer, status, &[("content-length", "0")]);
                subscribe_duration(50_000_000).block();
                drop(out);
                OutgoingBody::finish(body, None).expect("a whole body");
                println!("worked after {status}");
            }
            "/target" => respond(answer, 200, &[], target.as_bytes()),
            "/request" => respond(answer, 200, &[], describe(&request).as_bytes()),
            "/header" => {
                let value = request.headers().get(query).concat();
                respond(answer, 200, &[], &value);
            }
            "/env" => {
                let value = std::env::var(query).unwrap_or_default();
                respond(answer, 200, &[], value.as_bytes());
            }
            "/read" => {
                let text = std::fs::read(query);
                respond(answer, 200, &[], &text.expect("a file"));
            }
            "/log" => {
                println!("to stdout: {query}");
                eprintln!("to stderr: {query}");
                respond(answer, 200, &[], b"");
            }
            "/log-control" => {
                println!("red \u{1b}[31m\0\ttab\r INFO forged\r");
                respond(answer, 200, &[], b"");
            }
            "/flood-log" => {
                for line in 0..number() {
                    println!("line {line}");
                }
                println!("{}", "x".repeat(1 << 20));
                respond(answer, 200, &[], b"");
            }
            "/echo" => echo(&request, answer),
            "/count" => count(&request, answer),
            "/refuse-long" => refuse_long(&request, answer),
            "/trailers" => trailers(answer, query),
            "/trailers-late" => trailers_late(answer, query),
            "/answer-then-read" => answer_then_read(&request, answer),
            "/twice" => answer_twice(answer),
            "/values" => respond(answer, 200, &[], refused_fields().as_bytes()),
            "/with" => {
                let (name, value) = query.split_once('=').expect("a field");
                respond_with_field(answer, name, value);
            }
            "/redirect" => respond(answer, 302, &[("location", query)], b""),
            "/follow" => fetch_location(answer, query),
            "/hold" => {
                let (_body, out) = begin(answer, 200, &[]);
                write(&out, b"half");
                loop {
                    subscribe_duration(1_000_000_000).block();
                }
            }
            "/trailers-in" => trailers_in(&request, answer),
            "/stream" => stream(answer, number(), None),
            "/stream-announced" => stream(answer, number(), Some(number())),
            "/short" => stream(answer, 10, Some(number())),
            "/long" => stream(answer, number() + 10, Some(number())),
            "/head" => {
                let fields = [("content-length", "1000")];
                if matches!(request.method(), wasip2::http::types::Method::Head) {
                    respond(answer, 200, &fields, b"");
                } else {
                    respond(answer, 200, &fields, &[b'x'; 1000]);
                }
            }
            "/fields" => respond_with_fields(answer, number()),
            "/forbidden" => {
                let set = Fields::new().set(query, &[b"x".to_vec()]);
                respond(answer, 200, &[], format!("{set:?}").as_bytes());
            }
            "/error" => ResponseOutparam::set(answer, Err(ErrorCode::ConfigurationError)),
            "/long-error" => {
                let text = "x\n".repeat(usize::try_from(number()).expect("a size"));
                let error = ErrorCode::InternalError(Some(text));
                ResponseOutparam::set(answer, Err(error));
            }
            "/silent" => drop(answer),
            "/wait" => loop {
                subscribe_duration(1_000_000_000).block();
            },
            "/slow" => {
                subscribe_duration(number() * 1_000_000).block();
                respond(answer, 200, &[], b"slow\n");
            }
            "/spin" => spin(),
            "/count-down" => {
                let mut left = number();
                while left > 0 {
                    left = std::hint::black_box(left - 1);
                }
                respond(answer, 200, &[], b"zero\n");
            }
            "/compute" => {
                let start = std::time::Instant::now();
                while start.elapsed() < Duration::from_millis(number()) {}
                respond(answer, 200, &[], b"computed\n");
            }
            "/trap" => core::arch::wasm32::unreachable(),
            "/take" => take_memory(),
            "/trap-after" => {
                let (body, out) = begin(answer, 200, &[]);
                write(
                    &out,
                    &vec![b'x'; usize::try_from(number()).expect("a size")],
                );
                // The server has the head by now.
                subscribe_duration(50_000_000).block();
                drop((body, out));
                core::arch::wasm32::unreachable();
            }
            "/drop-body" => {
                let (body, out) = begin(answer, 200, &[]);
                write(&out, b"half");
                subscribe_duration(50_000_000).block();
                drop(out);
                drop(body);
                subscribe_duration(number() * 1_000_000).block();
            }
            "/leave-body" => {
                let (body, out) = begin(answer, 200, &[]);
                write(&out, b"half");
                std::mem::forget((body, out));
            }
            "/spin-after" => {
                let (body, out) = begin(answer, 200, &[]);
                write(&out, b"half");
                std::mem::forget((body, out));
                spin();
            }
            "/work-after" => {
                respond(answer, 200, &[], b"done\n");
                subscribe_duration(number() * 1_000_000).block();
                println!("worked after the answer");
            }
            "/spin-after-answer" => {
                respond(answer, 200, &[], b"done\n");
                spin();
            }
            "/panic" => panic!("it meant to"),
            "/fetch" => fetch(answer, query),
            "/fetch-many" => fetch_many(answer, query),
            _ => respond(
                answer,
                404,
                &[("content-type", "text/plain")],
                b"unknown path\n",
            ),
        }
    }
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn take_memory() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&all);
    }
}

fn fields(list: &[(&str, &str)]) -> Fields {
    let list: Vec<_> = list
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&list).expect("valid fields")
}

/// Sets the head of the answer.
fn begin(
    answer: ResponseOutparam,
    status: u16,
    list: &[(&str, &str)],
) -> (OutgoingBody, OutputStream) {
    let response = OutgoingResponse::new(fields(list));
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the body");
    ResponseOutparam::set(answer, Ok(response));
    let out = body.write().expect("its stream");
    (body, out)
}

fn respond(answer: ResponseOutparam, status: u16, list: &[(&str, &str)], bytes: &[u8]) {
    let (body, out) = begin(answer, status, list);
    // A body that nobody reads is closed.
    try_write(&out, bytes).ok();
    drop(out);
    OutgoingBody::finish(body, None).expect("a whole body");
}

fn write(out: &OutputStream, bytes: &[u8]) {
    try_write(out, bytes).expect("a reader");
}

fn try_write(out: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        out.subscribe().block();
        let room = usize::try_from(out.check_write()?).unwrap_or(usize::MAX);
        let (piece, after) = rest.split_at(room.min(rest.len()));
        out.write(piece)?;
        rest = after;
    }
    Ok(())
}

fn describe(request: &IncomingRequest) -> String {
    let mut text = format!(
        "{:?} {:?} {:?} {:?}\n",
        request.method(),
        request.scheme(),
        request.authority(),
        request.path_with_query()
    );
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text
}

/// The body of the request with its stream.
fn input(request: &IncomingRequest) -> (IncomingBody, InputStream) {
    let body = request.consume().expect("the body");
    let stream = body.stream().expect("its stream");
    (body, stream)
}

fn echo(request: &IncomingRequest, answer: ResponseOutparam) {
    let (_body, input) = input(request);
    let (body, out) = begin(answer, 200, &[]);
    while let Ok(bytes) = input.blocking_read(64 << 10) {
        write(&out, &bytes);
    }
    drop(out);
    OutgoingBody::finish(body, None).expect("a whole body");
}

fn count(request: &IncomingRequest, answer: ResponseOutparam) {
    let (_body, input) = input(request);
    let mut bytes = 0;
    let end = loop {
        match input.blocking_read(64 << 10) {
            Ok(piece) => bytes += piece.len(),
            Err(StreamError::Closed) => break "whole",
            Err(StreamError::LastOperationFailed(_)) => break "broken",
        }
    };
    respond(answer, 200, &[], format!("{bytes} {end}").as_bytes());
}

/// Passes the error of a body that is too long on.
fn refuse_long(request: &IncomingRequest, answer: ResponseOutparam) {
    let (_body, input) = input(request);
    loop {
        match input.blocking_read(64 << 10) {
            Ok(_) => {}
            Err(StreamError::Closed) => return respond(answer, 200, &[], b"short"),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                let code = code.unwrap_or(ErrorCode::HttpRequestBodySize(None));
                return ResponseOutparam::set(answer, Err(code));
            }
        }
    }
}

fn trailers(answer: ResponseOutparam, value: &str) {
    let (body, out) = begin(answer, 200, &[("trailer", "x-sum")]);
    write(&out, b"summed");
    drop(out);
    let trailers = fields(&[("x-sum", value)]);
    OutgoingBody::finish(body, Some(trailers)).expect("a whole body");
}

/// Sends trailers some time after a body of known length.
fn trailers_late(answer: ResponseOutparam, value: &str) {
    let (body, out) = begin(
        answer,
        200,
        &[("trailer", "x-sum"), ("content-length", "6")],
    );
    write(&out, b"summed");
    subscribe_duration(50_000_000).block();
    drop(out);
    let trailers = fields(&[("x-sum", value)]);
    OutgoingBody::finish(body, Some(trailers)).expect("a whole body");
}

/// Begins its answer before it reads the request, and ends it with the length of the request.
fn answer_then_read(request: &IncomingRequest, answer: ResponseOutparam) {
    let (body, out) = begin(answer, 200, &[]);
    write(&out, b"begun ");
    let (_body, input) = input(request);
    let mut bytes = 0;
    while let Ok(piece) = input.blocking_read(64 << 10) {
        bytes += piece.len();
    }
    write(&out, bytes.to_string().as_bytes());
    drop(out);
    OutgoingBody::finish(body, None).expect("a whole body");
}

#[expect(unsafe_code, reason = "the bindings let no handler answer twice")]
fn answer_twice(answer: ResponseOutparam) {
    // SAFETY: the host checks each handle, and the guest stops at a wrong one.
    let again = unsafe { ResponseOutparam::from_handle(answer.handle()) };
    respond(answer, 200, &[], b"first");
    respond(again, 200, &[], b"second");
}

/// What the host says to fields that would break the head of an answer.
fn refused_fields() -> String {
    let set = |name: &str, value: &[u8]| {
        let set = Fields::new().set(name, &[value.to_vec()]);
        format!("{name:?} {:?}: {set:?}\n", String::from_utf8_lossy(value))
    };
    let values: [&[u8]; 5] = [b"a\0b", b"a\rb", b"a\nb", b"a\r\nx-more: b", b"\x7f"];
    let values = values.into_iter().map(|value| set("x-any", value));
    let names = ["", "a b", "a:", "a\r\nb", "a\0", "\u{e9}"];
    values
        .chain(names.into_iter().map(|name| set(name, b"x")))
        .collect()
}

fn trailers_in(request: &IncomingRequest, answer: ResponseOutparam) {
    let (body, input) = input(request);
    while input.blocking_read(64 << 10).is_ok() {}
    drop(input);
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let trailers = future.get().expect("it is ready").expect("the first time");
    let trailers = trailers.expect("no error").map(|it| it.entries());
    let text = trailers.map_or("none".to_owned(), |list| {
        list.iter().fold(String::new(), |text, (name, value)| {
            text + &format!("{name}: {}\n", String::from_utf8_lossy(value))
        })
    });
    respond(answer, 200, &[], text.as_bytes());
}

fn stream(answer: ResponseOutparam, count: u64, announced: Option<u64>) {
    let announced = announced.map(|bytes| bytes.to_string());
    let list: Vec<_> = announced
        .iter()
        .map(|bytes| ("content-length", bytes.as_str()))
        .collect();
    let (body, out) = begin(answer, 200, &list);
    let piece = vec![b'x'; 64 << 10];
    let mut left = usize::try_from(count).expect("a size");
    while left > 0 {
        let size = left.min(piece.len());
        if try_write(&out, &piece[..size]).is_err() {
            return;
        }
        left -= size;
    }
    drop(out);
    OutgoingBody::finish(body, None).ok();
}

/// Answers with a field that may be wrong.
fn respond_with_field(answer: ResponseOutparam, name: &str, value: &str) {
    let list = Fields::new();
    list.append(name, value.as_bytes()).ok();
    let response = OutgoingResponse::new(list);
    let body = response.body();
    ResponseOutparam::set(answer, Ok(response));
    if let Ok(body) = body {
        let out = body.write().expect("its stream");
        try_write(&out, b"body").ok();
        drop(out);
        OutgoingBody::finish(body, None).ok();
    }
}

fn respond_with_fields(answer: ResponseOutparam, count: u64) {
    let list = Fields::new();
    for number in 0..count {
        let name = format!("x-{number}");
        if let Err(error) = list.append(&name, &[b'v'; 100]) {
            let text = format!("refused {number}: {error:?}");
            return respond(answer, 200, &[], text.as_bytes());
        }
    }
    let response = OutgoingResponse::new(list);
    ResponseOutparam::set(answer, Ok(response));
}

/// A request for `http://HOST:PORT/PATH` or `https://…`.
fn request_of(url: &str) -> OutgoingRequest {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    request.set_scheme(Some(&scheme)).expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    let path = format!("/{path}");
    request.set_path_with_query(Some(&path)).expect("a path");
    request
}

/// Answers with the status and the body of a request, or with its error.
fn fetch(answer: ResponseOutparam, url: &str) {
    let sent = handle(request_of(url), None).and_then(|future| {
        future.subscribe().block();
        future.get().expect("it is ready").expect("the first time")
    });
    let response = match sent {
        Ok(response) => response,
        Err(error) => return respond(answer, 502, &[], format!("{error:?}").as_bytes()),
    };
    let incoming = response.consume().expect("the body");
    let input = incoming.stream().expect("its stream");
    let (body, out) = begin(answer, response.status(), &[]);
    loop {
        match input.blocking_read(64 << 10) {
            Ok(bytes) => write(&out, &bytes),
            Err(StreamError::Closed) => break,
            // The answer breaks off, too.
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
    drop(out);
    OutgoingBody::finish(body, None).expect("a whole body");
}

/// Sends a request to `url`, and one to the location in its answer, as browsers do.
fn fetch_location(answer: ResponseOutparam, url: &str) {
    let future = handle(request_of(url), None).expect("a request");
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("the first time");
    let location = response
        .expect("an answer")
        .headers()
        .get("location")
        .concat();
    fetch(answer, &String::from_utf8(location).expect("text"));
}

/// Sends `COUNT:URL` requests at once, and answers with the numbers of answers and errors.
fn fetch_many(answer: ResponseOutparam, argument: &str) {
    let (count, url) = argument.split_once(':').expect("a count");
    let count: usize = count.parse().expect("a count");
    let sent: Vec<_> = (0..count).map(|_| handle(request_of(url), None)).collect();
    let mut errors = Vec::new();
    let mut answered = 0;
    for future in sent {
        let response = future.and_then(|future| {
            future.subscribe().block();
            future.get().expect("it is ready").expect("the first time")
        });
        match response {
            Ok(_) => answered += 1,
            Err(error) => errors.push(format!("{error:?}")),
        }
    }
    errors.dedup();
    let text = format!("{answered} answered, {errors:?}");
    respond(answer, 200, &[], text.as_bytes());
}
