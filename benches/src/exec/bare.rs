//! The baseline: many instances of a program on bare Wasmtime, in direct and fast code. It is
//! fixed; `cocoon exec` is measured against it.
//!
//! Pooling, copy-on-write images, epochs with a tick of a millisecond, async calls, `pagemap_scan`,
//! a fresh store with WASI for each instance, and output that is captured in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    UpdateDeadline,
};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const SANDBOXES: u32 = 1000;
const STACK_BYTES: usize = 512 << 10;
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
const OUTPUT_BYTES_MAX: usize = 1 << 20;

struct State {
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.resources,
        }
    }
}

/// An engine with the linked program, and its ticker.
pub(super) struct Bare {
    engine: Engine,
    program: CommandPre<State>,
    arguments: Vec<String>,
    stop: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

impl Bare {
    pub(super) fn new(file: &Path, arguments: &[&str]) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SANDBOXES)
            .total_core_instances(SANDBOXES * 8)
            .total_memories(SANDBOXES)
            .total_tables(SANDBOXES * 2)
            .total_stacks(SANDBOXES)
            .max_memory_size(4 << 30)
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .memory_init_cow(true)
            .concurrency_support(false)
            .max_wasm_stack(STACK_BYTES)
            .async_stack_size(STACK_BYTES + (256 << 10))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let program = CommandPre::new(linker.instantiate_pre(&component)?)?;
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
        let arguments = ["program"].iter().chain(arguments);
        Ok(Self {
            engine,
            program,
            arguments: arguments.map(|&argument| argument.to_owned()).collect(),
            stop,
            ticker: Some(ticker),
        })
    }

    /// Runs `count` instances on `threads` threads, and returns their time. Each must write
    /// `expected`.
    pub(super) fn run(
        self: &Arc<Self>,
        count: u64,
        threads: usize,
        expected: &'static str,
    ) -> wasmtime::Result<Duration> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(wasmtime::Error::from)?;
        let left = Arc::new(AtomicU64::new(count));
        let started = Instant::now();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..threads {
                let (bare, left) = (Arc::clone(self), Arc::clone(&left));
                let next = |left: u64| left.checked_sub(1);
                tasks.spawn(async move {
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
                        .is_ok()
                    {
                        let output = bare.instance().await?;
                        if output != expected.as_bytes() {
                            return Err(wasmtime::Error::msg("a wrong output"));
                        }
                    }
                    Ok(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.map_err(wasmtime::Error::from)??;
            }
            Ok(started.elapsed())
        })
    }

    /// Runs one instance and returns its output.
    async fn instance(&self) -> wasmtime::Result<Vec<u8>> {
        let (stdout, stderr) = (
            MemoryOutputPipe::new(OUTPUT_BYTES_MAX),
            MemoryOutputPipe::new(OUTPUT_BYTES_MAX),
        );
        let state = State {
            wasi: WasiCtx::builder()
                .args(&self.arguments)
                .stdout(stdout.clone())
                .stderr(stderr)
                .build(),
            resources: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store.set_epoch_deadline(1);
        let program = self.program.instantiate_async(&mut store).await?;
        let result = program.wasi_cli_run().call_run(&mut store).await?;
        drop(store);
        if result.is_err() {
            return Err(wasmtime::Error::msg("the program failed"));
        }
        Ok(stdout.contents().to_vec())
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
