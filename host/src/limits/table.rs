//! The table of limits: one row for each, with all that is known of it.

use super::Limit;
use super::bounds::{LINEAR_MEMORY_BYTES, RESOURCES};

/// The unit of a limit's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, written as `256MiB`.
    Bytes,
    /// Milliseconds, written as `30s`.
    Milliseconds,
    /// A count, written as an integer.
    Count,
}

/// The commands that a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every command that runs sandboxes.
    Jobs,
    /// The service alone.
    Service,
    /// `exec`, whose batches may be in a queue.
    Batch,
    /// The worker of a queue.
    Worker,
}

impl Scope {
    /// Whether commands of this scope have a flag for `limit`.
    fn has(self, limit: Limit) -> bool {
        let own = limit.spec().scope;
        match self {
            Self::Jobs => own == Self::Jobs,
            Self::Service => own == Self::Jobs || own == Self::Service,
            // Their `--queue` is an address.
            Self::Batch | Self::Worker if limit == Limit::Queue => false,
            Self::Batch => own == Self::Jobs || (own == Self::Batch && cfg!(feature = "queue")),
            Self::Worker => own == Self::Jobs || limit == Limit::DrainTimeout,
        }
    }
}

/// One row of the table of limits.
#[derive(Debug)]
pub struct Spec {
    /// The name in messages.
    pub name: &'static str,
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// The unit of `default` and `range`.
    pub unit: Unit,
    /// The value for the commands that compute. [`Limits::EXEC`](super::Limits::EXEC) and
    /// [`Limits::SERVE`](super::Limits::SERVE) differ in some.
    pub default: u64,
    /// The least and the greatest value that a flag accepts.
    pub range: (u64, u64),
    /// The commands with this flag.
    pub scope: Scope,
    /// One line for `--help`.
    pub help: &'static str,
}

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// No time limit: over a hundred years.
const TIME_MS_MAX: u64 = 1 << 42;

impl Limit {
    /// The row of the table of limits.
    pub const fn spec(self) -> &'static Spec {
        spec(self)
    }

    /// The limits with a flag in commands of `scope`.
    pub fn in_scope(scope: Scope) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |&limit| scope.has(limit))
    }
}

#[expect(clippy::too_many_lines, reason = "the function is a table")]
const fn spec(limit: Limit) -> &'static Spec {
    match limit {
        Limit::SandboxMemory => &Spec {
            name: "memory of one sandbox",
            flag: "sandbox-memory",
            env: "COCOON_SANDBOX_MEMORY",
            unit: Unit::Bytes,
            default: LINEAR_MEMORY_BYTES,
            range: (64 * KIB, LINEAR_MEMORY_BYTES),
            scope: Scope::Jobs,
            help: "Linear memory and tables of one sandbox",
        },
        Limit::TotalMemory => &Spec {
            name: "memory of all sandboxes",
            flag: "total-memory",
            env: "COCOON_TOTAL_MEMORY",
            unit: Unit::Bytes,
            // Stands for `TOTAL_MEMORY_PERCENT` of the machine.
            default: 0,
            range: (MIB, 1 << 47),
            scope: Scope::Jobs,
            help: "Memory of all sandboxes together, or a share of the memory of the machine or cgroup, such as 70%",
        },
        Limit::Deadline => &Spec {
            name: "deadline",
            flag: "deadline",
            env: "COCOON_DEADLINE",
            unit: Unit::Milliseconds,
            default: HOUR_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Jobs,
            help: "Time of a job from its request to its last byte of output, including waits; over HTTP to the first byte, and the same time again for the rest",
        },
        Limit::Output => &Spec {
            name: "output of a job",
            flag: "output",
            env: "COCOON_OUTPUT",
            unit: Unit::Bytes,
            default: GIB,
            range: (1, 1 << 47),
            scope: Scope::Jobs,
            help: "Bytes of output of one job",
        },
        Limit::Input => &Spec {
            name: "input of a job",
            flag: "input",
            env: "COCOON_INPUT",
            unit: Unit::Bytes,
            default: 64 * MIB,
            range: (1, 1 << 47),
            scope: Scope::Jobs,
            help: "Bytes of standard input that several jobs hold in memory, or of one line with an instance of its own; the input of a single job has no limit",
        },
        Limit::Stack => &Spec {
            name: "wasm stack",
            flag: "stack",
            env: "COCOON_STACK",
            unit: Unit::Bytes,
            default: 512 * KIB,
            range: (64 * KIB, 64 * MIB),
            scope: Scope::Jobs,
            help: "Stack for the WebAssembly frames of one sandbox",
        },
        Limit::Sandboxes => &Spec {
            name: "sandboxes at once",
            flag: "sandboxes",
            env: "COCOON_SANDBOXES",
            unit: Unit::Count,
            default: 1000,
            range: (1, 1_000_000),
            scope: Scope::Jobs,
            help: "Sandboxes that exist at once; the machine's mappings, address space or memory may allow fewer",
        },
        Limit::Queue => &Spec {
            name: "queued jobs",
            flag: "queue",
            env: "COCOON_QUEUE",
            unit: Unit::Count,
            default: 10_000,
            range: (0, 100_000_000),
            scope: Scope::Jobs,
            help: "Jobs that wait for a sandbox or for memory",
        },
        Limit::ComponentSize => &Spec {
            name: "size of a component",
            flag: "component-size",
            env: "COCOON_COMPONENT_SIZE",
            unit: Unit::Bytes,
            default: 64 * MIB,
            range: (1, GIB),
            scope: Scope::Jobs,
            help: "Bytes of a component",
        },
        Limit::CompileTime => &Spec {
            name: "compile time",
            flag: "compile-time",
            env: "COCOON_COMPILE_TIME",
            unit: Unit::Milliseconds,
            // An 18 MB component took 13 s on two idle processors, and 37 s on two busy ones; one
            // of 64 MiB takes some minutes on a busy one.
            default: 10 * MINUTE_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Jobs,
            help: "Time to compile a component, or to wait for another process that compiles it",
        },
        Limit::CodeCache => &Spec {
            name: "compiled code on disk",
            flag: "code-cache-size",
            env: "COCOON_CODE_CACHE_SIZE",
            unit: Unit::Bytes,
            default: GIB,
            range: (MIB, 1 << 47),
            scope: Scope::Jobs,
            help: "Bytes of compiled code that are kept on disk; the code that is not used for the longest time is deleted first",
        },
        Limit::PullTime => &Spec {
            name: "pull time",
            flag: "pull-time",
            env: "COCOON_PULL_TIME",
            unit: Unit::Milliseconds,
            default: MINUTE_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Jobs,
            help: "Time to pull a component from a registry",
        },
        Limit::HostCall => &Spec {
            name: "data of one host call",
            flag: "host-call",
            env: "COCOON_HOST_CALL",
            unit: Unit::Bytes,
            default: 512 * KIB,
            range: (64 * KIB, 128 * MIB),
            scope: Scope::Jobs,
            help: "Bytes of arguments of one call from a sandbox to the host",
        },
        Limit::Files => &Spec {
            name: "open files of one sandbox",
            flag: "files",
            env: "COCOON_FILES",
            unit: Unit::Count,
            default: 1024,
            range: (1, 100_000),
            scope: Scope::Jobs,
            help: "Files and folders that one sandbox may have open; beyond them, opening fails inside the sandbox",
        },
        Limit::Resources => &Spec {
            name: "host resources of one sandbox",
            flag: "resources",
            env: "COCOON_RESOURCES",
            unit: Unit::Count,
            default: RESOURCES,
            range: (64, 1_000_000),
            scope: Scope::Jobs,
            help: "Host resources of one sandbox: files, streams, sockets, timers",
        },
        Limit::TableElements => &Spec {
            name: "elements of one table",
            flag: "table-elements",
            env: "COCOON_TABLE_ELEMENTS",
            unit: Unit::Count,
            default: 1_000_000,
            range: (1000, 100_000_000),
            scope: Scope::Jobs,
            help: "Elements of one table; the memory of components whose tables start larger is allocated on demand",
        },
        Limit::SandboxThreads => &Spec {
            name: "threads of one sandbox",
            flag: "sandbox-threads",
            env: "COCOON_SANDBOX_THREADS",
            unit: Unit::Count,
            default: 4,
            range: (1, 64),
            scope: Scope::Jobs,
            help: "Threads for the blocking calls of one sandbox: files and name lookup",
        },
        Limit::StuckThreads => &Spec {
            name: "stuck threads",
            flag: "stuck-threads",
            env: "COCOON_STUCK_THREADS",
            unit: Unit::Count,
            default: 1000,
            range: (1, 100_000),
            scope: Scope::Jobs,
            help: "Threads of ended jobs in system calls that do not return",
        },
        Limit::Stall => &Spec {
            name: "stall time",
            flag: "stall",
            env: "COCOON_STALL",
            unit: Unit::Milliseconds,
            default: TIME_MS_MAX,
            range: (1, TIME_MS_MAX),
            scope: Scope::Service,
            help: "Time in which a client may read no byte of its response, or send none of its request",
        },
        Limit::Connections => &Spec {
            name: "connections at once",
            flag: "connections",
            env: "COCOON_CONNECTIONS",
            unit: Unit::Count,
            default: 16_384,
            range: (1, 1_000_000),
            scope: Scope::Service,
            help: "Connections that are open at once; the machine's file descriptors or memory (768 KiB each) may allow fewer; a new connection closes the one that is idle longest",
        },
        Limit::Idle => &Spec {
            name: "idle time of a connection",
            flag: "idle",
            env: "COCOON_IDLE",
            unit: Unit::Milliseconds,
            default: 30 * SECOND_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Service,
            help: "Time in which a connection must send the headers of its next request",
        },
        Limit::Headers => &Spec {
            name: "headers of a request",
            flag: "headers",
            env: "COCOON_HEADERS",
            unit: Unit::Bytes,
            default: 16 * KIB,
            range: (8 * KIB, MIB),
            scope: Scope::Service,
            help: "Bytes of the headers of one request",
        },
        Limit::RequestBody => &Spec {
            name: "body of a request to a handler",
            flag: "request-body",
            env: "COCOON_REQUEST_BODY",
            unit: Unit::Bytes,
            default: 64 * MIB,
            range: (0, 1 << 47),
            scope: Scope::Service,
            help: "Bytes of the body of one request to a handler; of these, few are in memory at once",
        },
        Limit::SandboxIdle => &Spec {
            name: "idle time of a sandbox",
            flag: "sandbox-idle",
            env: "COCOON_SANDBOX_IDLE",
            unit: Unit::Milliseconds,
            default: MINUTE_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Service,
            help: "Time for which a sandbox of a route with `reuse` waits for its next request",
        },
        Limit::BatchLine => &Spec {
            name: "line of a batch",
            flag: "batch-line",
            env: "COCOON_BATCH_LINE",
            unit: Unit::Bytes,
            default: 4 * KIB,
            range: (64, MIB),
            scope: Scope::Service,
            help: "Bytes of one line of a batch",
        },
        Limit::ListItems => &Spec {
            name: "items of a listing",
            flag: "list-items",
            env: "COCOON_LIST_ITEMS",
            unit: Unit::Count,
            default: 10_000,
            range: (1, 1_000_000),
            scope: Scope::Service,
            help: "Items of one listing",
        },
        Limit::DrainDelay => &Spec {
            name: "drain delay",
            flag: "drain-delay",
            env: "COCOON_DRAIN_DELAY",
            unit: Unit::Milliseconds,
            default: 0,
            range: (0, TIME_MS_MAX),
            scope: Scope::Service,
            help: "Time after SIGTERM in which requests are still accepted, for a load balancer to notice",
        },
        Limit::DrainTimeout => &Spec {
            name: "drain timeout",
            flag: "drain-timeout",
            env: "COCOON_DRAIN_TIMEOUT",
            unit: Unit::Milliseconds,
            default: 30 * SECOND_MS,
            range: (1, TIME_MS_MAX),
            scope: Scope::Service,
            help: "Time after the drain delay in which running requests may finish; of a worker: time after SIGTERM in which running instances may finish",
        },
        Limit::QueueResults => &Spec {
            name: "unread results of a batch",
            flag: "queue-results",
            env: "COCOON_QUEUE_RESULTS",
            unit: Unit::Bytes,
            default: 64 * MIB,
            range: (64 * KIB, 1 << 40),
            scope: Scope::Batch,
            help: "Of a batch in a queue: bytes of results that lie in Redis until they are read; workers wait beyond them, and a longer output fails",
        },
        Limit::QueueInput => &Spec {
            name: "input of a batch",
            flag: "queue-input",
            env: "COCOON_QUEUE_INPUT",
            unit: Unit::Bytes,
            default: 64 * MIB,
            range: (64 * KIB, 1 << 40),
            scope: Scope::Batch,
            help: "Of a batch in a queue: bytes of lines that lie in Redis until their instances have ended; of a detached one, bytes of all lines",
        },
        Limit::Lease => &Spec {
            name: "lease of a range",
            flag: "lease",
            env: "COCOON_LEASE",
            unit: Unit::Milliseconds,
            default: 30 * SECOND_MS,
            range: (100, TIME_MS_MAX),
            scope: Scope::Batch,
            help: "Of a batch in a queue: time after which the instances of a silent worker are run by another one; workers renew their leases three times in it",
        },
        Limit::Attempts => &Spec {
            name: "deliveries of an instance",
            flag: "attempts",
            env: "COCOON_ATTEMPTS",
            unit: Unit::Count,
            default: 5,
            range: (1, 1000),
            scope: Scope::Batch,
            help: "Of a batch in a queue: deliveries of an instance whose workers die, after which it fails",
        },
        Limit::Refusal => &Spec {
            name: "time after a refusal",
            flag: "refusal",
            env: "COCOON_REFUSAL",
            unit: Unit::Milliseconds,
            default: 10 * SECOND_MS,
            range: (0, TIME_MS_MAX),
            scope: Scope::Batch,
            help: "Of a batch in a queue: time after a worker refused it in which another one may run it; then it fails",
        },
        Limit::Keep => &Spec {
            name: "time to keep a batch",
            flag: "keep",
            env: "COCOON_KEEP",
            unit: Unit::Milliseconds,
            default: 24 * HOUR_MS,
            range: (SECOND_MS, TIME_MS_MAX),
            scope: Scope::Batch,
            help: "Of a batch in a queue: time for which Redis keeps a batch that nobody works on or reads",
        },
    }
}
