//! `GET /factorials/{n}`: 1! to n!, each from a sandbox of its own, at the same time, in order.
//!
//! The last record says that it is the last, or names the error. So a client sees that a
//! listing was cut, with any version of HTTP.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::openapi::{
    ListCount, ListDone, ListEvent, ListFailed, ListLine, ListState, Stage, Whole,
};
use super::parse::{self, ParsedRequest, Segment};
use super::response::{self, Answer};
use super::{Service, json};
use crate::error::RunError;
use crate::http::server::{
    BodyWriter, Codings, CommonRefusals, EVENT_STREAM, JobRefusals, Length, Problem,
    Representation, negotiate, stream_body,
};
use crate::json::to_json;
use crate::limits::{ITEMS_AT_ONCE, Limit};
use crate::span::spawn;
use crate::worlds::factorial::{Factorial, Kind};

/// The format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    /// A line each.
    Lines,
    /// Server-sent events, also with the state of each sandbox.
    Events,
}

const MEDIA: &[(&str, Media)] = &[
    ("application/x-ndjson", Media::Lines),
    (EVENT_STREAM, Media::Events),
];

/// 1! to n! in order, each from its own sandbox.
///
/// NDJSON has one record on each line. The last line is `{"done":true,"count":n}`, or
/// `{"failed":{…}}` with the problem. Of server-sent events, `result` has such a record, `state`
/// reports that a sandbox is `queued`, `running` or `done`, and the last is `done` or `failed`.
#[utoipa::path(
    method(get, head),
    path = "/factorials/{n}",
    params(("n" = inline(Whole), Path, description = "The number of items; more than `--list-items` are refused with 422", example = 10)),
    responses(
        (status = 200, description = "The numbers, a stream of lines or of events", content(
            (ListLine = "application/x-ndjson"),
            (ListEvent = "text/event-stream"),
        )),
        CommonRefusals,
        JobRefusals,
    )
)]
pub(super) async fn factorials(
    State(service): State<Service>,
    Segment(n): Segment,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    codings: Codings,
) -> Result<Response, Problem> {
    let n = parse::number_from_uri(&n, &uri)?;
    let media = negotiate(&headers, MEDIA)?;
    let (limit, value) = (
        Limit::ListItems,
        service.server().limits().get(Limit::ListItems),
    );
    if n > value {
        return Err(RunError::TooLarge {
            limit,
            value,
            needed: n,
            needs: "".into(),
        }
        .into());
    }
    // A listing that cannot be finished does not begin. The last number is the largest.
    let last = ParsedRequest::decimal(Kind::Factorial, n);
    drop(last.admit(service.factorial()).await?);
    let body = (method != Method::HEAD).then(|| {
        let factorial = service.factorial().clone();
        stream_body(service.server(), async move |body| {
            let listing = Listing { body: &body, media };
            let result = listing.write(&factorial, n).await;
            (body, result)
        })
    });
    let representation = Representation::fresh(media.name()).negotiated();
    Ok(representation.response(codings, body, Length::Unknown))
}

impl Media {
    const fn name(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => EVENT_STREAM,
        }
    }
}

/// The writer of a listing.
struct Listing<'a> {
    body: &'a BodyWriter,
    media: Media,
}

type States = mpsc::Sender<(u64, Stage)>;

impl Listing<'_> {
    async fn write(&self, factorial: &Factorial, n: u64) -> Result<(), RunError> {
        // The list to 0 has the one item 0!, as on the command line.
        let numbers = if n == 0 { 0..=0 } else { 1..=n };
        let count = numbers.clone().count();
        let (states, mut changes) = mpsc::channel(ITEMS_AT_ONCE);
        let with_states = (self.media == Media::Events).then_some(states);
        let mut items = std::pin::pin!(
            futures::stream::iter(numbers)
                .map(|n| {
                    let item = item(factorial.clone(), n, with_states.clone());
                    let item = AbortOnDropHandle::new(spawn(item));
                    async move { item.await.map_err(|_| RunError::WriterGone)? }
                })
                .buffered(ITEMS_AT_ONCE)
        );
        loop {
            let next = self.body.or_reader_gone(async {
                tokio::select! {
                    biased;
                    Some(state) = changes.recv() => Next::State(state),
                    item = items.next() => Next::Item(item),
                }
            });
            match next.await? {
                Next::State((n, state)) => self.state(n, state).await?,
                Next::Item(Some(Ok(record))) => {
                    self.states(&mut changes).await?;
                    self.record("result", &record).await?;
                }
                Next::Item(Some(Err(error))) => {
                    let failed = ListFailed {
                        failed: error.into(),
                    };
                    return match self.media {
                        Media::Lines => self.json("", &failed).await,
                        Media::Events => self.json("failed", &failed.failed).await,
                    };
                }
                Next::Item(None) => break,
            }
        }
        self.states(&mut changes).await?;
        match self.media {
            Media::Lines => self.json("", &ListDone::of(count)).await,
            Media::Events => self.json("done", &ListCount { count }).await,
        }
    }

    /// Writes the states so far, so that a sandbox is done before its result.
    async fn states(&self, states: &mut mpsc::Receiver<(u64, Stage)>) -> Result<(), RunError> {
        while let Ok((n, state)) = states.try_recv() {
            self.state(n, state).await?;
        }
        Ok(())
    }

    async fn state(&self, n: u64, state: Stage) -> Result<(), RunError> {
        self.json("state", &ListState { n, state }).await
    }

    async fn json(&self, event: &str, record: &impl Serialize) -> Result<(), RunError> {
        self.record(event, &to_json(record)?).await
    }

    async fn record(&self, event: &str, record: &str) -> Result<(), RunError> {
        self.body
            .send(match self.media {
                Media::Lines => format!("{record}\n"),
                Media::Events => format!("event: {event}\ndata: {record}\n\n"),
            })
            .await
    }
}

enum Next {
    State((u64, Stage)),
    Item(Option<Result<String, RunError>>),
}

/// One number, in a sandbox of its own, as a record.
async fn item(factorial: Factorial, n: u64, states: Option<States>) -> Result<String, RunError> {
    let report = async |state| {
        if let Some(states) = &states {
            // A receiver that is gone has dropped this item as well.
            let _ = states.send((n, state)).await;
        }
    };
    let parsed = ParsedRequest::decimal(Kind::Factorial, n);
    report(Stage::Queued).await;
    let job = parsed.admit(&factorial).await?;
    report(Stage::Running).await;
    let started = Instant::now();
    match response::start(job).await? {
        Answer::Short(value) => {
            let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            report(Stage::Done).await;
            Ok(json::number(&parsed.request, Some(elapsed_us), &value))
        }
        Answer::Long(_) => Err(RunError::OutOfReach(format!(
            "expected a number that is short enough for a listing, got {n}!; use GET /factorial/{n}"
        ))),
    }
}
