//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower::ServiceExt as _;

use super::ServerState;
use super::activity::{Activity, TrackedBody};
use super::attributes::Ends;
use super::guests::{self, Guest, Guests};
use super::places::{Place, Places};
use super::request_body::watch;
use super::socket::Socket;
use super::threads::Threads;
use crate::limits::{
    CONNECTION_STREAMS, CONNECTION_WINDOW_BYTES, DRAIN_FIRST_REQUEST, HTTP_PIECE_BYTES,
    LEAVING_CONNECTIONS, LEAVING_TIME, Limit, REQUEST_WINDOW_BYTES,
};
use crate::span::spawn;

/// The state that the connections of a listener share.
pub(super) struct Server {
    http: Builder<TokioExecutor>,
    app: Router,
    state: ServerState,
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
    /// `None` for a guest.
    place: Option<Place>,
    guest: Option<Arc<Guest>>,
}

impl Server {
    /// A server of `app` with `places`, and guests beyond them.
    pub(super) fn new(
        app: Router,
        state: &ServerState,
        places: Arc<Places>,
        guests: Option<Guests>,
    ) -> Arc<Self> {
        let limits = state.limits();
        Arc::new(Self {
            http: http_settings(state),
            app,
            state: state.clone(),
            stall: limits.duration(Limit::Stall),
            idle: limits.duration(Limit::Idle),
            places,
            guests,
            leaving: Semaphore::new(LEAVING_CONNECTIONS),
        })
    }

    /// A place for a new connection, or one of a guest. `None` if both are full.
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

    /// Starts a connection on one of the threads.
    pub(super) fn begin(
        self: &Arc<Self>,
        threads: &Threads,
        connections: &TaskTracker,
        stream: std::net::TcpStream,
        ending: &CancellationToken,
    ) {
        let Some(entry) = self.enter() else {
            guests::refuse(&self.state, &stream);
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

    /// Drives one connection to its end. Its events belong to the current runtime.
    pub(super) async fn drive(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        ending: CancellationToken,
        entry: Entry,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection setup failed");
                return;
            }
        };
        // Answers are written whole: waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection setup failed");
            return;
        }
        let _counted = self.state.count_connection();
        let Entry {
            activity,
            place: _place,
            guest,
        } = entry;
        let ends = Ends::of(&stream);
        let socket = Socket::new(stream, Arc::clone(&activity), self.stall);
        let (requests_seen, server, visitor) =
            (Arc::clone(&activity), Arc::clone(&self), guest.clone());
        let requests = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ends);
            let version = request.version();
            let answering = requests_seen.begin(version == Version::HTTP_2);
            let (server, visitor) = (Arc::clone(&server), visitor.clone());
            let activity = Arc::clone(&requests_seen);
            let request = request.map(|body| match version {
                Version::HTTP_2 => Body::new(body),
                _ => watch(body, &requests_seen),
            });
            async move {
                let (mut response, is_last) = match visitor {
                    None => (server.answer(request).await, false),
                    Some(guest) => Box::pin(server.answer_guest(&guest, request)).await,
                };
                // Other requests of the thread go first. Answers to those that arrived together are written
                // together, and their client is woken once.
                yield_now().await;
                // A client that keeps its connection moves to another server.
                if (is_last || server.state.is_draining()) && version < Version::HTTP_2 {
                    let headers = response.headers_mut();
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
                let is_empty = response.body().is_end_stream();
                if is_empty && response.status().is_client_error() && version < Version::HTTP_2 {
                    activity.set_empty_error(true);
                }
                let response: Response<_> = response.map(|body| TrackedBody::new(body, answering));
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(socket), requests));
        // Each event of the connection polls everything that it waits for, and polling the
        // server's end takes a lock that all connections share. So another task waits for the
        // end.
        let may_end = spawn({
            let (server, activity) = (Arc::clone(&self), Arc::clone(&activity));
            let (ending, guest) = (ending.clone(), guest.clone());
            async move {
                tokio::select! {
                    () = server.wait_for_end(&activity, &ending) => EndReason::Over,
                    () = activity.wait_for_eviction() => EndReason::Evicted,
                    () = guests::overstay(guest.as_deref()) => EndReason::Overstayed,
                }
            }
        });
        let mut may_end = pin!(AbortOnDropHandle::new(may_end));
        // The connection comes first, so a request that has arrived is read before the end.
        let result = tokio::select! {
            biased;
            result = connection.as_mut() => Ok(result),
            why = may_end.as_mut() => Err(why.unwrap_or(EndReason::Over)),
        };
        let result = match result {
            Ok(result) => result,
            // Checked again here, so that no byte is read between the check and the end.
            Err(EndReason::Over) => {
                activity.watch_kernel();
                tokio::select! {
                    biased;
                    result = connection.as_mut() => result,
                    () = self.wait_for_end(&activity, &ending) => {
                        connection.as_mut().graceful_shutdown();
                        connection.as_mut().await
                    }
                }
            }
            Err(EndReason::Evicted) => {
                let leaving = self.leaving.try_acquire().ok();
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    result = connection.as_mut() => result,
                    () = wait_to_leave(&activity, leaving.is_some()) => return,
                }
            }
            Err(EndReason::Overstayed) => return,
        };
        if let Err(error) = result {
            tracing::debug!(error, "connection failed");
        }
    }

    /// The answer of the routes.
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.app.clone().oneshot(request).await;
        response
    }

    /// The answer to a guest, and whether it is the last of the connection.
    async fn answer_guest(&self, guest: &Guest, request: Request<Body>) -> (Response<Body>, bool) {
        let is_allowed = guest.may_request(request.uri().path()).await;
        let response = if is_allowed {
            self.answer(request).await
        } else {
            self.state.count_refusal();
            guest.refusal()
        };
        let is_last = !is_allowed || !guest.has_place();
        if is_last {
            // HTTP/2 has no header that ends a connection.
            guest.leave();
        }
        (response, is_last)
    }

    /// Waits until the connection must take no more requests: the server ends, or the
    /// connection was idle for too long. A request that has begun to arrive postpones it.
    async fn wait_for_end(&self, activity: &Activity, ending: &CancellationToken) {
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
            // A loop, since the runtime may report only now a request that began before.
            () = ending.cancelled() => loop {
                let patience = if activity.is_receiving() {
                    self.idle
                } else if activity.is_fresh() {
                    DRAIN_FIRST_REQUEST
                } else {
                    return;
                };
                if timeout(patience, activity.wait_for_request()).await.is_err() {
                    return;
                }
            },
        }
    }
}

/// The reason why the server ends a connection.
enum EndReason {
    /// The server ends, or the connection was idle for too long.
    Over,
    /// Another connection has its place.
    Evicted,
    /// A guest got no place.
    Overstayed,
}

/// Waits until an evicted connection has had its time to end, if it has any, and its requests
/// are over.
async fn wait_to_leave(activity: &Activity, has_time: bool) {
    loop {
        if has_time || activity.idle().is_zero() {
            sleep(LEAVING_TIME).await;
        }
        if !activity.idle().is_zero() {
            return;
        }
    }
}

/// The settings of HTTP of a server.
fn http_settings(state: &ServerState) -> Builder<TokioExecutor> {
    let limits = state.limits();
    let idle = limits.duration(Limit::Idle);
    let headers_bytes = limits.size(Limit::Headers);
    // Handlers have long bodies, and the routes check the size of a head again.
    let buffer_bytes = match state.routes() {
        Some(_) => headers_bytes.max(HTTP_PIECE_BYTES),
        None => headers_bytes,
    };
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(buffer_bytes);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONNECTION_STREAMS)
        .initial_stream_window_size(REQUEST_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(headers_bytes).unwrap_or(u32::MAX))
        // Finds a client that has disappeared.
        .keep_alive_interval(idle)
        .keep_alive_timeout(idle);
    http
}
