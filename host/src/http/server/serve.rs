//! The connections of the service, from the first byte to the last.
//!
//! A connection is accepted whenever one comes: `places` makes room for it, and `full`
//! answers it where there is none.
//!
//! A server that is asked to end goes on for the drain delay, so that load balancers
//! notice. It closes its listener, lets what runs finish within the drain timeout, and
//! gives up what is left. A request of which a byte was read is answered.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower::ServiceExt as _;

use super::Service;
use super::attributes::Ends;
use super::connection::{Activity, Answered, Socket};
use super::full::{self, Guest, Guests};
use super::places::{Place, Places};
use super::threads::Threads;
use crate::limits::{
    CONNECTION_STREAMS, LEAVING_CONNECTIONS, LEAVING_TIME_MS, Limit, Limits, things,
};
use crate::span::spawn;

/// What is waited for after the system refused a connection: descriptors may be
/// used up, and come back.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// How long the first request of a connection may take to begin when the server
/// ends. Who has just connected has a request in mind.
const FRESH_PATIENCE: Duration = Duration::from_millis(500);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that had begun was answered.
    Drained,
    /// So many connections were given up after the drain timeout.
    GivenUp(usize),
}

/// Serves `app` to whoever connects to `listener`, until `end` and what follows
/// from it.
///
/// # Errors
///
/// Where its threads cannot be started.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    service: &Service,
    end: impl Future<Output = ()>,
) -> io::Result<End> {
    let threads = Threads::start()?;
    let limits = service.limits().clone();
    let most = things(&limits, Limit::Connections);
    let server = Server::new(app, service, Places::new(most), Some(Guests::new(service)));
    let connections = TaskTracker::new();
    let ending = CancellationToken::new();
    let draining = async {
        end.await;
        service.drain();
        sleep(time(&limits, Limit::DrainDelay)).await;
    };
    let mut draining = pin!(draining);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => break,
            accepted = listener.accept() => accepted,
        };
        if let Some(stream) = take(accepted).await {
            server.begin(&threads, &connections, stream, &ending);
        }
    }
    for stream in connected(listener) {
        server.begin(&threads, &connections, stream, &ending);
    }
    ending.cancel();
    connections.close();
    let drained = timeout(time(&limits, Limit::DrainTimeout), connections.wait());
    Ok(match drained.await {
        Ok(()) => End::Drained,
        Err(_) => End::GivenUp(connections.len()),
    })
}

/// Closes the listener. Who has connected before is not sent away.
fn connected(listener: TcpListener) -> Vec<std::net::TcpStream> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted
        .filter_map(|(stream, _)| stream.set_nonblocking(true).is_ok().then_some(stream))
        .collect()
}

/// A connection that was accepted, or nothing after a pause.
pub(super) async fn take(
    accepted: io::Result<(TcpStream, std::net::SocketAddr)>,
) -> Option<std::net::TcpStream> {
    match accepted.and_then(|(stream, _)| stream.into_std()) {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            sleep(REFUSED_PAUSE).await;
            None
        }
    }
}

fn time(limits: &Limits, limit: Limit) -> Duration {
    Duration::from_millis(limits.get(limit))
}

/// What HTTP itself is held to.
fn http(limits: &Limits) -> Builder<TokioExecutor> {
    let idle = time(limits, Limit::Idle);
    let headers_bytes = limits.get(Limit::Headers);
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(usize::try_from(headers_bytes).unwrap_or(usize::MAX));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONNECTION_STREAMS)
        .max_header_list_size(u32::try_from(headers_bytes).unwrap_or(u32::MAX))
        // A client that is gone without a word is found out.
        .keep_alive_interval(idle)
        .keep_alive_timeout(idle);
    http
}

/// What all connections of a listener share.
pub(super) struct Server {
    http: Builder<TokioExecutor>,
    app: Router,
    service: Service,
    stall: Duration,
    idle: Duration,
    places: Arc<Places>,
    guests: Option<Guests>,
    /// Evicted connections that still have time to end.
    leaving: Semaphore,
}

/// A connection and its place.
pub(super) struct Entry {
    activity: Arc<Activity>,
    /// For a guest, none.
    place: Option<Place>,
    guest: Option<Arc<Guest>>,
}

impl Server {
    /// A server of `app` with so many places, and guests beyond them.
    pub(super) fn new(
        app: Router,
        service: &Service,
        places: Arc<Places>,
        guests: Option<Guests>,
    ) -> Arc<Self> {
        let limits = service.limits();
        Arc::new(Self {
            http: http(limits),
            app,
            service: service.clone(),
            stall: time(limits, Limit::Stall),
            idle: time(limits, Limit::Idle),
            places,
            guests,
            leaving: Semaphore::new(LEAVING_CONNECTIONS),
        })
    }

    /// A place for a new connection, or else that of a guest. `None` where there is
    /// neither.
    pub(super) fn enter(&self) -> Option<Entry> {
        let activity = Activity::new();
        let place = self.places.take(&activity);
        let guest = match (&place, &self.guests) {
            (Some(_), _) => None,
            (None, guests) => Some(guests.as_ref()?.welcome(&self.places, &activity)?),
        };
        Some(Entry {
            activity,
            place,
            guest,
        })
    }

    /// Has one of the threads drive a connection.
    fn begin(
        self: &Arc<Self>,
        threads: &Threads,
        connections: &TaskTracker,
        stream: std::net::TcpStream,
        ending: &CancellationToken,
    ) {
        let Some(entry) = self.enter() else {
            full::refuse(&self.service, &stream);
            return;
        };
        let Some(seat) = threads.seat() else {
            return;
        };
        let runtime = seat.runtime.clone();
        let (server, ending) = (Arc::clone(self), ending.clone());
        let driving = async move {
            let _seat = seat;
            server.drive(stream, ending, entry).await;
        };
        connections.spawn_on(driving, &runtime);
    }

    /// Drives one connection to its end, on the runtime whose own its events are to be.
    pub(super) async fn drive(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        ending: CancellationToken,
        entry: Entry,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                return;
            }
        };
        // Answers are written whole: waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone");
            return;
        }
        let _counted = self.service.connection();
        let Entry {
            activity,
            place: _place,
            guest,
        } = entry;
        let ends = Ends::of(&stream);
        let socket = Socket::new(stream, Arc::clone(&activity), self.stall);
        let (seen, server, visitor) = (Arc::clone(&activity), Arc::clone(&self), guest.clone());
        let requests = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ends);
            let version = request.version();
            let answering = seen.begin(version == Version::HTTP_2);
            let (server, visitor) = (Arc::clone(&server), visitor.clone());
            async move {
                let (mut response, is_last) = match visitor {
                    None => (server.answer(request).await, false),
                    Some(guest) => Box::pin(guest.answer(&server, request)).await,
                };
                // Clients that keep their connections go to somebody else.
                if (is_last || server.service.is_draining()) && version < Version::HTTP_2 {
                    let headers = response.headers_mut();
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
                let response: Response<_> = response.map(|body| Answered::new(body, answering));
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(socket), requests));
        // What is waited for is looked at whenever the connection does anything, and
        // to look whether the server ends takes a lock that all connections share.
        // So another task waits, until there may be an end to look at more closely.
        let may_end = spawn({
            let (server, activity) = (Arc::clone(&self), Arc::clone(&activity));
            let (ending, guest) = (ending.clone(), guest.clone());
            async move {
                tokio::select! {
                    () = server.to_end(&activity, &ending) => Why::Over,
                    () = activity.evicted() => Why::Evicted,
                    () = full::outstayed(guest.as_deref()) => Why::Outstayed,
                }
            }
        });
        let mut may_end = pin!(AbortOnDropHandle::new(may_end));
        // In this order: a request that has arrived is read before the connection ends.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Ok(ended),
            why = may_end.as_mut() => Err(why.unwrap_or(Why::Over)),
        };
        let ended = match ended {
            Ok(ended) => ended,
            // Here, so that no byte is read between the last look and the end.
            Err(Why::Over) => {
                activity.look();
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => ended,
                    () = self.to_end(&activity, &ending) => {
                        connection.as_mut().graceful_shutdown();
                        connection.as_mut().await
                    }
                }
            }
            Err(Why::Evicted) => {
                let leaving = self.leaving.try_acquire().ok();
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => ended,
                    () = to_leave(&activity, leaving.is_some()) => return,
                }
            }
            Err(Why::Outstayed) => return,
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection broke off");
        }
    }

    /// What the routes answer.
    pub(super) async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let Ok(response) = self.app.clone().oneshot(request.map(Body::new)).await;
        response
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Waits until the connection is to take no more requests: the server ends,
    /// or there was nothing to answer for too long. A request that has begun to
    /// arrive is waited for.
    async fn to_end(&self, activity: &Activity, ending: &CancellationToken) {
        let idle = async {
            loop {
                match self.idle.checked_sub(activity.idle()) {
                    Some(left) if !left.is_zero() => sleep(left).await,
                    _ => return,
                }
            }
        };
        tokio::select! {
            () = idle => {}
            // Looked at again each time, since a request that began before may be
            // told only now.
            () = ending.cancelled() => loop {
                let patience = if activity.is_receiving() {
                    self.idle
                } else if activity.is_fresh() {
                    FRESH_PATIENCE
                } else {
                    return;
                };
                if timeout(patience, activity.begun()).await.is_err() {
                    return;
                }
            },
        }
    }
}

/// Why a connection ends that neither side has closed.
enum Why {
    /// The server ends, or the connection was idle for too long.
    Over,
    /// Another one has its place.
    Evicted,
    /// A guest got no place.
    Outstayed,
}

/// Waits until an evicted connection has had its time to end, if it has any. Requests
/// under way are waited for.
async fn to_leave(activity: &Activity, has_time: bool) {
    loop {
        if has_time || activity.idle().is_zero() {
            sleep(Duration::from_millis(LEAVING_TIME_MS)).await;
        }
        if !activity.idle().is_zero() {
            return;
        }
    }
}
