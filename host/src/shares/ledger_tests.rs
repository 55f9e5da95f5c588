//! The rules of the shares, compared with a model.

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
    let start = |shares: &mut Numbered| matches!(shares.arrive(old, || 0), Arrival::Admitted(_));
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
