//! The places of connections, and which connection loses its place to a new one.
//!
//! A connection holds its [`Place`] from its acceptance to its end, or until it is
//! evicted. Where all places are taken, a new connection gets the place of the one that
//! has been idle longest. A connection with a request under way keeps its place.
//!
//! Requests do not touch the list of connections: only a connection's start and end take its
//! lock. So a search finds the idle connections when a place is needed, and all of them are
//! used, in order, before the next search.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::activity::Activity;
use crate::limits::EVICTION_PAUSE;

/// A number of places.
pub(super) struct Places {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connections: HashMap<u64, Arc<Activity>>,
    next_id: u64,
    /// The idle connections at the last search. The one that is idle longest comes last.
    idle: Vec<(u64, Instant)>,
    last_search: Option<Instant>,
}

/// A connection's place, which is free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
        })
    }

    /// A place for a connection, if one is free or can be made free.
    pub(super) fn take(self: &Arc<Self>, activity: &Arc<Activity>) -> Option<Place> {
        let mut open = self.lock();
        if open.connections.len() >= self.most {
            open.evict()?;
        }
        let id = open.next_id;
        open.next_id += 1;
        open.connections.insert(id, Arc::clone(activity));
        Some(Place {
            places: Arc::clone(self),
            id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // An evicted connection has none any more.
        self.places.lock().connections.remove(&self.id);
    }
}

impl Open {
    /// Takes the place of the connection that has been idle longest.
    fn evict(&mut self) -> Option<()> {
        loop {
            let Some((id, since)) = self.idle.pop() else {
                self.find_idle()?;
                continue;
            };
            // It may have ended, or have received a request meanwhile.
            let connection = self.connections.get(&id);
            if connection.is_some_and(|it| it.spare_since() == Some(since))
                && let Some(connection) = self.connections.remove(&id)
            {
                connection.evict();
                return Some(());
            }
        }
    }

    /// Searches for idle connections. `None` if there are none, or were none just now.
    fn find_idle(&mut self) -> Option<()> {
        if self
            .last_search
            .is_some_and(|last| last.elapsed() < EVICTION_PAUSE)
        {
            return None;
        }
        let idle = self
            .connections
            .iter()
            .filter_map(|(&id, connection)| Some((id, connection.spare_since()?)));
        self.idle.extend(idle);
        self.idle.sort_unstable_by_key(|&(_, since)| Reverse(since));
        self.last_search = self.idle.is_empty().then(Instant::now);
        self.last_search.is_none().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    /// More than the resolution of the clock of a connection.
    const TICK: Duration = Duration::from_millis(5);
    /// More than a new connection has for its request.
    const LATER: Duration = Duration::from_millis(150);

    /// An idle connection that has answered once.
    fn idle() -> Arc<Activity> {
        sleep(TICK);
        let activity = Activity::new();
        drop(activity.begin(false));
        activity
    }

    fn is_evicted(activity: &Activity) -> bool {
        activity.wait_for_eviction().now_or_never().is_some()
    }

    #[test]
    fn the_longest_idle_connection_is_evicted() {
        let places = Places::new(3);
        let connections = [idle(), idle(), idle()];
        let mut guards: Vec<_> = connections.iter().map(|it| places.take(it)).collect();
        assert!(guards.iter().all(Option::is_some));
        // The first is asked once more, and is the newest then.
        sleep(TICK);
        drop(connections[0].begin(false));
        let new = [idle(), idle()];
        guards.extend(new.iter().map(|it| places.take(it)));
        assert!(guards.iter().all(Option::is_some));
        assert!(!is_evicted(&connections[0]));
        assert!(is_evicted(&connections[1]));
        assert!(is_evicted(&connections[2]));
        // The place of an evicted connection is released once.
        guards.clear();
        let many: Vec<_> = (0..4).map(|_| Activity::new()).collect();
        let guards: Vec<_> = many.iter().map(|it| places.take(it)).collect();
        assert_eq!(guards.iter().filter(|place| place.is_some()).count(), 3);
    }

    #[test]
    fn a_request_under_way_keeps_its_place() {
        let places = Places::new(1);
        let connection = idle();
        let _place = places.take(&connection).expect("a place");
        let answering = connection.begin(false);
        sleep(LATER);
        assert!(places.take(&Activity::new()).is_none());
        drop(answering);
        sleep(TICK * 4);
        let _other = places.take(&Activity::new()).expect("a place");
        assert!(is_evicted(&connection));
    }

    #[test]
    fn a_new_connection_has_time_for_its_request() {
        let places = Places::new(1);
        let fresh = Activity::new();
        let _place = places.take(&fresh).expect("a place");
        assert!(places.take(&Activity::new()).is_none());
        sleep(LATER);
        assert!(places.take(&Activity::new()).is_some());
        assert!(is_evicted(&fresh));
    }
}
