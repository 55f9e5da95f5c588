//! `wasi:clocks` of real time, or of a [`VirtualClock`](super::virtual_clock::VirtualClock).
//!
//! The readings of both come from the sandbox's `WasiCtx`. Sleeps are here, since Wasmtime's own
//! always take real time.

use std::time::Duration;

use tokio::time::sleep;
use wasmtime::component::{Accessor, HasData, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock as p2;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks::{monotonic_clock as p3, types};

use super::state::State;
use super::virtual_clock::VirtualClock;

/// The clocks of one sandbox.
pub(super) struct Clocks<'a>(pub(super) &'a mut State);

/// Gives the linker access to [`Clocks`].
pub(super) struct HasClocks;

impl HasData for HasClocks {
    type Data<'a> = Clocks<'a>;
}

/// A timer of a virtual clock.
struct VirtualTimer {
    clock: VirtualClock,
    end_ns: u64,
    /// Whether a poll found it ended and yielded for other events.
    has_yielded: bool,
}

#[async_trait]
impl Pollable for VirtualTimer {
    async fn ready(&mut self) {
        // A poll is a reading: a program that polls a timer without blocking ends, too.
        if self.clock.read() < self.end_ns {
            self.clock.sleep_until(self.end_ns).await;
        } else if !self.has_yielded {
            self.has_yielded = true;
            tokio::task::yield_now().await;
        }
    }
}

impl Clocks<'_> {
    fn timer(
        &mut self,
        clock: VirtualClock,
        end_ns: u64,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = VirtualTimer {
            clock,
            end_ns,
            has_yielded: false,
        };
        let timer = self.0.resources.push(timer)?;
        subscribe(&mut self.0.resources, timer)
    }
}

impl p2::Host for Clocks<'_> {
    fn now(&mut self) -> wasmtime::Result<p2::Instant> {
        p2::Host::now(&mut self.0.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::Duration> {
        p2::Host::resolution(&mut self.0.clocks())
    }

    fn subscribe_instant(&mut self, when: p2::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        match self.0.virtual_clock() {
            Some(clock) => self.timer(clock, when),
            None => self.0.clocks().subscribe_instant(when),
        }
    }

    fn subscribe_duration(
        &mut self,
        duration: p2::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        match self.0.virtual_clock() {
            Some(clock) => {
                let end_ns = clock.after(duration);
                self.timer(clock, end_ns)
            }
            None => self.0.clocks().subscribe_duration(duration),
        }
    }
}

impl p3::Host for Clocks<'_> {
    fn now(&mut self) -> wasmtime::Result<p3::Mark> {
        p3::Host::now(&mut self.0.clocks())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<types::Duration> {
        p3::Host::get_resolution(&mut self.0.clocks())
    }
}

impl<U> p3::HostWithStore<U> for HasClocks {
    async fn wait_until(store: &Accessor<U, Self>, when: p3::Mark) -> wasmtime::Result<()> {
        let (virtual_clock, now) = store.with(|mut view| -> wasmtime::Result<_> {
            let mut clocks = view.get();
            let now = p3::Host::now(&mut clocks)?;
            Ok((clocks.0.virtual_clock(), now))
        })?;
        match virtual_clock {
            Some(clock) => clock.sleep_until(when).await,
            None => sleep_ns(when.saturating_sub(now)).await,
        }
        Ok(())
    }

    async fn wait_for(
        store: &Accessor<U, Self>,
        duration: types::Duration,
    ) -> wasmtime::Result<()> {
        let virtual_clock = store.with(|mut view| view.get().0.virtual_clock());
        match virtual_clock {
            Some(clock) => clock.sleep_until(clock.after(duration)).await,
            None => sleep_ns(duration).await,
        }
        Ok(())
    }
}

/// Sleeps. A time that is over is over at once: a timer ends with a tick of its own at the soonest.
async fn sleep_ns(duration_ns: u64) {
    if duration_ns > 0 {
        sleep(Duration::from_nanos(duration_ns)).await;
    }
}
