//! A handler of WASI 0.3 whose path selects its behaviour. The query is its argument.

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({ path: "wit", world: "handler", generate_all });
    export!(Component with_types_in self);
    pub struct Component;
}

use bindings::exports::wasi::http::handler::Guest;
use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::http::client;
use bindings::wasi::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use bindings::{Component, wit_future, wit_stream};
use wit_bindgen::{StreamReader, StreamWriter, spawn_local};

const HOUR_NS: u64 = 3_600_000_000_000;

type Answer = Result<Response, ErrorCode>;

impl Guest for Component {
    async fn handle(request: Request) -> Answer {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/hello" => Ok(text("hello\n")),
            "/request" => {
                let (method, scheme) = (request.get_method(), request.get_scheme());
                let authority = request.get_authority();
                Ok(text(&format!(
                    "{method:?} {scheme:?} {authority:?} {target}\n"
                )))
            }
            "/env" => Ok(text(&std::env::var(query).unwrap_or_default())),
            "/log" => {
                println!("to stdout: {query}");
                Ok(text(""))
            }
            "/status" => {
                let response = text("body");
                let status = query.parse().expect("a status");
                response.set_status_code(status).expect("a status");
                Ok(response)
            }
            "/echo" => Ok(echo(request)),
            "/forward" => Ok(forward(request)),
            "/stream" => Ok(stream(query.parse().expect("a number"))),
            "/trailers" => Ok(trailers(query)),
            "/announced" => Ok(announced(query)),
            "/error" => Err(ErrorCode::ConfigurationError),
            "/trap" => trap(),
            "/trap-at-once" => Ok(begin(async |_| trap())),
            "/trap-late" => Ok(begin(async |_| {
                // The client has the head by now.
                monotonic_clock::wait_for(50_000_000).await;
                trap()
            })),
            "/hold" => Ok(begin(async |_| monotonic_clock::wait_for(HOUR_NS).await)),
            "/abandon" => Ok(begin(async |writer| std::mem::forget(writer))),
            "/spin" => loop {
                std::hint::black_box(0);
            },
            "/wait" => {
                monotonic_clock::wait_for(HOUR_NS).await;
                Ok(text(""))
            }
            "/after" => Ok(after()),
            "/fields" => Ok(fields()),
            "/fetch" => fetch(query).await,
            "/send-long" => send_long(query).await,
            _ => {
                let response = text("unknown path\n");
                response.set_status_code(404).expect("a status");
                Ok(response)
            }
        }
    }
}

/// Traps without a message, which would look like a panic of the host in its log.
fn trap() -> ! {
    std::process::abort()
}

/// A response with `headers` and the body that `write` writes.
fn respond(
    headers: Fields,
    trailers: Option<Fields>,
    write: impl AsyncFnOnce(StreamWriter<u8>) + 'static,
) -> Response {
    let (writer, reader) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(headers, Some(reader), ended);
    spawn_local(async move {
        write(writer).await;
        let _ = end.write(Ok(trailers)).await;
    });
    response
}

fn text(text: &str) -> Response {
    let bytes = text.as_bytes().to_vec();
    respond(Fields::new(), None, async |mut writer| {
        writer.write_all(bytes).await;
    })
}

/// The first piece of a body, and then `go_on`.
fn begin(go_on: impl AsyncFnOnce(StreamWriter<u8>) + 'static) -> Response {
    respond(Fields::new(), None, async |mut writer| {
        writer.write_all(b"half".to_vec()).await;
        go_on(writer).await;
    })
}

/// The bytes of `request`, which the guest reads and writes, and its trailers.
fn echo(request: Request) -> Response {
    let (result, handled) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut reader, trailers) = Request::consume_body(request, handled);
    let (mut writer, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), Some(body), ended);
    spawn_local(async move {
        copy(&mut reader, &mut writer).await;
        drop(writer);
        let _ = end.write(trailers.await).await;
    });
    response
}

async fn copy(reader: &mut StreamReader<u8>, writer: &mut StreamWriter<u8>) {
    loop {
        let (status, bytes) = reader.read(Vec::with_capacity(1 << 16)).await;
        if !writer.write_all(bytes).await.is_empty() {
            return;
        }
        if matches!(status, wit_bindgen::StreamResult::Dropped) {
            return;
        }
    }
}

/// The body of `request`, which the guest never reads.
fn forward(request: Request) -> Response {
    let (result, handled) = wit_future::new(|| Ok(()));
    drop(result);
    let (body, trailers) = Request::consume_body(request, handled);
    Response::new(Fields::new(), Some(body), trailers).0
}

fn stream(bytes: usize) -> Response {
    respond(Fields::new(), None, async move |mut writer| {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(1 << 16);
            if !writer.write_all(vec![b'x'; piece]).await.is_empty() {
                return;
            }
            left -= piece;
        }
    })
}

fn trailers(value: &str) -> Response {
    let trailers = Fields::new();
    trailers
        .set("x-end", &[value.as_bytes().to_vec()])
        .expect("a field");
    let headers = Fields::new();
    headers
        .set("trailer", &[b"x-end".to_vec()])
        .expect("a field");
    respond(headers, Some(trailers), async |mut writer| {
        writer.write_all(b"body".to_vec()).await;
    })
}

/// Ten bytes with the `Content-Length` of `length`.
fn announced(length: &str) -> Response {
    let headers = Fields::new();
    headers
        .set("content-length", &[length.as_bytes().to_vec()])
        .expect("a field");
    respond(headers, None, async |mut writer| {
        for _ in 0..10 {
            writer.write_all(vec![b'x']).await;
        }
    })
}

/// An answer, and work after it.
fn after() -> Response {
    spawn_local(async {
        monotonic_clock::wait_for(200_000_000).await;
        println!("after the answer");
    });
    text("answer")
}

/// More fields than a sandbox may have.
fn fields() -> Response {
    let mut all = Vec::new();
    loop {
        all.push(Fields::new());
    }
}

async fn fetch(authority: &str) -> Answer {
    let (end, ended) = wit_future::new(|| Ok(None));
    drop(end);
    let (request, _) = Request::new(Fields::new(), None, ended, None);
    send(authority, "/", request).await
}

/// A request with more bytes than its `Content-Length`.
async fn send_long(authority: &str) -> Answer {
    let headers = Fields::new();
    headers
        .set("content-length", &[b"3".to_vec()])
        .expect("a field");
    let (mut writer, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(headers, Some(body), ended, None);
    request.set_method(&Method::Post).expect("a method");
    spawn_local(async move {
        writer.write_all(b"more".to_vec()).await;
        let _ = end.write(Ok(None)).await;
    });
    // An answer would be there before the error.
    send(authority, "/wait", request).await
}

async fn send(authority: &str, path: &str, request: Request) -> Answer {
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    request.set_path_with_query(Some(path)).expect("a path");
    match client::send(request).await {
        Ok(response) => Ok(text(&format!("{}", response.get_status_code()))),
        Err(error) => Ok(text(&format!("{error:?}"))),
    }
}
