//! Connections beyond the places of a full service.
//!
//! A guest is accepted where every place has a request under way. Its requests for
//! health are answered. For others it waits a moment for a place, and gets 503 and the
//! end of its connection where there is none. Guests are few, and bounded in time; where
//! they are too many as well, a connection gets 503 without being read.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::connection::Activity;
use super::health::PROBES;
use super::places::{Place, Places};
use super::problem::{PROBLEM_JSON, RETRY_AFTER_SECONDS};
use super::server::Server;
use super::{Problem, Service};
use crate::error::RunError;
use crate::limits::{
    EVICTION_PAUSE_MS, GUEST_CONNECTIONS, GUEST_PATIENCE_MS, GUEST_TIME_MS, GUESTS_WAITING, Limit,
};

/// Those who have no place of their own.
pub(super) struct Guests {
    places: Arc<Places>,
    waiting: Arc<Semaphore>,
    problem: Problem,
}

/// A connection beyond the places.
pub(super) struct Guest {
    activity: Arc<Activity>,
    /// The places of the server.
    places: Arc<Places>,
    waiting: Arc<Semaphore>,
    problem: Problem,
    /// The place that it got after all.
    place: OnceLock<Place>,
    /// Its place among the guests, until then.
    among_guests: Mutex<Option<Place>>,
}

impl Guests {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            places: Places::new(GUEST_CONNECTIONS),
            waiting: Arc::new(Semaphore::new(GUESTS_WAITING)),
            problem: problem(service),
        }
    }

    /// Accepts a connection that got none of `places`, if there is room.
    pub(super) fn welcome(
        &self,
        places: &Arc<Places>,
        activity: &Arc<Activity>,
    ) -> Option<Arc<Guest>> {
        let place = self.places.take(activity)?;
        Some(Arc::new(Guest {
            activity: Arc::clone(activity),
            places: Arc::clone(places),
            waiting: Arc::clone(&self.waiting),
            problem: self.problem.clone(),
            place: OnceLock::new(),
            among_guests: Mutex::new(Some(place)),
        }))
    }
}

impl Guest {
    /// Answers a request; whether it is the last of the connection.
    pub(super) async fn answer(
        &self,
        server: &Server,
        request: Request<hyper::body::Incoming>,
    ) -> (Response<Body>, bool) {
        let is_probe = PROBES.contains(&request.uri().path());
        if is_probe || self.find_place().await {
            let response = server.answer(request).await;
            if self.place.get().is_some() {
                return (response, false);
            }
            self.activity.evict();
            (response, true)
        } else {
            server.service().refused_connection();
            // Of HTTP/2, where no header ends a connection.
            self.activity.evict();
            (self.problem.clone().into_response(), true)
        }
    }

    /// Whether the connection has a place, for which it waits a moment.
    async fn find_place(&self) -> bool {
        if self.place.get().is_some() {
            return true;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return false;
        };
        let patience = Duration::from_millis(GUEST_PATIENCE_MS);
        let began = Instant::now();
        loop {
            if let Some(place) = self.places.take(&self.activity) {
                let _ = self.place.set(place);
                drop(
                    self.among_guests
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take(),
                );
                return true;
            }
            if began.elapsed() >= patience {
                return false;
            }
            sleep(Duration::from_millis(EVICTION_PAUSE_MS)).await;
        }
    }
}

/// Waits until a guest without a place has been there for too long. Without end for all
/// other connections.
pub(super) async fn outstayed(guest: Option<&Guest>) {
    if let Some(guest) = guest {
        sleep(Duration::from_millis(GUEST_TIME_MS)).await;
        if guest.place.get().is_none() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Answers a connection that cannot be accepted, as far as its buffers take the answer.
pub(super) fn refuse(service: &Service, mut stream: &TcpStream) {
    let problem = problem(service).to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\n\
         cache-control: no-store\r\nretry-after: {RETRY_AFTER_SECONDS}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        problem.len()
    );
    service.refused_connection();
    // Not waited for: the socket does not block, and its buffer is empty.
    let _ = stream.write_all(&[head.into_bytes(), problem].concat());
    let _ = stream.shutdown(Shutdown::Write);
}

fn problem(service: &Service) -> Problem {
    let limit = Limit::Connections;
    RunError::Busy {
        limit,
        value: service.limits().get(limit),
    }
    .into()
}
