//! Fair shares of the sandboxes and of the queue, without I/O and without a clock.
//!
//! Each of R routes is guaranteed `sandboxes / R` sandboxes and `queue / R` places in the queue,
//! at least one of each. A route may use more where others leave some idle, up to its
//! concurrency, under three rules:
//!
//! - The first sandbox of each route is never lent, so a request to an idle route starts at once.
//! - A sandbox that becomes free goes to a route below its share, to the request that waits
//!   longest; then to the route that is least above its share.
//! - In a full queue, a request to a route below its share of the queue replaces the newest
//!   request of the route that is most above its share.
//!
//! A route may keep sandboxes for its next requests. Such an idle sandbox counts as free, and is
//! given up for any request that has no other place.
//!
//! The type `T` is an idle sandbox, and `W` is the handle of a request that waits.

use std::collections::VecDeque;
use std::time::Instant;

/// The number of a route.
pub(super) type RouteId = usize;

/// The sandboxes, the queue, and the routes that share them.
#[derive(Debug)]
pub(super) struct Shares<T, W> {
    sandboxes: u32,
    queue: u64,
    /// Sandboxes that answer requests.
    running: u32,
    /// Sandboxes that routes keep.
    idle: u32,
    waiting: u64,
    tickets: u64,
    /// Routes that are not retired.
    active: u32,
    /// Active routes that have no running sandbox.
    resting: u32,
    routes: Vec<Option<Route<T, W>>>,
}

#[derive(Debug)]
struct Route<T, W> {
    concurrency: u32,
    is_active: bool,
    running: u32,
    /// The sandbox that has been idle longest is the first.
    idle: VecDeque<(Instant, T)>,
    waiters: VecDeque<(u64, W)>,
}

/// The place of one sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<T> {
    /// A place for a fresh sandbox.
    Free,
    /// A sandbox of the same route.
    Reused(T),
    /// A sandbox of another route, in whose place a fresh one starts.
    Evicted(T),
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
    /// Shares of `sandboxes`, and of a queue of `queue` requests.
    pub(super) fn new(sandboxes: u32, queue: u64) -> Self {
        Self {
            sandboxes,
            queue,
            running: 0,
            idle: 0,
            waiting: 0,
            tickets: 0,
            active: 0,
            resting: 0,
            routes: Vec::new(),
        }
    }

    /// The places in the queue.
    pub(super) fn queue(&self) -> u64 {
        self.queue
    }

    /// Adds a route that runs at most `concurrency` sandboxes.
    pub(super) fn join(&mut self, concurrency: u32) -> RouteId {
        let route = Route {
            concurrency: concurrency.max(1),
            is_active: true,
            running: 0,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
        };
        self.active += 1;
        self.resting += 1;
        match self.routes.iter().position(Option::is_none) {
            Some(free) => {
                self.routes[free] = Some(route);
                free
            }
            None => {
                self.routes.push(Some(route));
                self.routes.len() - 1
            }
        }
    }

    /// Takes the share of a route, and returns its idle sandboxes. Its requests are still served.
    pub(super) fn retire(&mut self, id: RouteId) -> (Vec<T>, Vec<Grant<T, W>>) {
        let Some(route) = self.route(id).filter(|route| route.is_active) else {
            return (Vec::new(), Vec::new());
        };
        route.is_active = false;
        let is_resting = route.running == 0;
        let idle: Vec<_> = route.idle.drain(..).map(|(_, idle)| idle).collect();
        self.idle = self
            .idle
            .saturating_sub(u32::try_from(idle.len()).unwrap_or(u32::MAX));
        self.active -= 1;
        self.resting -= u32::from(is_resting);
        let grants = self.grant_waiters();
        self.forget_unused(id);
        (idle, grants)
    }

    /// The sandboxes that a route runs, and those that it keeps.
    pub(super) fn sandboxes_of(&self, id: RouteId) -> (u32, u32) {
        match self.routes.get(id) {
            Some(Some(route)) => (
                route.running,
                u32::try_from(route.idle.len()).unwrap_or(u32::MAX),
            ),
            _ => (0, 0),
        }
    }

    /// Admits a request to a route, or lets `waiter` wait.
    pub(super) fn arrive(&mut self, id: RouteId, waiter: W) -> Arrival<T, W> {
        if self.may_run(id) {
            // A request of the same route that waits could run, too, so none does.
            return Arrival::Admitted(self.run(id));
        }
        let replaced = if self.waiting < self.queue {
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
            route.waiters.push_back((ticket, waiter));
            self.waiting += 1;
        }
        Arrival::Queued { ticket, replaced }
    }

    /// Removes a request from the queue. Nothing happens if it waits no longer.
    pub(super) fn leave(&mut self, id: RouteId, ticket: u64) {
        let Some(route) = self.route(id) else {
            return;
        };
        let found = route.waiters.binary_search_by_key(&ticket, |(own, _)| *own);
        if let Ok(place) = found {
            route.waiters.remove(place);
            self.waiting -= 1;
            self.forget_unused(id);
        }
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
        let rests = route.is_active && route.running == 0;
        let (kept, refused) = match idle {
            Some(idle) if route.is_active => {
                route.idle.push_back((now, idle));
                (1, None)
            }
            other => (0, other),
        };
        self.running -= 1;
        self.idle += kept;
        self.resting += u32::from(rests);
        let grants = self.grant_waiters();
        self.forget_unused(id);
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
                self.idle -= 1;
            }
        }
        expired
    }

    /// Removes the sandbox that has been idle longest.
    pub(super) fn evict(&mut self) -> Option<T> {
        let routes = self.routes.iter_mut().flatten();
        let oldest = routes
            .filter(|route| !route.idle.is_empty())
            .min_by_key(|route| route.idle.front().map(|(since, _)| *since))?;
        let (_, idle) = oldest.idle.pop_front()?;
        self.idle -= 1;
        Some(idle)
    }

    fn route(&mut self, id: RouteId) -> Option<&mut Route<T, W>> {
        self.routes.get_mut(id)?.as_mut()
    }

    /// The sandboxes that `route` is guaranteed.
    fn share(&self, route: &Route<T, W>) -> u32 {
        if !route.is_active {
            return 0;
        }
        let even = self.sandboxes / self.active.max(1);
        even.max(1).min(route.concurrency)
    }

    /// The places in the queue that each route is guaranteed.
    fn queue_share(&self) -> u64 {
        (self.queue / u64::from(self.active.max(1))).max(1)
    }

    /// Whether a request of the route may run now.
    fn may_run(&self, id: RouteId) -> bool {
        let Some(Some(route)) = self.routes.get(id) else {
            return false;
        };
        let free = self.sandboxes.saturating_sub(self.running);
        // The first sandboxes of other routes.
        let reserved = if route.is_active && route.running == 0 {
            0
        } else {
            self.resting
        };
        route.running < route.concurrency && free > reserved
    }

    /// Starts a request of a route that may run.
    fn run(&mut self, id: RouteId) -> Place<T> {
        let is_full = self.running + self.idle >= self.sandboxes;
        let Some(route) = self.route(id) else {
            return Place::Free;
        };
        route.running += 1;
        let was_resting = route.is_active && route.running == 1;
        // The one that was used last: the processor's cache has some of its memory.
        let own = route.idle.pop_back();
        self.running += 1;
        self.resting -= u32::from(was_resting);
        match own {
            Some((_, idle)) => {
                self.idle -= 1;
                Place::Reused(idle)
            }
            None if is_full => self.evict().map_or(Place::Free, Place::Evicted),
            None => Place::Free,
        }
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
            let share = self.share(route);
            let above = (route.running + 1).saturating_sub(share);
            self.may_run(id).then_some(((above, *ticket), id))
        });
        candidates.min().map(|(_, id)| id)
    }

    /// Removes a request of a route above its share of the queue, if `id` is below its own.
    fn replace(&mut self, id: RouteId) -> Option<W> {
        let share = self.queue_share();
        let length = |route: &Route<T, W>| route.waiters.len() as u64;
        let own = self.route(id)?;
        if !own.is_active || length(own) >= share {
            return None;
        }
        let longest = self
            .routes
            .iter_mut()
            .flatten()
            .max_by_key(|it| length(it))?;
        if length(longest) <= share {
            return None;
        }
        let (_, waiter) = longest.waiters.pop_back()?;
        self.waiting -= 1;
        Some(waiter)
    }

    /// Removes a route that was retired and has no request.
    fn forget_unused(&mut self, id: RouteId) {
        let is_unused = |route: &Route<T, W>| {
            !route.is_active && route.running == 0 && route.waiters.is_empty()
        };
        if self
            .routes
            .get(id)
            .is_some_and(|it| it.as_ref().is_some_and(is_unused))
        {
            self.routes[id] = None;
        }
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
        queue: usize,
        /// The concurrency of each route.
        routes: Vec<usize>,
        running: Vec<(RouteId, u32)>,
        /// In the order of their arrival.
        waiting: Vec<(RouteId, u32)>,
    }

    impl Model {
        fn count(list: &[(RouteId, u32)], route: RouteId) -> usize {
            list.iter().filter(|(own, _)| *own == route).count()
        }

        fn share(&self, route: RouteId) -> usize {
            let even = (self.sandboxes / self.routes.len()).max(1);
            even.min(self.routes[route])
        }

        fn may_run(&self, route: RouteId) -> bool {
            let running = |route| Self::count(&self.running, route);
            let others =
                (0..self.routes.len()).filter(|other| *other != route && running(*other) == 0);
            let reserved = if running(route) == 0 {
                0
            } else {
                others.count()
            };
            running(route) < self.routes[route] && self.sandboxes - self.running.len() > reserved
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

        fn release(&mut self, place: usize) -> Vec<u32> {
            self.running.remove(place);
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
                routes: (0..random.usize(1..5))
                    .map(|_| random.usize(1..12))
                    .collect(),
                ..Model::default()
            };
            let sandboxes = u32::try_from(model.sandboxes).expect("few");
            let mut shares = Numbered::new(sandboxes, model.queue as u64);
            for &concurrency in &model.routes {
                shares.join(u32::try_from(concurrency).expect("few"));
            }
            let now = Instant::now();
            let mut tickets = Vec::new();
            for request in 0..400 {
                match random.u32(0..10) {
                    0..6 => {
                        let route = random.usize(0..model.routes.len());
                        let may_run = model.may_run(route);
                        match shares.arrive(route, request) {
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
                        shares.leave(route, ticket.expect("a ticket").1);
                    }
                    _ if !model.running.is_empty() => {
                        let place = random.usize(0..model.running.len());
                        let (route, request) = model.running[place];
                        let expected = model.release(place);
                        let idle = random.bool().then_some(request);
                        let (grants, refused) = shares.release(route, idle, now);
                        assert_eq!(refused, None);
                        let granted: Vec<_> = grants.iter().map(|grant| grant.waiter).collect();
                        assert_eq!(granted, expected, "seed {seed}");
                    }
                    _ => {}
                }
                let (running, waiting) = (model.running.len(), model.waiting.len());
                assert_eq!(shares.running as usize, running);
                assert_eq!(shares.waiting, waiting as u64);
                assert!(shares.running + shares.idle <= sandboxes);
                let kept: u32 = (0..model.routes.len())
                    .map(|id| shares.sandboxes_of(id).1)
                    .sum();
                assert_eq!(shares.idle, kept);
            }
        }
    }

    fn admitted(shares: &mut Numbered, route: RouteId) -> Option<Place<u32>> {
        match shares.arrive(route, 0) {
            Arrival::Admitted(place) => Some(place),
            Arrival::Queued { .. } | Arrival::Refused => None,
        }
    }

    #[test]
    fn the_first_sandbox_of_a_route_is_never_lent() {
        let mut shares = Numbered::new(8, 100);
        let (busy, quiet) = (shares.join(100), shares.join(100));
        let run = (0..20).filter_map(|_| admitted(&mut shares, busy)).count();
        assert_eq!(run, 7);
        assert_eq!(admitted(&mut shares, quiet), Some(Place::Free));
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
        let mut shares = Numbered::new(2, 4);
        let (busy, quiet) = (shares.join(100), shares.join(100));
        assert!(admitted(&mut shares, busy).is_some());
        assert!(admitted(&mut shares, quiet).is_some());
        let queued = (1..=10).filter(|request| {
            let arrival = shares.arrive(busy, *request);
            matches!(arrival, Arrival::Queued { replaced: None, .. })
        });
        assert_eq!(queued.count(), 4);
        for newest in [Some(4), Some(3)] {
            let arrival = shares.arrive(quiet, 20);
            assert!(matches!(arrival, Arrival::Queued { replaced, .. } if replaced == newest));
        }
        assert_eq!(shares.arrive(quiet, 20), Arrival::Refused);
        assert_eq!(shares.arrive(busy, 20), Arrival::Refused);
    }

    #[test]
    fn idle_sandboxes_are_reused_and_give_way() {
        let mut shares = Numbered::new(2, 100);
        let (one, other) = (shares.join(2), shares.join(2));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (sandbox, time) in [(10, after(1)), (11, after(2))] {
            assert!(admitted(&mut shares, one).is_some());
            shares.release(one, Some(sandbox), time);
            // The first one is reused, so keep it running.
            if sandbox == 10 {
                assert_eq!(admitted(&mut shares, one), Some(Place::Reused(10)));
                shares.release(one, Some(10), time);
            }
        }
        assert_eq!(shares.sandboxes_of(one), (0, 1));
        assert_eq!(admitted(&mut shares, other), Some(Place::Free));
        // `one` has an idle sandbox, and it is the place that is left.
        assert_eq!(admitted(&mut shares, one), Some(Place::Reused(11)));
        shares.release(one, Some(11), after(3));
        shares.release(other, None, after(3));
        assert_eq!(admitted(&mut shares, other), Some(Place::Free));
        assert_eq!(admitted(&mut shares, other), None);
        let (grants, _) = shares.release(other, Some(20), after(4));
        assert_eq!(grants[0].place, Place::Reused(20));
        shares.release(other, Some(20), after(5));
        assert_eq!(shares.expire(after(3)), [11]);
        assert_eq!(shares.evict(), Some(20));
        assert_eq!(shares.evict(), None);
    }

    #[test]
    fn an_idle_sandbox_of_another_route_gives_way() {
        let mut shares = Numbered::new(2, 100);
        let (one, other) = (shares.join(2), shares.join(2));
        let now = Instant::now();
        assert!(admitted(&mut shares, one).is_some());
        assert!(admitted(&mut shares, other).is_some());
        shares.release(other, Some(20), now);
        shares.release(one, Some(10), now);
        assert_eq!(shares.retire(other), (vec![20], Vec::new()));
        assert_eq!(admitted(&mut shares, one), Some(Place::Reused(10)));
        let third = shares.join(1);
        shares.release(one, Some(10), now);
        assert_eq!(admitted(&mut shares, third), Some(Place::Free));
        shares.release(third, Some(30), now);
        assert_eq!(admitted(&mut shares, one), Some(Place::Reused(10)));
        shares.retire(third);
        assert_eq!(admitted(&mut shares, one), Some(Place::Free));
    }

    #[test]
    fn a_retired_route_serves_its_requests_and_is_forgotten() {
        let mut shares = Numbered::new(2, 100);
        let (old, other) = (shares.join(1), shares.join(1));
        assert!(admitted(&mut shares, old).is_some());
        assert!(admitted(&mut shares, old).is_none());
        assert_eq!(shares.retire(old), (Vec::new(), Vec::new()));
        assert_eq!(shares.retire(old), (Vec::new(), Vec::new()));
        let (grants, refused) = shares.release(old, Some(1), Instant::now());
        assert_eq!((grants.len(), refused), (1, Some(1)));
        assert!(shares.routes[old].is_some());
        shares.release(old, None, Instant::now());
        assert!(shares.routes[old].is_none());
        assert_eq!(shares.join(1), old);
        assert!(admitted(&mut shares, other).is_some());
    }
}
