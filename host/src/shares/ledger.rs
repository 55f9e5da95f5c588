//! Fair shares of the sandboxes, of their memory and of the queue, without I/O and without a clock.
//!
//! Each of R routes is guaranteed a share: an R-th of the sandboxes, as far as an R-th of the
//! memory has room for them, and an R-th of the queue; at least one of each. A route may use
//! more where others leave some idle, up to its concurrency, under four rules:
//!
//! - The first sandbox of each route is never lent, so a request to an idle route starts at once.
//! - While a request to a route below its share waits, no route starts a sandbox above its share.
//! - A sandbox that becomes free goes to a route below its share, to the request that waits
//!   longest; then to the route that is least above its share.
//! - In a full queue, a request to a route below its share of the queue replaces the newest
//!   request of the route that has most.
//!
//! A route may keep sandboxes for its next requests. Such an idle sandbox counts as free, and is
//! given up for any request that has no other place.
//!
//! The type `T` is an idle sandbox, and `W` is the handle of a request that waits.

use std::collections::VecDeque;
use std::time::Instant;

/// The number of a route.
pub(super) type RouteId = usize;

/// What is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) sandboxes: u32,
    /// Pages of memory for sandboxes that need more than their place has.
    pub(super) pages: u64,
    /// Requests that may wait.
    pub(super) queue: u64,
}

/// The sandboxes, the queue, and the routes that share them.
#[derive(Debug)]
pub(super) struct Shares<T, W> {
    capacity: Capacity,
    /// Sandboxes that answer requests, and their pages.
    running: Usage,
    /// Sandboxes that routes keep.
    idle: Usage,
    /// The first sandboxes of active routes that run none.
    resting: Usage,
    waiting: u64,
    tickets: u64,
    /// Routes that are not retired.
    active: u32,
    routes: Vec<Option<Route<T, W>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    sandboxes: u32,
    pages: u64,
}

impl Usage {
    fn add(&mut self, pages: u64) {
        self.sandboxes += 1;
        self.pages += pages;
    }

    fn remove(&mut self, pages: u64) {
        self.sandboxes -= 1;
        self.pages -= pages;
    }
}

#[derive(Debug)]
struct Route<T, W> {
    concurrency: u32,
    /// The pages of one sandbox.
    pages: u64,
    is_active: bool,
    /// Whether requests may still arrive.
    is_known: bool,
    running: u32,
    /// The sandbox that has been idle longest is the first.
    idle: VecDeque<(Instant, T)>,
    waiters: VecDeque<(u64, W)>,
}

/// The place of one sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<T> {
    /// A sandbox of the same route. Otherwise, a fresh one starts.
    pub(super) reused: Option<T>,
    /// Sandboxes of other routes that end before a fresh one starts.
    pub(super) evicted: Vec<T>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival<T, W> {
    Admitted(Place<T>),
    /// It waits. The queue may have lost another request.
    Queued {
        ticket: u64,
        replaced: Option<W>,
    },
    /// The queue is full.
    Refused,
}

/// A request that waits no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant<T, W> {
    pub(super) route: RouteId,
    pub(super) waiter: W,
    pub(super) place: Place<T>,
}

impl<T, W> Shares<T, W> {
    /// Shares of `capacity`.
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            running: Usage::default(),
            idle: Usage::default(),
            resting: Usage::default(),
            waiting: 0,
            tickets: 0,
            active: 0,
            routes: Vec::new(),
        }
    }

    /// What is shared.
    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Adds a route that runs at most `concurrency` sandboxes of `pages` each.
    pub(super) fn join(&mut self, concurrency: u32, pages: u64) -> RouteId {
        let route = Route {
            concurrency: concurrency.max(1),
            pages,
            is_active: true,
            is_known: true,
            running: 0,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
        };
        self.active += 1;
        self.resting.add(pages);
        if let Some(free) = self.routes.iter().position(Option::is_none) {
            self.routes[free] = Some(route);
            free
        } else {
            self.routes.push(Some(route));
            self.routes.len() - 1
        }
    }

    /// Takes the share of a route, whose requests are still served. Returns its idle sandboxes and
    /// the requests that run next.
    pub(super) fn retire(&mut self, id: RouteId) -> (Vec<T>, Vec<Grant<T, W>>) {
        let Some(route) = self.route(id).filter(|route| route.is_active) else {
            return (Vec::new(), Vec::new());
        };
        route.is_active = false;
        let (pages, is_resting) = (route.pages, route.running == 0);
        let idle: Vec<_> = route.idle.drain(..).map(|(_, idle)| idle).collect();
        for _ in &idle {
            self.idle.remove(pages);
        }
        self.active -= 1;
        if is_resting {
            self.resting.remove(pages);
        }
        (idle, self.grant_waiters())
    }

    /// Removes a route that was retired, once it runs no request. No request arrives any more.
    pub(super) fn forget(&mut self, id: RouteId) {
        if let Some(route) = self.route(id) {
            route.is_known = false;
            self.remove_unused(id);
        }
    }

    /// The sandboxes that a route runs, those that it keeps, and its requests that wait.
    pub(super) fn load(&self, id: RouteId) -> (u64, u64, u64) {
        match self.routes.get(id) {
            Some(Some(route)) => (
                route.running.into(),
                route.idle.len() as u64,
                route.waiters.len() as u64,
            ),
            _ => (0, 0, 0),
        }
    }

    /// The sandboxes that a route is guaranteed.
    pub(super) fn share_of(&self, id: RouteId) -> u32 {
        let route = self.routes.get(id).and_then(Option::as_ref);
        route.map_or(0, |route| self.share(route))
    }

    /// Admits a request to a route, or lets it wait, with the handle that `wait` makes.
    pub(super) fn arrive(&mut self, id: RouteId, wait: impl FnOnce() -> W) -> Arrival<T, W> {
        if self.may_run(id) {
            // A request of the same route that waits could run, too, so none does.
            return Arrival::Admitted(self.run(id));
        }
        let replaced = if self.waiting < self.capacity.queue {
            None
        } else {
            match self.replace(id) {
                Some(waiter) => Some(waiter),
                None => return Arrival::Refused,
            }
        };
        self.tickets += 1;
        let ticket = self.tickets;
        if let Some(route) = self.route(id) {
            route.waiters.push_back((ticket, wait()));
            self.waiting += 1;
        }
        Arrival::Queued { ticket, replaced }
    }

    /// Removes a request from the queue, unless it waits no longer. Returns the requests that run
    /// next: it may have been one that they had to let pass.
    pub(super) fn leave(&mut self, id: RouteId, ticket: u64) -> Vec<Grant<T, W>> {
        let Some(route) = self.route(id) else {
            return Vec::new();
        };
        let found = route.waiters.binary_search_by_key(&ticket, |(own, _)| *own);
        let Ok(place) = found else {
            return Vec::new();
        };
        route.waiters.remove(place);
        self.waiting -= 1;
        let grants = self.grant_waiters();
        self.remove_unused(id);
        grants
    }

    /// Ends a request of a route, which keeps the sandbox `idle` from `now` on. Returns the
    /// requests that run next, and a sandbox that the route cannot keep.
    pub(super) fn release(
        &mut self,
        id: RouteId,
        idle: Option<T>,
        now: Instant,
    ) -> (Vec<Grant<T, W>>, Option<T>) {
        let Some(route) = self.route(id).filter(|route| route.running > 0) else {
            return (Vec::new(), idle);
        };
        route.running -= 1;
        let pages = route.pages;
        let rests = route.is_active && route.running == 0;
        let (is_kept, refused) = match idle {
            Some(idle) if route.is_active => {
                route.idle.push_back((now, idle));
                (true, None)
            }
            other => (false, other),
        };
        self.running.remove(pages);
        if is_kept {
            self.idle.add(pages);
        }
        if rests {
            self.resting.add(pages);
        }
        let grants = self.grant_waiters();
        self.remove_unused(id);
        (grants, refused)
    }

    /// Removes sandboxes that have been idle since `before`.
    pub(super) fn expire(&mut self, before: Instant) -> Vec<T> {
        let mut expired = Vec::new();
        for route in self.routes.iter_mut().flatten() {
            while let Some((since, _)) = route.idle.front()
                && *since <= before
            {
                expired.extend(route.idle.pop_front().map(|(_, idle)| idle));
                self.idle.remove(route.pages);
            }
        }
        expired
    }

    /// Removes the sandbox that has been idle longest.
    fn evict(&mut self) -> Option<T> {
        let routes = self.routes.iter_mut().flatten();
        let oldest = routes
            .filter(|route| !route.idle.is_empty())
            .min_by_key(|route| route.idle.front().map(|(since, _)| *since))?;
        let (_, idle) = oldest.idle.pop_front()?;
        self.idle.remove(oldest.pages);
        Some(idle)
    }

    fn route(&mut self, id: RouteId) -> Option<&mut Route<T, W>> {
        self.routes.get_mut(id)?.as_mut()
    }

    fn share(&self, route: &Route<T, W>) -> u32 {
        if !route.is_active {
            // For requests that arrived before it retired.
            return 1;
        }
        let routes = self.active.max(1);
        let sandboxes = self.capacity.sandboxes / routes;
        let with_memory = (self.capacity.pages / u64::from(routes))
            .checked_div(route.pages)
            .map_or(u32::MAX, |count| u32::try_from(count).unwrap_or(u32::MAX));
        sandboxes.min(with_memory).max(1).min(route.concurrency)
    }

    /// The places in the queue that each route is guaranteed.
    fn queue_share(&self) -> u64 {
        (self.capacity.queue / u64::from(self.active.max(1))).max(1)
    }

    /// Whether a request of the route may run now.
    fn may_run(&self, id: RouteId) -> bool {
        let Some(Some(route)) = self.routes.get(id) else {
            return false;
        };
        let reserved = if route.running == 0 {
            Usage::default()
        } else {
            self.resting
        };
        let sandboxes = 1 + self.running.sandboxes + reserved.sandboxes;
        let pages = route.pages + self.running.pages + reserved.pages;
        route.running < route.concurrency
            && sandboxes <= self.capacity.sandboxes
            && pages <= self.capacity.pages
            && (route.running < self.share(route) || !self.share_waits())
    }

    /// Whether a request to a route below its share waits.
    fn share_waits(&self) -> bool {
        let mut routes = self.routes.iter().flatten();
        self.waiting > 0
            && routes.any(|route| !route.waiters.is_empty() && route.running < self.share(route))
    }

    /// Starts a request of a route that may run.
    fn run(&mut self, id: RouteId) -> Place<T> {
        let mut place = Place {
            reused: None,
            evicted: Vec::new(),
        };
        let Some(route) = self.route(id) else {
            return place;
        };
        route.running += 1;
        let pages = route.pages;
        let was_resting = route.is_active && route.running == 1;
        // The one that was used last: the processor's cache has some of its memory.
        place.reused = route.idle.pop_back().map(|(_, idle)| idle);
        if was_resting {
            self.resting.remove(pages);
        }
        self.running.add(pages);
        if place.reused.is_some() {
            self.idle.remove(pages);
            return place;
        }
        while self.running.sandboxes + self.idle.sandboxes > self.capacity.sandboxes
            || self.running.pages + self.idle.pages > self.capacity.pages
        {
            match self.evict() {
                Some(idle) => place.evicted.push(idle),
                None => break,
            }
        }
        place
    }

    /// Starts the requests that wait and may run.
    fn grant_waiters(&mut self) -> Vec<Grant<T, W>> {
        let mut grants = Vec::new();
        while self.waiting > 0
            && let Some(id) = self.next_route()
            && let Some((_, waiter)) = self.route(id).and_then(|route| route.waiters.pop_front())
        {
            self.waiting -= 1;
            let place = self.run(id);
            grants.push(Grant {
                route: id,
                waiter,
                place,
            });
        }
        grants
    }

    /// The route whose request runs next.
    fn next_route(&self) -> Option<RouteId> {
        let routes = self.routes.iter().enumerate();
        let candidates = routes.filter_map(|(id, route)| {
            let route = route.as_ref()?;
            let (ticket, _) = route.waiters.front()?;
            let above = (route.running + 1).saturating_sub(self.share(route));
            self.may_run(id).then_some(((above, *ticket), id))
        });
        candidates.min().map(|(_, id)| id)
    }

    /// Removes a request of the route that has most in the queue, if `id` is below its share.
    fn replace(&mut self, id: RouteId) -> Option<W> {
        let share = self.queue_share();
        let length = |route: &Route<T, W>| route.waiters.len() as u64;
        let own = self.route(id)?;
        if !own.is_active || length(own) >= share {
            return None;
        }
        let routes = self.routes.iter_mut().flatten();
        let longest = routes.max_by_key(|route| length(route))?;
        if length(longest) <= share {
            return None;
        }
        let (_, waiter) = longest.waiters.pop_back()?;
        self.waiting -= 1;
        Some(waiter)
    }

    /// Removes a route that is forgotten and has no request.
    fn remove_unused(&mut self, id: RouteId) {
        if let Some(place) = self.routes.get_mut(id)
            && place.as_ref().is_some_and(Route::is_unused)
        {
            *place = None;
        }
    }
}

impl<T, W> Route<T, W> {
    fn is_unused(&self) -> bool {
        !self.is_known && self.running == 0 && self.waiters.is_empty()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
