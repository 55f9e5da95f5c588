//! `GET /factorials/{n}`: 1! to n!, each from a sandbox of its own, at the same
//! time, in order.
//!
//! The last record says that it is the last, or what failed, so that a listing
//! that was cut is known as one over any version of HTTP.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{self, Answer};
use super::ask::{self, Asked, Segment};
use super::feed::{Feed, feed};
use super::openapi::{
    Failed, ListCount, ListDone, ListEvent, ListFailed, ListLine, ListState, Refused, Stage, Whole,
};
use super::representation::{Codings, EVENT_STREAM, Representation, best};
use super::{Problem, Service};
use crate::error::RunError;
use crate::factorial::{Count, Factorial, Kind, Request};
use crate::limits::{ITEMS_AT_ONCE, Limit};
use crate::span::spawn;

/// How records are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    /// A line each.
    Lines,
    /// Server-sent events, which also tell how far each sandbox is.
    Events,
}

const MEDIA: &[(&str, Media)] = &[
    ("application/x-ndjson", Media::Lines),
    (EVENT_STREAM, Media::Events),
];

/// 1! to n!, each from a sandbox of its own, in order.
///
/// As NDJSON, one record a line; the last is `{"done":true,"count":n}`, or
/// `{"failed":{…}}` with the problem. As server-sent events, `result` has such a
/// record, `state` tells that a sandbox is `queued`, `running` or `done`, and
/// `done` or `failed` is the last.
#[utoipa::path(
    method(get, head),
    path = "/factorials/{n}",
    params(("n" = inline(Whole), Path, description = "How many; more than `--list-items` are refused with 422", example = 10)),
    responses(
        (status = 200, description = "The numbers: a stream of lines or of events", content(
            (ListLine = "application/x-ndjson"),
            (ListEvent = "text/event-stream"),
        )),
        Refused,
        Failed,
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
    let n = ask::number_from_uri(&n, &uri)?;
    let media = best(&headers, MEDIA)?;
    let (limit, value) = (Limit::ListItems, service.limits().get(Limit::ListItems));
    if n > value {
        return Err(RunError::TooLarge {
            limit,
            value,
            needed: n,
            needs: "items".into(),
        }
        .into());
    }
    // What cannot be finished is not begun: the last one is the largest.
    drop(answer::admit(service.factorial(), asked(n)).await?);
    let body = (method != Method::HEAD).then(|| {
        let factorial = service.factorial().clone();
        feed(&service, async move |feed| {
            let listed = Listing { feed: &feed, media }.write(&factorial, n).await;
            (feed, listed)
        })
    });
    let representation = Representation::fresh(media.name()).negotiated();
    Ok(representation.response(codings, body, Count::Beyond))
}

const fn asked(n: u64) -> Asked {
    Asked {
        request: Request::decimal(Kind::Factorial, n),
        patience_ms: u64::MAX,
    }
}

impl Media {
    const fn name(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => EVENT_STREAM,
        }
    }
}

/// A listing that is being written.
struct Listing<'a> {
    feed: &'a Feed,
    media: Media,
}

type States = mpsc::Sender<(u64, Stage)>;

impl Listing<'_> {
    async fn write(&self, factorial: &Factorial, n: u64) -> Result<(), RunError> {
        // 0! is the one item of the list to 0, as on the command line.
        let numbers = if n == 0 { 0..=0 } else { 1..=n };
        let count = numbers.clone().count();
        let (states, mut told) = mpsc::channel(ITEMS_AT_ONCE);
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
            let next = self.feed.meanwhile(async {
                tokio::select! {
                    biased;
                    Some(state) = told.recv() => Next::State(state),
                    item = items.next() => Next::Item(item),
                }
            });
            match next.await? {
                Next::State((n, state)) => self.state(n, state).await?,
                Next::Item(Some(Ok(record))) => {
                    self.states(&mut told).await?;
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
        self.states(&mut told).await?;
        match self.media {
            Media::Lines => self.json("", &ListDone::of(count)).await,
            Media::Events => self.json("done", &ListCount { count }).await,
        }
    }

    /// What was told by now, so that no result comes before its sandbox is done.
    async fn states(&self, told: &mut mpsc::Receiver<(u64, Stage)>) -> Result<(), RunError> {
        while let Ok((n, state)) = told.try_recv() {
            self.state(n, state).await?;
        }
        Ok(())
    }

    async fn state(&self, n: u64, state: Stage) -> Result<(), RunError> {
        self.json("state", &ListState { n, state }).await
    }

    async fn json(&self, event: &str, record: &impl Serialize) -> Result<(), RunError> {
        let json = serde_json::to_string(record);
        let json = json.map_err(|error| RunError::Failed(error.to_string()))?;
        self.record(event, &json).await
    }

    async fn record(&self, event: &str, record: &str) -> Result<(), RunError> {
        self.feed
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
    let tell = async |state| {
        if let Some(states) = &states {
            // Who does not listen any more has ended this as well.
            let _ = states.send((n, state)).await;
        }
    };
    let asked = asked(n);
    tell(Stage::Queued).await;
    let admitted = answer::admit(&factorial, asked).await?;
    tell(Stage::Running).await;
    let started = Instant::now();
    match answer::start(admitted).await? {
        Answer::Short(value) => {
            let elapsed_us = started.elapsed().as_micros();
            tell(Stage::Done).await;
            let more = format!("\"elapsed_us\":{elapsed_us},");
            Ok(answer::json(&asked.request, &more, &value))
        }
        Answer::Long(_) => Err(RunError::OutOfReach(format!(
            "{n}! is too long for a listing; GET /factorial/{n} has it"
        ))),
    }
}
