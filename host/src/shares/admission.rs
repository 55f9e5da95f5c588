//! Admission of requests to routes: the shares of `ledger`, and the waits for
//! them.
//!
//! A [`Share`] is the place of one sandbox of a route. The deadline of a request bounds its wait,
//! and the queue bounds the number of requests that wait. Dropping a share, or a request that
//! waits, starts the next request.
//!
//! `T` is a sandbox that a route keeps for its next request.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::ledger::{Arrival, Capacity, Grant, Place, RouteId, Shares};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::Limit;
use crate::metrics::Meter;

/// The sandboxes, the memory and the queue of a service, which its routes share.
pub struct Admission<T>(Arc<Mutex<Waiting<T>>>);

type Waiting<T> = Shares<T, oneshot::Sender<Share<T>>>;

/// The share of one route. Dropping it ends the route's idle sandboxes, and other routes get its
/// share.
pub struct Member<T> {
    admission: Admission<T>,
    id: RouteId,
}

/// The place of one sandbox.
pub struct Share<T> {
    admission: Admission<T>,
    route: RouteId,
    reused: Option<T>,
    is_released: bool,
}

/// The load of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Sandboxes that answer requests.
    pub running: u64,
    /// Sandboxes that are kept for the next requests.
    pub idle: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// The guaranteed sandboxes.
    pub share: u64,
}

impl<T> Clone for Admission<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Admission<T> {
    /// Shares of `sandboxes`, of `pages` of memory, and of a queue of `queue` requests.
    pub fn new(sandboxes: u32, pages: u64, queue: u64) -> Self {
        let capacity = Capacity {
            sandboxes,
            pages,
            queue,
        };
        Self(Arc::new(Mutex::new(Shares::new(capacity))))
    }

    /// Adds a route that runs at most `concurrency` sandboxes of `pages` each.
    pub fn join(&self, concurrency: u32, pages: u64) -> Member<T> {
        Member {
            id: self.lock().join(concurrency, pages),
            admission: self.clone(),
        }
    }

    /// Ends the sandboxes that have been idle for `time`.
    pub fn expire(&self, time: Duration) {
        let expired = match Instant::now().checked_sub(time) {
            Some(before) => self.lock().expire(before),
            None => Vec::new(),
        };
        // Without the lock.
        drop(expired);
    }

    // No code panics while it has the lock.
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self, route: RouteId, place: Place<T>) -> Share<T> {
        let Place { reused, evicted } = place;
        // Their memory is free before the next sandbox reserves it.
        drop(evicted);
        Share {
            admission: self.clone(),
            route,
            reused,
            is_released: false,
        }
    }

    /// Starts requests that no longer wait. A request that has just ended passes its share on.
    fn start(&self, grants: Vec<Grant<T, oneshot::Sender<Share<T>>>>) {
        for Grant {
            route,
            waiter,
            place,
        } in grants
        {
            drop(waiter.send(self.share(route, place)));
        }
    }
}

impl<T> Member<T> {
    /// Waits for a place of a sandbox.
    ///
    /// # Errors
    ///
    /// [`RunError::Busy`] if the queue is full, [`RunError::Stopped`] if the deadline passes in
    /// the queue.
    pub async fn admit(&self, deadline: &Deadline, meter: &Meter) -> Result<Share<T>, RunError> {
        let mut receiver = None;
        let (arrival, queue) = {
            let mut shares = self.admission.lock();
            let arrival = shares.arrive(self.id, || {
                let (sender, waiting) = oneshot::channel();
                receiver = Some(waiting);
                sender
            });
            (arrival, shares.capacity().queue)
        };
        let busy = RunError::Busy {
            limit: Limit::Queue,
            value: queue,
        };
        match (arrival, receiver) {
            (Arrival::Admitted(place), _) => Ok(self.admission.share(self.id, place)),
            (Arrival::Queued { ticket, replaced }, Some(receiver)) => {
                // Its request sees that the queue is full.
                drop(replaced);
                let _queued = meter.enter_queue();
                let _waiter = Waiter {
                    admission: &self.admission,
                    route: self.id,
                    ticket,
                };
                deadline.within(pin!(receiver)).await?.map_err(|_| busy)
            }
            (Arrival::Queued { .. } | Arrival::Refused, _) => Err(busy),
        }
    }

    /// Ends the idle sandboxes, and passes the share to other routes. Requests are still served.
    pub fn retire(&self) {
        let (idle, grants) = self.admission.lock().retire(self.id);
        drop(idle);
        self.admission.start(grants);
    }

    /// The load of the route.
    pub fn load(&self) -> Load {
        let shares = self.admission.lock();
        let (running, idle, waiting) = shares.load(self.id);
        Load {
            running,
            idle,
            waiting,
            share: shares.share_of(self.id).into(),
        }
    }
}

impl<T> Drop for Member<T> {
    fn drop(&mut self) {
        self.retire();
        self.admission.lock().forget(self.id);
    }
}

impl<T> Share<T> {
    /// The sandbox that an earlier request of the route left.
    pub fn take_idle(&mut self) -> Option<T> {
        self.reused.take()
    }

    /// Ends the request and leaves `sandbox` for the next one.
    pub fn keep(mut self, sandbox: T) {
        self.release(Some(sandbox));
    }

    fn release(&mut self, idle: Option<T>) {
        if self.is_released {
            return;
        }
        self.is_released = true;
        // A sandbox that was never asked for ends now.
        drop(self.reused.take());
        let now = Instant::now();
        let (grants, refused) = self.admission.lock().release(self.route, idle, now);
        drop(refused);
        self.admission.start(grants);
    }
}

impl<T> Drop for Share<T> {
    fn drop(&mut self) {
        self.release(None);
    }
}

/// A request in the queue.
struct Waiter<'a, T> {
    admission: &'a Admission<T>,
    route: RouteId,
    ticket: u64,
}

impl<T> Drop for Waiter<'_, T> {
    fn drop(&mut self) {
        let grants = self.admission.lock().leave(self.route, self.ticket);
        self.admission.start(grants);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn deadline() -> Deadline {
        Deadline::after(60_000, 60_000)
    }

    fn meter() -> Meter {
        Meter::new(2, 1 << 20)
    }

    #[tokio::test]
    async fn a_share_that_is_dropped_starts_the_next_request() {
        let admission = Admission::<u32>::new(1, 0, 2);
        let member = admission.join(1, 0);
        let (deadline, meter) = (deadline(), meter());
        let mut first = member.admit(&deadline, &meter).await.expect("a share");
        assert_eq!(first.take_idle(), None);
        let mut second = pin!(member.admit(&deadline, &meter));
        assert!(second.as_mut().now_or_never().is_none());
        {
            // It is dropped while it waits.
            let mut third = pin!(member.admit(&deadline, &meter));
            assert!(third.as_mut().now_or_never().is_none());
            let full = member.admit(&deadline, &meter).now_or_never();
            let full = full.expect("an answer").err().expect("an error");
            assert!(matches!(full, RunError::Busy { value: 2, .. }), "{full}");
            assert_eq!(meter.queue_length(), 2);
        }
        assert_eq!(meter.queue_length(), 1);
        first.keep(7);
        let mut second = second.await.expect("a share");
        assert_eq!(second.take_idle(), Some(7));
        drop(second);
        assert_eq!(member.load().running, 0);
        let mut third = member.admit(&deadline, &meter).await.expect("a share");
        assert_eq!(third.take_idle(), None);
    }

    #[tokio::test]
    async fn a_share_is_passed_on_if_its_request_ends_as_it_arrives() {
        let admission = Admission::<u32>::new(1, 0, 10);
        let member = admission.join(1, 0);
        let (deadline, meter) = (deadline(), meter());
        let first = member.admit(&deadline, &meter).await.expect("a share");
        let mut last = pin!(member.admit(&deadline, &meter));
        {
            let mut second = pin!(member.admit(&deadline, &meter));
            assert!(second.as_mut().now_or_never().is_none());
            assert!(last.as_mut().now_or_never().is_none());
            // The second request gets the share, and never sees it.
            drop(first);
        }
        assert!(last.now_or_never().expect("an answer").is_ok());
    }

    #[tokio::test]
    async fn a_deadline_ends_the_wait() {
        let admission = Admission::<u32>::new(1, 0, 10);
        let member = admission.join(1, 0);
        let meter = meter();
        let _first = member.admit(&deadline(), &meter).await.expect("a share");
        let second = member.admit(&Deadline::after(20, 1000), &meter).await;
        let error = second.err().expect("an error");
        assert_eq!(error.limit(), Some(Limit::Deadline));
        assert_eq!(member.load().waiting, 0);
    }

    #[tokio::test]
    async fn idle_sandboxes_end_with_their_route_or_time() {
        struct Counted(#[expect(dead_code, reason = "it counts its owners")] Arc<()>);
        let count = Arc::new(());
        let admission = Admission::<Counted>::new(2, 0, 10);
        let members = [admission.join(1, 0), admission.join(1, 0)];
        for member in &members {
            let share = member.admit(&deadline(), &meter()).await.expect("a share");
            share.keep(Counted(Arc::clone(&count)));
        }
        assert_eq!(Arc::strong_count(&count), 3);
        members[0].retire();
        assert_eq!(Arc::strong_count(&count), 2);
        admission.expire(Duration::from_hours(1));
        assert_eq!(Arc::strong_count(&count), 2);
        admission.expire(Duration::ZERO);
        assert_eq!(Arc::strong_count(&count), 1);
        let share = members[0]
            .admit(&deadline(), &meter())
            .await
            .expect("a share");
        share.keep(Counted(Arc::clone(&count)));
        // A retired route keeps none.
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
