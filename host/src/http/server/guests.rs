//! Connections beyond the places of a full service.
//!
//! A guest is accepted where every place has a request under way. Its requests for health are
//! answered. Other requests wait a moment for a place; without one, the guest gets 503 and the
//! end of its connection. The number of guests and their time are bounded. Beyond them, a
//! connection gets 503 unread.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::activity::Activity;
use super::health::ADMIN_PATHS;
use super::places::{Place, Places};
use super::problem::{PROBLEM_JSON, RETRY_AFTER_SECONDS};
use super::{Problem, ServerState};
use crate::error::RunError;
use crate::limits::{
    EVICTION_PAUSE, GUEST_CONNECTIONS, GUEST_PATIENCE, GUEST_TIME, GUESTS_WAITING, Limit,
};

/// The connections without a place.
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
    /// A place that became free.
    place: OnceLock<Place>,
    /// Its place among the guests, until it has that.
    among_guests: Mutex<Option<Place>>,
}

impl Guests {
    pub(super) fn new(state: &ServerState) -> Self {
        Self {
            places: Places::new(GUEST_CONNECTIONS),
            waiting: Arc::new(Semaphore::new(GUESTS_WAITING)),
            problem: problem(state),
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
    /// Whether a request for `path` is answered: one for health is, and others wait for a place.
    pub(super) async fn may_request(&self, path: &str) -> bool {
        ADMIN_PATHS.contains(&path) || self.wait_for_place().await
    }

    /// Whether the connection has a place by now.
    pub(super) fn has_place(&self) -> bool {
        self.place.get().is_some()
    }

    /// Ends the connection after its requests.
    pub(super) fn leave(&self) {
        self.activity.evict();
    }

    /// The answer to a request without a place.
    pub(super) fn refusal(&self) -> Response<Body> {
        self.problem.clone().into_response()
    }

    /// Waits a moment for a place. `false` if none becomes free.
    async fn wait_for_place(&self) -> bool {
        if self.place.get().is_some() {
            return true;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return false;
        };
        let start = Instant::now();
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
            if start.elapsed() >= GUEST_PATIENCE {
                return false;
            }
            sleep(EVICTION_PAUSE).await;
        }
    }
}

/// Waits until a guest without a place has stayed for too long. Waits for ever for any other
/// connection.
pub(super) async fn overstay(guest: Option<&Guest>) {
    if let Some(guest) = guest {
        sleep(GUEST_TIME).await;
        if guest.place.get().is_none() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Answers a connection that cannot be accepted, as far as its buffers take the answer.
pub(super) fn refuse(state: &ServerState, mut stream: &TcpStream) {
    let problem = problem(state).to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\n\
         cache-control: no-store\r\nretry-after: {RETRY_AFTER_SECONDS}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        problem.len()
    );
    state.count_refusal();
    // The socket does not block, and its buffer is empty.
    let _ = stream.write_all(&[head.into_bytes(), problem].concat());
    let _ = stream.shutdown(Shutdown::Write);
}

fn problem(state: &ServerState) -> Problem {
    let limit = Limit::Connections;
    RunError::Busy {
        limit,
        value: state.limits().get(limit),
    }
    .into()
}
