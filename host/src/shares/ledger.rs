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
mod tests {
    use std::time::Duration;

    use super::*;

    /// Shares whose requests are numbers, and whose sandboxes are the numbers of those that they
    /// ran first.
    type Numbered = Shares<u32, u32>;

    /// What the rules say, computed from lists.
    #[derive(Default)]
    struct Model {
        sandboxes: usize,
        pages: usize,
        queue: usize,
        /// The concurrency of each route, and the pages of its sandboxes.
        routes: Vec<(usize, usize)>,
        running: Vec<(RouteId, u32)>,
        /// In the order of their arrival.
        waiting: Vec<(RouteId, u32)>,
    }

    impl Model {
        fn count(list: &[(RouteId, u32)], route: RouteId) -> usize {
            list.iter().filter(|(own, _)| *own == route).count()
        }

        fn share(&self, route: RouteId) -> usize {
            let (concurrency, pages) = self.routes[route];
            let mut share = self.sandboxes / self.routes.len();
            let of_memory = (self.pages / self.routes.len()).checked_div(pages);
            share = share.min(of_memory.unwrap_or(share));
            share.max(1).min(concurrency)
        }

        /// The pages of the sandboxes of `routes`.
        fn pages(&self, routes: impl Iterator<Item = RouteId>) -> usize {
            routes.map(|route| self.routes[route].1).sum()
        }

        fn may_run(&self, route: RouteId) -> bool {
            let running = |route| Self::count(&self.running, route);
            let mut reserved: Vec<_> = (0..self.routes.len())
                .filter(|other| *other != route && running(*other) == 0)
                .collect();
            if running(route) == 0 {
                reserved.clear();
            }
            let all = || {
                let running = self.running.iter().map(|(route, _)| *route);
                running.chain(reserved.iter().copied()).chain([route])
            };
            let is_below = |route| running(route) < self.share(route);
            running(route) < self.routes[route].0
                && all().count() <= self.sandboxes
                && self.pages(all()) <= self.pages
                && (is_below(route) || !self.waiting.iter().any(|(route, _)| is_below(*route)))
        }

        /// The request that runs next, by its place in the queue.
        fn next(&self) -> Option<usize> {
            let places = 0..self.waiting.len();
            places
                .filter(|place| self.may_run(self.waiting[*place].0))
                .min_by_key(|place| {
                    let route = self.waiting[*place].0;
                    let after = Self::count(&self.running, route) + 1;
                    (after.saturating_sub(self.share(route)), *place)
                })
        }

        /// Whether a request is refused, or else which one it replaces.
        fn queue(&mut self, route: RouteId, request: u32) -> Result<Option<u32>, ()> {
            let share = (self.queue / self.routes.len()).max(1);
            let mut replaced = None;
            if self.waiting.len() == self.queue {
                let length = |route| Self::count(&self.waiting, route);
                let longest = (0..self.routes.len()).max_by_key(|route| length(*route));
                let longest = longest.filter(|route| length(*route) > share).ok_or(())?;
                if length(route) >= share {
                    return Err(());
                }
                let newest = self.waiting.iter().rposition(|(own, _)| *own == longest);
                replaced = newest.map(|place| self.waiting.remove(place).1);
            }
            self.waiting.push((route, request));
            Ok(replaced)
        }

        /// Starts the requests that may run, and returns them.
        fn grant(&mut self) -> Vec<u32> {
            let mut granted = Vec::new();
            while let Some(next) = self.next() {
                let request = self.waiting.remove(next);
                self.running.push(request);
                granted.push(request.1);
            }
            granted
        }
    }

    #[test]
    fn random_requests_run_as_the_model_says() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut model = Model {
                sandboxes: random.usize(1..12),
                queue: random.usize(0..12),
                pages: random.usize(0..40),
                routes: (0..random.usize(1..5))
                    .map(|_| (random.usize(1..12), random.usize(0..8)))
                    .collect(),
                ..Model::default()
            };
            let sandboxes = u32::try_from(model.sandboxes).expect("few");
            let mut shares = Numbered::new(Capacity {
                sandboxes,
                pages: model.pages as u64,
                queue: model.queue as u64,
            });
            for &(concurrency, pages) in &model.routes {
                shares.join(u32::try_from(concurrency).expect("few"), pages as u64);
            }
            let now = Instant::now();
            let mut tickets = Vec::new();
            for request in 0..400 {
                match random.u32(0..10) {
                    0..6 => {
                        let route = random.usize(0..model.routes.len());
                        let may_run = model.may_run(route);
                        match shares.arrive(route, || request) {
                            Arrival::Admitted(_) => {
                                assert!(may_run);
                                model.running.push((route, request));
                            }
                            Arrival::Queued { ticket, replaced } => {
                                assert!(!may_run);
                                assert_eq!(model.queue(route, request), Ok(replaced));
                                tickets.push((request, ticket));
                            }
                            Arrival::Refused => {
                                assert!(!may_run);
                                assert_eq!(model.queue(route, request), Err(()));
                            }
                        }
                    }
                    6 if !model.waiting.is_empty() => {
                        let place = random.usize(0..model.waiting.len());
                        let (route, request) = model.waiting.remove(place);
                        let ticket = tickets.iter().find(|(own, _)| *own == request);
                        let grants = shares.leave(route, ticket.expect("a ticket").1);
                        let granted: Vec<_> = grants.iter().map(|grant| grant.waiter).collect();
                        assert_eq!(granted, model.grant(), "seed {seed}");
                    }
                    _ if !model.running.is_empty() => {
                        let place = random.usize(0..model.running.len());
                        let (route, request) = model.running[place];
                        model.running.remove(place);
                        let expected = model.grant();
                        let idle = random.bool().then_some(request);
                        let (grants, refused) = shares.release(route, idle, now);
                        assert_eq!(refused, None);
                        let granted: Vec<_> = grants.iter().map(|grant| grant.waiter).collect();
                        assert_eq!(granted, expected, "seed {seed}");
                    }
                    _ => {}
                }
                let (running, waiting) = (model.running.len(), model.waiting.len());
                let pages = model.pages(model.running.iter().map(|(route, _)| *route));
                assert_eq!(shares.running.sandboxes as usize, running);
                assert_eq!(shares.running.pages, pages as u64);
                assert_eq!(shares.waiting, waiting as u64);
                assert!(shares.running.sandboxes + shares.idle.sandboxes <= sandboxes);
                assert!(shares.running.pages + shares.idle.pages <= model.pages as u64);
                let kept: u64 = (0..model.routes.len()).map(|id| shares.load(id).1).sum();
                assert_eq!(u64::from(shares.idle.sandboxes), kept);
            }
        }
    }

    /// Shares of sandboxes that fit their places.
    fn of_places(sandboxes: u32, queue: u64) -> Numbered {
        Shares::new(Capacity {
            sandboxes,
            pages: 0,
            queue,
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with an admission")]
    fn free() -> Option<Place<u32>> {
        Some(Place {
            reused: None,
            evicted: Vec::new(),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with an admission")]
    fn reused(sandbox: u32) -> Option<Place<u32>> {
        Some(Place {
            reused: Some(sandbox),
            evicted: Vec::new(),
        })
    }

    fn admitted(shares: &mut Numbered, route: RouteId) -> Option<Place<u32>> {
        match shares.arrive(route, || 0) {
            Arrival::Admitted(place) => Some(place),
            Arrival::Queued { .. } | Arrival::Refused => None,
        }
    }

    #[test]
    fn the_first_sandbox_of_a_route_is_never_lent() {
        let mut shares = of_places(8, 100);
        let (busy, quiet) = (shares.join(100, 0), shares.join(100, 0));
        let run = (0..20).filter_map(|_| admitted(&mut shares, busy)).count();
        assert_eq!(run, 7);
        assert_eq!(admitted(&mut shares, quiet), free());
        assert_eq!(admitted(&mut shares, quiet), None);
        // The route below its share is next, though the other one has waited longer.
        let (grants, _) = shares.release(busy, None, Instant::now());
        assert_eq!(
            grants.iter().map(|it| it.route).collect::<Vec<_>>(),
            [quiet]
        );
    }

    #[test]
    fn a_full_queue_has_room_for_a_route_below_its_share() {
        let mut shares = of_places(2, 4);
        let (busy, quiet) = (shares.join(100, 0), shares.join(100, 0));
        assert!(admitted(&mut shares, busy).is_some());
        assert!(admitted(&mut shares, quiet).is_some());
        let queued = (1..=10).filter(|request| {
            let arrival = shares.arrive(busy, || *request);
            matches!(arrival, Arrival::Queued { replaced: None, .. })
        });
        assert_eq!(queued.count(), 4);
        for newest in [Some(4), Some(3)] {
            let arrival = shares.arrive(quiet, || 20);
            assert!(matches!(arrival, Arrival::Queued { replaced, .. } if replaced == newest));
        }
        assert_eq!(shares.arrive(quiet, || 20), Arrival::Refused);
        assert_eq!(shares.arrive(busy, || 20), Arrival::Refused);
    }

    #[test]
    fn idle_sandboxes_are_reused_and_give_way() {
        let mut shares = of_places(2, 100);
        let (one, other) = (shares.join(2, 0), shares.join(2, 0));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (sandbox, time) in [(10, after(1)), (11, after(2))] {
            assert!(admitted(&mut shares, one).is_some());
            shares.release(one, Some(sandbox), time);
            // The first one is reused, so keep it running.
            if sandbox == 10 {
                assert_eq!(admitted(&mut shares, one), reused(10));
                shares.release(one, Some(10), time);
            }
        }
        assert_eq!(shares.load(one), (0, 1, 0));
        assert_eq!(admitted(&mut shares, other), free());
        // `one` has an idle sandbox, and it is the place that is left.
        assert_eq!(admitted(&mut shares, one), reused(11));
        shares.release(one, Some(11), after(3));
        shares.release(other, None, after(3));
        assert_eq!(admitted(&mut shares, other), free());
        assert_eq!(admitted(&mut shares, other), None);
        let (grants, _) = shares.release(other, Some(20), after(4));
        assert_eq!(grants[0].place.reused, Some(20));
        shares.release(other, Some(20), after(5));
        assert_eq!(shares.expire(after(3)), [11]);
        assert_eq!(shares.evict(), Some(20));
        assert_eq!(shares.evict(), None);
    }

    #[test]
    fn an_idle_sandbox_of_another_route_gives_way() {
        let mut shares = of_places(2, 100);
        let (one, other) = (shares.join(2, 0), shares.join(2, 0));
        let now = Instant::now();
        assert!(admitted(&mut shares, one).is_some());
        assert!(admitted(&mut shares, other).is_some());
        shares.release(other, Some(20), now);
        shares.release(one, Some(10), now);
        assert_eq!(shares.retire(other), (vec![20], Vec::new()));
        assert_eq!(admitted(&mut shares, one), reused(10));
        let third = shares.join(1, 0);
        shares.release(one, Some(10), now);
        assert_eq!(admitted(&mut shares, third), free());
        shares.release(third, Some(30), now);
        assert_eq!(admitted(&mut shares, one), reused(10));
        shares.retire(third);
        assert_eq!(admitted(&mut shares, one), free());
    }

    #[test]
    fn a_retired_route_serves_its_requests_and_is_forgotten() {
        let mut shares = of_places(1, 100);
        let old = shares.join(1, 0);
        let start =
            |shares: &mut Numbered| matches!(shares.arrive(old, || 0), Arrival::Admitted(_));
        assert!(start(&mut shares));
        assert!(!start(&mut shares));
        let new = shares.join(1, 0);
        assert_eq!(shares.retire(old), (Vec::new(), Vec::new()));
        assert_eq!(shares.retire(old), (Vec::new(), Vec::new()));
        // It has no share, and its requests run though the new route's first sandbox is reserved.
        let (grants, refused) = shares.release(old, Some(1), Instant::now());
        assert_eq!((grants.len(), refused), (1, Some(1)));
        shares.release(old, None, Instant::now());
        // A request found it before it was retired.
        assert!(start(&mut shares));
        shares.forget(old);
        assert!(shares.routes[old].is_some());
        shares.release(old, None, Instant::now());
        assert!(shares.routes[old].is_none());
        assert!(admitted(&mut shares, new).is_some());
        assert_eq!(shares.join(1, 0), old);
    }

    #[test]
    fn idle_memory_gives_way_and_borrowed_memory_comes_back() {
        let mut shares = Numbered::new(Capacity {
            sandboxes: 100,
            pages: 16,
            queue: 100,
        });
        let (small, large) = (shares.join(100, 1), shares.join(100, 4));
        assert_eq!((shares.share_of(small), shares.share_of(large)), (8, 2));
        let now = Instant::now();
        // The first sandbox of the large one has its memory.
        let run = (0..20).filter_map(|_| admitted(&mut shares, small));
        assert_eq!(run.count(), 12);
        assert_eq!(admitted(&mut shares, large), free());
        // Its second one waits for four pages, and no request above a share overtakes it.
        assert_eq!(admitted(&mut shares, large), None);
        for sandbox in 1..4 {
            let (grants, _) = shares.release(small, Some(sandbox), now);
            assert_eq!(grants, []);
        }
        let (grants, _) = shares.release(small, Some(4), now);
        assert_eq!(grants[0].route, large);
        assert_eq!(grants[0].place.evicted, [1, 2, 3, 4]);
    }
}
