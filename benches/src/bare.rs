//! The baseline: the same jobs on bare Wasmtime, in direct and fast code. It is fixed; the
//! library is measured against it.
//!
//! Pooling, copy-on-write images, epochs with a tick of a millisecond, async calls, resident
//! initial memory, a fresh store for each job, and WASI state that is created only on use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cocoon::worlds::factorial::bundled_wasm;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::{ANSWER, N};
use bindings::SandboxPre;
use bindings::exports::cocoon::factorial::factorial::{Format, Kind, Request};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "cocoon:factorial/sandbox",
        exports: { default: async },
    });
}

const SANDBOXES: u32 = 1000;
const STACK_BYTES: usize = 512 << 10;
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

struct State {
    wasi: Option<WasiCtx>,
    resources: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_default(),
            table: &mut self.resources,
        }
    }
}

/// An engine with the linked component, and its ticker.
pub(crate) struct Bare {
    engine: Engine,
    pre: SandboxPre<State>,
    stop: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

impl Bare {
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SANDBOXES)
            .total_core_instances(SANDBOXES * 8)
            .total_memories(SANDBOXES)
            .total_tables(SANDBOXES * 2)
            .total_stacks(SANDBOXES)
            .max_memory_size(4 << 30)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .memory_init_cow(true)
            .max_wasm_stack(STACK_BYTES)
            .async_stack_size(STACK_BYTES + (256 << 10))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, &bundled_wasm()?)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let pre = SandboxPre::new(linker.instantiate_pre(&component)?)?;
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = std::thread::spawn({
            let (engine, stop) = (engine.clone(), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                    engine.increment_epoch();
                }
            }
        });
        Ok(Self {
            engine,
            pre,
            stop,
            ticker: Some(ticker),
        })
    }

    /// One job in a fresh sandbox.
    pub(crate) async fn job(&self) -> wasmtime::Result<()> {
        let mut store = self.store();
        let component = self.pre.instantiate_async(&mut store).await?;
        let answer = component
            .cocoon_factorial_factorial()
            .call_compute(&mut store, factorial_of(N))
            .await?;
        match answer {
            Ok(answer) if answer == ANSWER => Ok(()),
            _ => Err(wasmtime::Error::msg("a wrong answer")),
        }
    }

    /// Makes `count` calls in one sandbox. Returns their total time and the length of the
    /// answer.
    pub(crate) async fn calls(&self, n: u64, count: u64) -> wasmtime::Result<(Duration, usize)> {
        let mut store = self.store();
        let component = self.pre.instantiate_async(&mut store).await?;
        let mut digits = 0;
        let mut started = Instant::now();
        // The first call grows the memory, and is not counted.
        for call in 0..=count {
            if call == 1 {
                started = Instant::now();
            }
            let answer = component
                .cocoon_factorial_factorial()
                .call_compute(&mut store, factorial_of(n))
                .await?;
            let answer = answer.map_err(|error| wasmtime::Error::msg(format!("{error:?}")))?;
            digits = answer.len();
        }
        Ok((started.elapsed(), digits))
    }

    fn store(&self) -> Store<State> {
        let state = State {
            wasi: None,
            resources: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store.set_epoch_deadline(1);
        store
    }
}

const fn factorial_of(n: u64) -> Request {
    Request {
        kind: Kind::Factorial,
        n,
        format: Format::Decimal,
        proved: false,
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            // The ticker never panics.
            let _ = ticker.join();
        }
    }
}
