//! The answer to one request, from its arrival to the head of the answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use hyper::body::Body as _;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::request_body::RequestBody;
use super::response_body::{ResponseBody, Written};
use super::run::{Place, Run, Seat, start};
use super::turns::Turns;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::{Answer, content_length};
use crate::limits::{ERROR_CHARS, HANDLER_LONG_TURN, HANDLER_TURNS, Limit};
use crate::pool::wait_span;
use crate::span::record_failure;
use crate::tasks::Tasks;
use crate::text::one_line;

/// The state of a run at the head of its answer.
struct Begun {
    run: Run,
    exchange: Arc<Exchange>,
    /// `None` before the answer is set.
    answer: Option<Answer>,
    /// The end of the run.
    end: Option<Result<(), RunError>>,
}

impl Endpoint {
    /// Answers `request` in a fresh sandbox, within `deadline`. Returns as soon as the guest sets
    /// the head of its answer. The rest is written by one of `tasks`.
    ///
    /// # Errors
    ///
    /// The error of a handler that was refused, or that ended without an answer.
    pub async fn answer(
        self: &Arc<Self>,
        request: Request<Body>,
        deadline: &Deadline,
        tasks: &Tasks,
    ) -> Result<Response<ResponseBody>, RunError> {
        let answered = self.answer_or_fail(request, deadline, tasks).await;
        self.pool.meter().watch(answered)
    }

    async fn answer_or_fail(
        self: &Arc<Self>,
        request: Request<Body>,
        deadline: &Deadline,
        tasks: &Tasks,
    ) -> Result<Response<ResponseBody>, RunError> {
        let is_head = *request.method() == Method::HEAD;
        let exchange = Arc::<Exchange>::default();
        let request = self.checked(request, &exchange)?;
        let place = self.admit(deadline).await?;
        let run = start(
            Arc::clone(self),
            place,
            deadline.clone(),
            request,
            Arc::clone(&exchange),
        );
        let mut begun = Begun {
            run,
            exchange,
            answer: None,
            end: None,
        };
        // One that computes moves to another thread, which costs less before it starts.
        let mut turns = (!self.is_long.load(Relaxed)).then(|| Turns::new(deadline));
        if let Some(turns) = &mut turns {
            begun.proceed(Some(turns)).await;
        }
        if begun.answer.is_none() && begun.end.is_none() {
            turns = None;
            deadline.lengthen_turns(HANDLER_LONG_TURN);
            let proceeding = tasks.spawn(async {
                begun.proceed(None).await;
                Ok(begun)
            });
            begun = proceeding.await.unwrap_or(Err(RunError::WriterGone))?;
        }
        let is_long = deadline.ticks() > HANDLER_TURNS;
        // Threads write it only where it changes.
        if self.is_long.load(Relaxed) != is_long {
            self.is_long.store(is_long, Relaxed);
        }
        let Begun {
            run,
            exchange,
            answer,
            end,
        } = begun;
        let response = match (answer, end.as_ref()) {
            (Some(answer), _) => answer.map_err(|error| self.explain(&error))?,
            (None, Some(Err(error))) => return Err(error.clone()),
            (None, _) => {
                let what = "expected an answer, got none before the handler returned";
                return Err(RunError::Failed(what.to_owned()));
            }
        };
        let (mut head, frames) = response.into_parts();
        let length = check(head.status, &mut head.headers)?;
        let is_bodiless = is_head || is_bodiless(head.status);
        // hyper drops such a body at once, before the handler has ended.
        let is_empty = is_bodiless || length == Some(0);
        let body = if let Some(end) = end {
            // The limit that ended the handler says more than the body that it left.
            let body = whole(frames, length, is_bodiless);
            body.map_err(|error| end.err().unwrap_or(error))?
        } else {
            // The rest has as much time as the head.
            deadline.restart()?;
            let task = match turns {
                Some(turns) => tasks.spawn_here(turns.drive(run, tasks.clone())),
                None => tasks.spawn(run),
            };
            if is_empty {
                drop(task.detach());
                discard(frames, tasks);
                ResponseBody::none()
            } else {
                ResponseBody::written(Written {
                    frames,
                    exchange,
                    deadline: deadline.clone(),
                    left_bytes: length,
                    last: None,
                    trailers: None,
                    task: Some(task),
                    failure: None,
                })
            }
        };
        Ok(Response::from_parts(head, body))
    }

    /// Waits for a place of a sandbox.
    async fn admit(&self, deadline: &Deadline) -> Result<Place, RunError> {
        let need = self.need();
        let span = wait_span(need);
        let admitted = async {
            let mut share = self.member.admit(deadline, self.pool.meter()).await?;
            let seat = match share.take_idle() {
                Some(kept) => Seat::Kept(kept),
                None => Seat::Fresh(self.pool.reserve_one(need, deadline).await?),
            };
            Ok(Place { seat, share })
        };
        admitted
            .await
            .inspect_err(|error| record_failure(&span, error))
    }

    /// The request as the guest gets it.
    ///
    /// # Errors
    ///
    /// If its body is known to be too long.
    fn checked(
        &self,
        request: Request<Body>,
        exchange: &Arc<Exchange>,
    ) -> Result<Request<RequestBody>, RunError> {
        let limit_bytes = self.limits.bytes(Limit::RequestBody);
        let needed = request.body().size_hint().lower();
        if needed > limit_bytes {
            return Err(RunError::TooLarge {
                limit: Limit::RequestBody,
                value: limit_bytes,
                needed,
                needs: "".into(),
            });
        }
        let mut request = request.map(|body| RequestBody::new(body, exchange, &self.limits));
        if request.uri().authority().is_none() {
            // HTTP/1.0 needs no host.
            let headers = request.headers_mut();
            let host = headers.entry(header::HOST);
            host.or_insert(header::HeaderValue::from_static(""));
        }
        Ok(request)
    }

    /// The error of a guest that sets an error in place of an answer.
    fn explain(&self, error: &Error) -> RunError {
        match error {
            Error::HttpRequestBodySize(_) => {
                RunError::stopped(Limit::RequestBody, self.limits.get(Limit::RequestBody))
            }
            Error::ConnectionReadTimeout => {
                RunError::stopped(Limit::Stall, self.limits.get(Limit::Stall))
            }
            error => {
                let what = format!("the handler answered with the error {error:?}");
                RunError::Failed(one_line(&what, ERROR_CHARS))
            }
        }
    }
}

impl Begun {
    /// Drives the run until the guest sets its answer, or until it ends. With `turns`, it also
    /// stops once the guest computes for too long.
    async fn proceed(&mut self, mut turns: Option<&mut Turns>) {
        poll_fn(|context| {
            if let Poll::Ready(end) = self.run.as_mut().poll(context) {
                self.end = Some(end);
            }
            self.answer = self.exchange.take_answer();
            let computes = turns.as_mut().is_some_and(|it| it.end());
            if self.answer.is_some() || self.end.is_some() || computes {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Whether an answer of that status has no body.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Checks the head of an answer. Returns its `Content-Length`.
fn check(status: StatusCode, headers: &mut HeaderMap) -> Result<Option<u64>, RunError> {
    if status.is_informational() {
        return Err(RunError::Failed(format!(
            "expected a final status from 200 on, got {status}"
        )));
    }
    let length = content_length(headers).map_err(|()| {
        RunError::Failed("expected one number in Content-Length, got another value".to_owned())
    })?;
    if status == StatusCode::NO_CONTENT {
        // RFC 9110, section 8.6.
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(length)
}

/// The body of a handler that has ended.
fn whole(
    mut frames: HyperOutgoingBody,
    length: Option<u64>,
    is_bodiless: bool,
) -> Result<ResponseBody, RunError> {
    if is_bodiless {
        return Ok(ResponseBody::none());
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut pieces = Pieces::default();
    loop {
        match Pin::new(&mut frames).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => pieces.push(bytes),
                Err(frame) => {
                    pieces.trailers = frame.into_trailers().ok();
                }
            },
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {
                let what =
                    "expected the end of the answer's body, got none before the handler returned";
                return Err(RunError::Failed(what.to_owned()));
            }
        }
    }
    let bytes = pieces.join();
    if length.is_some_and(|length| length != bytes.len() as u64) {
        return Err(RunError::Failed(format!(
            "expected a body as long as Content-Length, got {} bytes",
            bytes.len()
        )));
    }
    Ok(ResponseBody::whole(bytes, pieces.trailers))
}

/// The pieces of a whole body.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    rest: BytesMut,
    trailers: Option<HeaderMap>,
}

impl Pieces {
    fn push(&mut self, bytes: Bytes) {
        if self.first.is_empty() {
            self.first = bytes;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&bytes);
    }

    fn join(&mut self) -> Bytes {
        if self.rest.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            std::mem::take(&mut self.rest).freeze()
        }
    }
}

/// Discards the body of an answer that has none, so that the guest can write it.
fn discard(mut frames: HyperOutgoingBody, tasks: &Tasks) {
    let discarding = tasks.spawn_here(async move {
        while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut frames).poll_frame(context)).await {
        }
        Ok(())
    });
    drop(discarding.detach());
}
