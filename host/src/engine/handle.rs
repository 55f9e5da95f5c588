//! The handle of an engine.

use std::sync::Arc;
#[cfg(feature = "compiler")]
use std::time::Instant;

#[cfg(all(feature = "service", feature = "compiler"))]
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
#[cfg(feature = "compiler")]
use tokio::sync::watch;

use super::config::{self, Calls, Compiler, Layout, Reset, Settings};
use super::error::{EngineError, one_line};
use super::shared::Shared;
use super::ticker::Ticker;
use crate::blocking::BlockingPool;
#[cfg(feature = "compiler")]
use crate::code_cache::CodeCache;
#[cfg(all(feature = "service", feature = "compiler"))]
use crate::limits::RESIDENT_SANDBOXES;
use crate::limits::{BACKTRACE_FRAMES, Limit, Limits, PROGRAM_BYTES, SYNC_SANDBOXES};
use crate::machine::{ADDRESS_SPACE_PER_SANDBOX, MAPPINGS_PER_MEMORY, Machine};
use crate::metrics::Meter;

/// The least address space for sandboxes, with the component compiled at start: with 586 MiB, of
/// which this much is for sandboxes, 30 of them ran; with 488 MiB they did not.
const ADDRESS_SPACE_MIN: u64 = 440 << 20;

/// A compiler and places for sandboxes. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    settings: Settings,
    limits: Limits,
    sandboxes: u32,
    #[cfg(feature = "compiler")]
    memory_bytes: u64,
    total_memory_bytes: u64,
    /// Half of the descriptors, for those that the program itself opens for sandboxes.
    descriptors: u64,
    address_space_bytes: u64,
    mappings: u64,
    meter: Meter,
    shared: Arc<Shared>,
    compiler: Compiler,
    #[cfg(feature = "compiler")]
    code_cache: Option<CodeCache>,
    /// When the component that is being compiled was begun.
    #[cfg(feature = "compiler")]
    compiling: watch::Sender<Option<Instant>>,
}

/// Shows that a component is compiled, as long as it lives.
#[cfg(feature = "compiler")]
pub(crate) struct Compiling<'a>(&'a watch::Sender<Option<Instant>>);

#[cfg(feature = "compiler")]
impl Drop for Compiling<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

impl Engine {
    /// An engine for as many sandboxes as `limits` and `machine` allow.
    ///
    /// # Errors
    ///
    /// Where not even one sandbox fits, or Wasmtime does not run here.
    pub fn new(limits: &Limits, machine: &Machine) -> Result<Self, EngineError> {
        Self::start(limits, machine, Calls::Concurrent, Reset::Whole, false)
    }

    /// As [`Engine::new`], for programs: those without streams start sooner, and others get an engine
    /// of their own when they are loaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::new`].
    pub fn for_programs(limits: &Limits, machine: &Machine) -> Result<Self, EngineError> {
        Self::start(limits, machine, Calls::Sync, Reset::Scanned, false)
    }

    /// As [`Engine::for_programs`], for sandboxes with
    /// [`Grants::determinism`](crate::grants::Grants::determinism): every instruction computes the
    /// same bits in each run, those of NaN among them.
    ///
    /// # Errors
    ///
    /// As [`Engine::new`].
    pub fn deterministic(limits: &Limits, machine: &Machine) -> Result<Self, EngineError> {
        Self::start(limits, machine, Calls::Sync, Reset::Scanned, true)
    }

    fn start(
        limits: &Limits,
        machine: &Machine,
        calls: Calls,
        reset: Reset,
        is_deterministic: bool,
    ) -> Result<Self, EngineError> {
        let total_memory_bytes = machine.total_memory_bytes(limits);
        let sandboxes = u32::try_from(machine.sandboxes(limits)).unwrap_or(u32::MAX);
        if sandboxes == 0 {
            return Err(EngineError::NoRoom {
                memory: Limit::TotalMemory.format(total_memory_bytes),
                program: Limit::TotalMemory.format(PROGRAM_BYTES),
                mappings: machine.mappings_free,
            });
        }
        if machine.address_space_bytes < ADDRESS_SPACE_MIN {
            // Sandboxes get three quarters of a limited address space.
            let whole = |bytes| Limit::TotalMemory.format((bytes / 3 * 4) >> 20 << 20);
            return Err(EngineError::AddressSpace {
                limit: whole(machine.address_space_bytes),
                least: whole(ADDRESS_SPACE_MIN),
            });
        }
        let asked = limits.get(Limit::Sandboxes);
        if u64::from(sandboxes) < asked {
            tracing::debug!(limit = asked, sandboxes, "sandboxes reduced");
        }
        let start = |settings| wasmtime::Engine::new(&config::config(settings));
        let mut settings = Settings {
            layout: Layout::Pooled {
                sandboxes,
                table_elements: limits.count(Limit::TableElements),
            },
            calls,
            reset,
            stack_bytes: limits.size(Limit::Stack),
            backtrace_frames: BACKTRACE_FRAMES,
            compiler: Compiler::Optimizing,
            is_deterministic,
        };
        let reserved = if machine.pooled_sandboxes() >= u64::from(sandboxes) {
            start(settings)
        } else {
            Err(wasmtime::Error::msg(
                "expected address space for all sandboxes, got less",
            ))
        };
        let inner = match reserved {
            Ok(started) => started,
            Err(error) => {
                tracing::debug!(%error, "memory not reserved");
                settings.layout = Layout::Unreserved;
                start(settings).map_err(|error| EngineError::Start(one_line(&error)))?
            }
        };
        let ticker =
            Ticker::start(&inner).map_err(|error| EngineError::Start(error.to_string()))?;
        let shared = Shared {
            idle_memory: Arc::new(Semaphore::new(permits(
                machine.idle_memory_bytes(limits) >> 20,
            ))),
            // The other half.
            open_files: Arc::new(Semaphore::new(permits(machine.descriptors / 2))),
            blocking: BlockingPool::new(limits),
            ticker: Arc::new(ticker),
        };
        Ok(Self {
            inner,
            settings,
            limits: limits
                .clone()
                .with(Limit::Connections, machine.connections(limits)),
            sandboxes,
            #[cfg(feature = "compiler")]
            memory_bytes: machine.memory_bytes,
            total_memory_bytes,
            descriptors: machine.descriptors / 2,
            address_space_bytes: machine.address_space_bytes,
            mappings: machine.sandbox_mappings(),
            meter: Meter::new(sandboxes, total_memory_bytes),
            shared: Arc::new(shared),
            compiler: Compiler::Optimizing,
            #[cfg(feature = "compiler")]
            code_cache: None,
            #[cfg(feature = "compiler")]
            compiling: watch::Sender::new(None),
        })
    }

    /// The same engine, which compiles components with `compiler`. [`Compiler::Baseline`] is for
    /// trying things out: a second compiler is a second way out of the sandbox. Components that
    /// it cannot compile are compiled by the other one.
    #[must_use]
    pub fn with_compiler(self, compiler: Compiler) -> Self {
        Self { compiler, ..self }
    }

    /// The same engine, which keeps the code of components in `cache` and loads it from there.
    #[cfg(feature = "compiler")]
    #[must_use]
    pub fn with_code_cache(self, cache: Option<CodeCache>) -> Self {
        Self {
            code_cache: cache,
            ..self
        }
    }

    /// The same engine, whose idle places share the memory of those of `other`.
    #[cfg(all(feature = "service", feature = "compiler"))]
    #[must_use]
    pub fn with_idle_memory_of(self, other: &Self) -> Self {
        let shared = Shared {
            idle_memory: Arc::clone(&other.shared.idle_memory),
            ..Shared::clone(&self.shared)
        };
        Self {
            shared: Arc::new(shared),
            ..self
        }
    }

    /// When the component began that is being compiled now, or `None` as long as there is none.
    #[cfg(feature = "compiler")]
    pub fn compiling(&self) -> watch::Receiver<Option<Instant>> {
        self.compiling.subscribe()
    }

    /// Shows that a component is compiled from now on.
    #[cfg(feature = "compiler")]
    pub(crate) fn start_compiling(&self) -> Compiling<'_> {
        self.compiling.send_replace(Some(Instant::now()));
        Compiling(&self.compiling)
    }

    /// The compiler of components.
    pub fn compiler(&self) -> Compiler {
        self.compiler
    }

    #[cfg(feature = "compiler")]
    pub(crate) fn code_cache(&self) -> Option<&CodeCache> {
        self.code_cache.as_ref()
    }

    /// Another engine, whose code the baseline compiler makes.
    ///
    /// # Errors
    ///
    /// Where Wasmtime refuses to start, as on processors that this compiler lacks.
    #[cfg(feature = "compiler")]
    pub(crate) fn baseline(&self) -> Result<Self, EngineError> {
        let settings = Settings {
            compiler: Compiler::Baseline,
            ..self.settings
        };
        self.sibling(settings, self.sandboxes)
    }

    /// Another engine, for the bundled component without streams, whose sandboxes start sooner there.
    /// It has [`SYNC_SANDBOXES`] places of its own.
    ///
    /// # Errors
    ///
    /// Where Wasmtime refuses to start.
    pub(crate) fn sync(&self) -> Result<Self, EngineError> {
        let sandboxes = self.sandboxes.min(SYNC_SANDBOXES);
        let layout = match self.settings.layout {
            Layout::Pooled { table_elements, .. } => Layout::Pooled {
                sandboxes,
                table_elements,
            },
            other => other,
        };
        let settings = Settings {
            layout,
            calls: Calls::Sync,
            backtrace_frames: 0,
            ..self.settings
        };
        self.sibling(settings, sandboxes)
    }

    /// Another engine with the same settings and [`SYNC_SANDBOXES`] places, for one thread.
    ///
    /// # Errors
    ///
    /// Where places have no memory of their own, or Wasmtime refuses to start.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn for_thread(&self) -> Result<Self, EngineError> {
        self.with_places(SYNC_SANDBOXES, self.settings.reset)
    }

    /// Another engine with the same settings, whose places have one memory each and keep `kept_bytes` of
    /// it. It has [`RESIDENT_SANDBOXES`] places, or as many as half of the memory that is left for idle
    /// places allows. What they need of it is reserved as long as the permit lives.
    ///
    /// # Errors
    ///
    /// Where there is no memory for one, and as [`Engine::for_thread`].
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn resident(
        &self,
        kept_bytes: u64,
    ) -> Result<(Self, OwnedSemaphorePermit), EngineError> {
        let each = u32::try_from(kept_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        let idle = &self.shared.idle_memory;
        // The other half is for other components.
        let left = u32::try_from(idle.available_permits() / 2).unwrap_or(u32::MAX);
        let most = self.sandboxes.min(RESIDENT_SANDBOXES);
        let places = most.min(left / each.max(1));
        let reserved = Arc::clone(idle).try_acquire_many_owned(places * each);
        let (Ok(reserved), 1..) = (reserved, places) else {
            return Err(EngineError::Start(format!(
                "expected {each} MiB for a place that is idle, got {left} MiB for all"
            )));
        };
        let kept_bytes = usize::try_from(kept_bytes).unwrap_or(usize::MAX);
        let engine = self.with_places(places, Reset::Copied(kept_bytes))?;
        Ok((engine, reserved))
    }

    /// Another engine with up to `places`, whose slots are made ready again by `reset`.
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn with_places(&self, places: u32, reset: Reset) -> Result<Self, EngineError> {
        let Layout::Pooled { table_elements, .. } = self.settings.layout else {
            let why = "expected memory that is reserved ahead, got none";
            return Err(EngineError::Start(why.to_owned()));
        };
        let sandboxes = self.sandboxes.min(places);
        let layout = Layout::Pooled {
            sandboxes,
            table_elements,
        };
        let settings = Settings {
            layout,
            reset,
            ..self.settings
        };
        self.sibling(settings, sandboxes)
    }

    /// The kinds of calls of its components.
    #[cfg(feature = "compiler")]
    pub(crate) fn calls(&self) -> Calls {
        self.settings.calls
    }

    /// Another engine with as many places, for components with `calls`. Where there is no address
    /// space for two engines, it maps memory when it is needed.
    ///
    /// # Errors
    ///
    /// Where Wasmtime refuses to start.
    #[cfg(feature = "compiler")]
    pub(crate) fn with_calls(&self, calls: Calls) -> Result<Self, EngineError> {
        let settings = Settings {
            calls,
            ..self.settings
        };
        let pooled = self.sibling(settings, self.sandboxes);
        pooled.or_else(|error| {
            tracing::debug!(%error, "memory not reserved");
            let settings = Settings {
                layout: Layout::OnDemand,
                ..settings
            };
            self.sibling(settings, self.sandboxes)
        })
    }

    /// Another engine, for components that fit no slot of this one: each of their memories
    /// and tables is mapped when it is needed. It loads code that was compiled for this one.
    ///
    /// # Errors
    ///
    /// Where Wasmtime refuses to start.
    #[cfg(feature = "compiler")]
    pub(crate) fn on_demand(&self) -> Result<Self, EngineError> {
        let layout = match self.settings.layout {
            Layout::Pooled { .. } => Layout::OnDemand,
            other => other,
        };
        let settings = Settings {
            layout,
            ..self.settings
        };
        self.sibling(settings, self.sandboxes)
    }

    /// An engine with other settings and the same limits, meter and ticker.
    fn sibling(&self, settings: Settings, sandboxes: u32) -> Result<Self, EngineError> {
        let inner = wasmtime::Engine::new(&config::config(settings))
            .map_err(|error| EngineError::Start(one_line(&error)))?;
        self.shared.ticker.add(&inner);
        Ok(Self {
            inner,
            settings,
            sandboxes,
            shared: Arc::new(Shared::clone(&self.shared)),
            ..self.clone()
        })
    }

    /// The limits that the engine was made with, those of the machine among them.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The number of sandboxes that can exist at once.
    pub fn sandboxes(&self) -> u32 {
        self.sandboxes
    }

    /// Bytes of memory that this machine, or container, has.
    #[cfg(feature = "compiler")]
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Bytes that all sandboxes may have together.
    pub fn total_memory_bytes(&self) -> u64 {
        self.total_memory_bytes
    }

    /// File descriptors that the program may hold for all sandboxes together, besides those that
    /// sandboxes open.
    pub fn descriptors(&self) -> u64 {
        self.descriptors
    }

    /// The metrics of the engine's jobs.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether code that the build precompiled can be loaded.
    pub(crate) fn takes_precompiled(&self) -> bool {
        self.settings.layout != Layout::Unreserved
    }

    /// The number of sandboxes with this many memories and tables each that fit at once.
    pub(crate) fn sandboxes_of(&self, memories: u32, tables: u32) -> u32 {
        let fit = match self.settings.layout {
            Layout::Pooled { sandboxes, .. } => {
                let memories = config::memory_slots(sandboxes) / memories.max(1);
                memories.min(config::table_slots(sandboxes) / tables.max(1))
            }
            // Whatever mappings and address space the machine has.
            Layout::OnDemand | Layout::Unreserved => {
                let each = u64::from(memories) * MAPPINGS_PER_MEMORY + u64::from(tables) + 1;
                let mappings = self.mappings / each;
                let reserved = match self.settings.layout {
                    Layout::OnDemand => ADDRESS_SPACE_PER_SANDBOX * u64::from(memories.max(1)),
                    _ => 1,
                };
                let fit = mappings.min(self.address_space_bytes / reserved);
                u32::try_from(fit).unwrap_or(u32::MAX)
            }
        };
        fit.min(self.sandboxes)
    }

    /// The most elements of a table. A table that is mapped on demand has no slot.
    pub(crate) fn table_elements_max(&self) -> usize {
        match self.settings.layout {
            Layout::Pooled { table_elements, .. } => table_elements,
            Layout::OnDemand | Layout::Unreserved => usize::MAX,
        }
    }

    /// Descriptors that are left for files that sandboxes open.
    pub(crate) fn open_files(&self) -> &Arc<Semaphore> {
        &self.shared.open_files
    }

    /// Threads for calls that may block.
    pub(crate) fn blocking(&self) -> &BlockingPool {
        &self.shared.blocking
    }

    /// What its sandboxes keep alive.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }
}

/// `count`, or the most permits that a semaphore can have.
pub(crate) fn permits(count: u64) -> usize {
    usize::try_from(count).map_or(Semaphore::MAX_PERMITS, |count| {
        count.min(Semaphore::MAX_PERMITS)
    })
}

#[cfg(all(test, feature = "service", feature = "compiler"))]
mod tests {
    use super::*;

    #[test]
    fn engines_share_the_memory_of_idle_places() {
        let limits = Limits::EXEC.with(Limit::TotalMemory, 256 << 20);
        let engine = || Engine::for_programs(&limits, &Machine::detect()).expect("an engine");
        let first = engine();
        let second = engine().with_idle_memory_of(&first);
        // A quarter of the memory, of which each takes half of what is left.
        let (resident, held) = first.resident(2 << 20).expect("places");
        assert_eq!((resident.sandboxes(), held.num_permits()), (16, 32));
        let refused = second.resident(17 << 20).err().expect("no place");
        assert!(refused.to_string().contains("got 16 MiB"), "{refused}");
        drop(held);
        assert!(second.resident(17 << 20).is_ok());
    }
}
