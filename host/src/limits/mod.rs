//! Every limit by name, with its unit, its defaults, its flag and its
//! environment variable.
//!
//! Nothing in the other layers waits, grows or buffers without one of these.
//! The flags of the command line are made from this table, and a job that a
//! limit refused or stopped names it by this table.

use std::fmt;

/// A limit that a job can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Limit {
    /// Linear memory and tables of one sandbox.
    SandboxMemory,
    /// The caps of all sandboxes together.
    TotalMemory,
    /// From a job's admission request until its last digit is produced.
    Deadline,
    /// Bytes that one job may put out.
    Output,
    /// Bytes of input that one job may be given.
    Input,
    /// The stack of wasm frames of one sandbox.
    Stack,
    /// Sandboxes that exist at once.
    Sandboxes,
    /// Jobs that wait for a sandbox or for memory.
    Queue,
    /// The file of a component.
    ComponentSize,
    /// Compiling a component.
    CompileTime,
    /// Pulling a component from a registry.
    PullTime,
    /// Bytes that one call of a sandbox may hand to the host.
    HostCall,
    /// Files that one sandbox may have open.
    Files,
    /// Objects of the host that one sandbox may hold: files, streams, sockets, timers.
    Resources,
    /// Elements of one table of a sandbox.
    TableElements,
    /// Threads that one sandbox may occupy with calls that block.
    SandboxThreads,
    /// Threads that the kernel has not given back from calls of jobs that are over.
    StuckThreads,
    /// Time in which a reader takes no byte, or a client sends none.
    Stall,
    /// Connections that are open at once.
    Connections,
    /// From one request of a connection to the end of the next one's headers.
    Idle,
    /// The headers of one request.
    Headers,
    /// One line of a batch.
    BatchLine,
    /// Items of one listing.
    ListItems,
    /// From the signal to end until the listener closes.
    DrainDelay,
    /// From the listener's closing until what still runs is given up.
    DrainTimeout,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, written as `256MiB`.
    Bytes,
    /// Milliseconds, written as `30s`.
    Milliseconds,
    /// Plain things.
    Things,
}

/// One row of the table of limits.
#[derive(Debug)]
pub struct Spec {
    /// As it is named in messages.
    pub name: &'static str,
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// One line for `--help`.
    pub help: &'static str,
}

/// Sandboxes of jobs that promise no more than this are admitted without a wait
/// for the memory budget, so that small jobs are never stuck behind large ones.
pub const SMALL_JOB_BYTES: u64 = 1 << 20;
/// What is set aside for every sandbox: the memory of a small job, and its buffers.
pub const PLACE_BYTES: u64 = SMALL_JOB_BYTES + BUFFER_BYTES;
/// Tables of a sandbox that do not count as its memory: 2,048 functions, several
/// times what the toolchains make for a component of a few hundred KiB.
pub const TABLES_FREE_BYTES: u64 = 16 << 10;
/// The largest answer that the contract's `compute` returns in one reply.
pub const REPLY_BYTES: u64 = 64 << 10;
/// The largest piece of a byte stream that is moved at once.
pub const CHUNK_BYTES: usize = 64 << 10;
/// How many values a channel holds before its writer has to wait.
pub const CHANNEL_ITEMS: usize = 8;
/// Objects of the host that one sandbox may hold by default.
const RESOURCES: u64 = 4096;
/// Bytes that the host sets aside for all buffers of one sandbox, beside its memory cap:
/// a channel of [`CHANNEL_ITEMS`] chunks, the chunks that its two ends have in hand, and
/// what calls of the contract carry.
pub const BUFFER_BYTES: u64 = 1 << 20;
/// Bytes that a channel of chunks holds at the most.
pub const CHANNEL_BYTES: u64 = (CHANNEL_ITEMS * CHUNK_BYTES) as u64;
/// Bytes that the files and sockets of one sandbox have on their way, all together.
pub const STREAM_BYTES: usize = 192 << 10;
/// Bytes that each of them may have on its way, also where [`STREAM_BYTES`] are used up.
pub const STREAM_BYTES_MIN: usize = 128;
/// Folders whose entries one sandbox may be reading at once.
pub const LISTINGS: usize = 32;
/// Bytes of entries that are read from a folder at once.
pub const LISTING_BYTES: usize = 2 << 10;
/// How long a sandbox waits for a thread where [`Limit::StuckThreads`] is reached.
pub const STUCK_PATIENCE_MS: u64 = 1000;
/// Instance data of a component (functions, globals, tables as the engine keeps them) that
/// does not count as memory of its sandbox.
pub const INSTANCE_FREE_BYTES: u64 = 256 << 10;
/// The most that is repeated of what a component, or another program, says of an error.
pub const ERROR_CHARS: usize = 1000;
/// Costs of requests that are remembered.
pub const COSTS_REMEMBERED: usize = 1024;
/// The most linear memory that a 32-bit component can have.
pub const LINEAR_MEMORY_BYTES: u64 = 4 << 30;
/// The most sandboxes that may be asked for to work on one number.
pub const FAN_OUT_MAX: u32 = 64;
/// Items of one listing or batch that are computed at once.
pub const ITEMS_AT_ONCE: usize = 32;
/// Requests that one connection may have at once.
pub const CONNECTION_STREAMS: u32 = 128;
/// Connections beyond [`Limit::Connections`] that a full service still reads a request of, to
/// answer it with its health or with 503.
pub const GUEST_CONNECTIONS: usize = 64;
/// Guests that wait for a place at once, before they are answered with 503.
pub const GUESTS_WAITING: usize = 32;
/// How long each of them waits.
pub const GUEST_PATIENCE_MS: u64 = 250;
/// How long a guest that got no place stays at the most.
pub const GUEST_TIME_MS: u64 = 5000;
/// Evicted connections that have time to end cleanly, at once.
pub const LEAVING_CONNECTIONS: usize = 64;
/// How long each of them has, beyond the end of its requests.
pub const LEAVING_TIME_MS: u64 = 1000;
/// Connections of the address for health and metrics.
pub const ADMIN_CONNECTIONS: usize = 64;
/// How long connections are not looked through again where none of them could be evicted.
pub const EVICTION_PAUSE_MS: u64 = 10;
/// Places of an engine for components without streams. They answer within microseconds,
/// and others have their turn only after a millisecond.
pub const PLAIN_SANDBOXES: u32 = 16;
/// The most streams that one sandbox of several at work on a number may put out for others.
pub const PART_READERS: usize = 4;
/// Memory of a sandbox that checks digits, for which the contract has no promise.
pub const VERIFY_BYTES: u64 = 8 << 20;
/// The most that is read of an answer of a registry that is no component: what the
/// specification of OCI's registries has them take as a manifest.
pub const REGISTRY_ANSWER_BYTES: u64 = 4 << 20;
/// How often a registry may say that something is elsewhere.
pub const REGISTRY_REDIRECTS: usize = 5;
/// Spans that wait to be exported, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise.
pub const SPANS_QUEUED: usize = 2048;
/// The same of a command, whose instances may all end at once: each of those that are
/// traced has up to eight spans.
pub const COMMAND_SPANS_QUEUED: usize = 8192;
/// The most that `OTEL_BSP_MAX_QUEUE_SIZE` may say. A span takes about a kilobyte.
pub const SPANS_QUEUED_MAX: usize = 1 << 18;
/// Spans of a batch at most, unless `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise.
pub const SPANS_BATCH: usize = 512;
/// How long a span waits for a batch, unless `OTEL_BSP_SCHEDULE_DELAY` says otherwise.
pub const SPANS_DELAY_MS: u64 = 5000;
/// Attributes, events and links of a span, each; OpenTelemetry's variables can lower it.
pub const SPAN_PARTS_MAX: u32 = 128;
/// Characters of a text in a span, unless `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` says otherwise.
/// A path and a header's value have no lower limit, and spans wait in memory.
pub const SPAN_VALUE_CHARS: usize = 4096;
/// How long a batch is tried, unless `OTEL_BSP_EXPORT_TIMEOUT` says otherwise.
pub const EXPORT_GIVE_UP_MS: u64 = 30_000;
/// How long an answer to a batch is waited for, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says
/// otherwise.
pub const EXPORT_TIMEOUT_MS: u64 = 10_000;
/// The first pause before a batch is sent again, and the longest.
pub const EXPORT_PAUSE_MS: u64 = 1000;
/// See [`EXPORT_PAUSE_MS`].
pub const EXPORT_PAUSE_MAX_MS: u64 = 10_000;
/// The longest that a collector may want to hear nothing: a year.
pub const EXPORT_WAIT_MAX_S: u64 = 31_536_000;
/// Bytes of a collector's answer.
pub const EXPORT_ANSWER_BYTES: usize = 64 << 10;
/// Characters of a collector's message in the log.
pub const EXPORT_MESSAGE_CHARS: usize = 300;
/// Seconds between two reports of lost spans.
pub const LOSSES_REPORTED_S: u64 = 60;
/// How long the end of the program waits for its spans to end.
pub const SPANS_CLOSE_MS: u64 = 200;
/// Instances of a command whose spans are exported. Those beyond are left out.
pub const COMMAND_INSTANCES_TRACED: u64 = 1000;
/// How long the end of the program waits for its last spans to be delivered.
pub const TELEMETRY_FLUSH_MS: u64 = 2000;
/// How long `cocoon health` waits for an answer unless it is told otherwise: less
/// than the timeout of the image's health check.
pub const HEALTH_TIMEOUT: &str = "3s";
/// Memory that is kept for the program itself, unless its user says how much sandboxes
/// may have: without it, a service in a cgroup of 20 MiB was killed under load.
pub const PROGRAM_BYTES: u64 = 24 << 20;
/// The share of the machine's memory that all sandboxes may have, in percent.
pub const TOTAL_MEMORY_PERCENT: u64 = 70;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Over a hundred years stand for "without end".
const TIME_MS_MAX: u64 = 1 << 42;

impl Limit {
    /// Every limit, in the order of `--help`.
    pub const ALL: [Self; 25] = [
        Self::SandboxMemory,
        Self::TotalMemory,
        Self::Deadline,
        Self::Output,
        Self::Input,
        Self::Stack,
        Self::Sandboxes,
        Self::Queue,
        Self::ComponentSize,
        Self::CompileTime,
        Self::PullTime,
        Self::HostCall,
        Self::Files,
        Self::Resources,
        Self::TableElements,
        Self::SandboxThreads,
        Self::StuckThreads,
        Self::Stall,
        Self::Connections,
        Self::Idle,
        Self::Headers,
        Self::BatchLine,
        Self::ListItems,
        Self::DrainDelay,
        Self::DrainTimeout,
    ];

    /// Those of every command.
    pub const OF_JOBS: &'static [Self] = Self::ALL.split_at(17).0;

    /// This limit's row of the table.
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub const fn spec(self) -> &'static Spec {
        match self {
            Self::SandboxMemory => &Spec {
                name: "memory of one sandbox",
                flag: "sandbox-memory",
                env: "COCOON_SANDBOX_MEMORY",
                unit: Unit::Bytes,
                help: "Linear memory and tables of one sandbox",
            },
            Self::TotalMemory => &Spec {
                name: "memory of all sandboxes",
                flag: "total-memory",
                env: "COCOON_TOTAL_MEMORY",
                unit: Unit::Bytes,
                help: "Memory of all sandboxes together; a share of the machine's or cgroup's may be given as 70%",
            },
            Self::Deadline => &Spec {
                name: "deadline",
                flag: "deadline",
                env: "COCOON_DEADLINE",
                unit: Unit::Milliseconds,
                help: "Time of a job, waiting included, until its last byte is produced; over HTTP until the first byte, and as much again for the rest",
            },
            Self::Output => &Spec {
                name: "output of a job",
                flag: "output",
                env: "COCOON_OUTPUT",
                unit: Unit::Bytes,
                help: "Bytes that one job may put out",
            },
            Self::Input => &Spec {
                name: "input of a job",
                flag: "input",
                env: "COCOON_INPUT",
                unit: Unit::Bytes,
                help: "Bytes of standard input that one job may be given",
            },
            Self::Stack => &Spec {
                name: "wasm stack",
                flag: "stack",
                env: "COCOON_STACK",
                unit: Unit::Bytes,
                help: "Stack of wasm frames of one sandbox",
            },
            Self::Sandboxes => &Spec {
                name: "sandboxes at once",
                flag: "sandboxes",
                env: "COCOON_SANDBOXES",
                unit: Unit::Things,
                help: "Sandboxes that exist at once, or fewer where the machine's mappings, address space or memory allow fewer",
            },
            Self::Queue => &Spec {
                name: "queued jobs",
                flag: "queue",
                env: "COCOON_QUEUE",
                unit: Unit::Things,
                help: "Jobs that wait for a sandbox or for memory",
            },
            Self::ComponentSize => &Spec {
                name: "component file",
                flag: "component-size",
                env: "COCOON_COMPONENT_SIZE",
                unit: Unit::Bytes,
                help: "Bytes of a component file",
            },
            Self::CompileTime => &Spec {
                name: "compilation",
                flag: "compile-time",
                env: "COCOON_COMPILE_TIME",
                unit: Unit::Milliseconds,
                help: "Time to compile a component",
            },
            Self::PullTime => &Spec {
                name: "pull",
                flag: "pull-time",
                env: "COCOON_PULL_TIME",
                unit: Unit::Milliseconds,
                help: "Time to pull a component from a registry",
            },
            Self::HostCall => &Spec {
                name: "data of one host call",
                flag: "host-call",
                env: "COCOON_HOST_CALL",
                unit: Unit::Bytes,
                help: "Bytes of arguments that a sandbox may pass to the host in one call",
            },
            Self::Files => &Spec {
                name: "open files of one sandbox",
                flag: "files",
                env: "COCOON_FILES",
                unit: Unit::Things,
                help: "Files and folders that one sandbox may have open; opening another fails inside",
            },
            Self::Resources => &Spec {
                name: "host resources of one sandbox",
                flag: "resources",
                env: "COCOON_RESOURCES",
                unit: Unit::Things,
                help: "Objects of the host that one sandbox may hold: files, streams, sockets, timers",
            },
            Self::TableElements => &Spec {
                name: "elements of one table",
                flag: "table-elements",
                env: "COCOON_TABLE_ELEMENTS",
                unit: Unit::Things,
                help: "Elements that a table of a sandbox may grow to; a component whose tables start larger runs with memory allocated on demand",
            },
            Self::SandboxThreads => &Spec {
                name: "threads of one sandbox",
                flag: "sandbox-threads",
                env: "COCOON_SANDBOX_THREADS",
                unit: Unit::Things,
                help: "Threads that one sandbox may occupy with calls that block: files and name look-up",
            },
            Self::StuckThreads => &Spec {
                name: "stuck threads",
                flag: "stuck-threads",
                env: "COCOON_STUCK_THREADS",
                unit: Unit::Things,
                help: "Threads that jobs which are over may leave behind in calls that the kernel does not finish",
            },
            Self::Stall => &Spec {
                name: "stall",
                flag: "stall",
                env: "COCOON_STALL",
                unit: Unit::Milliseconds,
                help: "Time in which a client may take no byte of its answer, or send none of its request",
            },
            Self::Connections => &Spec {
                name: "connections at once",
                flag: "connections",
                env: "COCOON_CONNECTIONS",
                unit: Unit::Things,
                help: "Connections that are open at once, or fewer where the machine's descriptors or memory (one for each 768 KiB) allow fewer; the one that is idle longest is closed for a new one",
            },
            Self::Idle => &Spec {
                name: "idle time of a connection",
                flag: "idle",
                env: "COCOON_IDLE",
                unit: Unit::Milliseconds,
                help: "Time that a connection may take for the headers of its next request",
            },
            Self::Headers => &Spec {
                name: "headers of a request",
                flag: "headers",
                env: "COCOON_HEADERS",
                unit: Unit::Bytes,
                help: "Bytes of the headers of one request",
            },
            Self::BatchLine => &Spec {
                name: "line of a batch",
                flag: "batch-line",
                env: "COCOON_BATCH_LINE",
                unit: Unit::Bytes,
                help: "Bytes of one line of a batch",
            },
            Self::ListItems => &Spec {
                name: "items of a listing",
                flag: "list-items",
                env: "COCOON_LIST_ITEMS",
                unit: Unit::Things,
                help: "Items of one listing",
            },
            Self::DrainDelay => &Spec {
                name: "drain delay",
                flag: "drain-delay",
                env: "COCOON_DRAIN_DELAY",
                unit: Unit::Milliseconds,
                help: "Time after the signal to end in which work is still taken, for a load balancer to notice",
            },
            Self::DrainTimeout => &Spec {
                name: "drain timeout",
                flag: "drain-timeout",
                env: "COCOON_DRAIN_TIMEOUT",
                unit: Unit::Milliseconds,
                help: "Time after that in which what runs may finish",
            },
        }
    }

    /// `value` in this limit's unit, as a person writes it.
    pub fn format(self, value: u64) -> String {
        match self.spec().unit {
            Unit::Bytes => format_bytes(value),
            Unit::Milliseconds => {
                humantime::format_duration(std::time::Duration::from_millis(value)).to_string()
            }
            Unit::Things => value.to_string(),
        }
    }

    /// Reads a value as a person writes it: `256MiB`, `1h`, `1000`.
    ///
    /// # Errors
    ///
    /// Says what would be right where `text` is not a value of this unit, is 0,
    /// or is beyond what can be had at all.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let value = match self.spec().unit {
            Unit::Bytes => text
                .parse::<bytesize::ByteSize>()
                .ok()
                .map(|size| size.as_u64()),
            Unit::Milliseconds => humantime::parse_duration(text)
                .ok()
                .and_then(|time| u64::try_from(time.as_millis()).ok()),
            Unit::Things => text.parse().ok(),
        };
        let (least, most) = self.range();
        let value = value.filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| {
            let (least, most) = (self.format(least), self.format(most));
            match self.spec().unit {
                Unit::Bytes => {
                    format!("expected a size, such as 256KiB, from {least} to {most}, got `{text}`")
                }
                // The greatest is over a hundred years.
                Unit::Milliseconds => {
                    format!("expected a time from {least}, such as 500ms, 30s or 1h, got `{text}`")
                }
                Unit::Things => format!("expected an integer from {least} to {most}, got `{text}`"),
            }
        })
    }

    /// The least and the greatest value that make sense.
    const fn range(self) -> (u64, u64) {
        match self {
            Self::SandboxMemory => (64 * KIB, LINEAR_MEMORY_BYTES),
            Self::TotalMemory => (MIB, 1 << 47),
            Self::Deadline
            | Self::CompileTime
            | Self::PullTime
            | Self::Stall
            | Self::Idle
            | Self::DrainTimeout => (1, TIME_MS_MAX),
            Self::DrainDelay => (0, TIME_MS_MAX),
            Self::Headers => (KIB * 8, MIB),
            Self::BatchLine => (64, MIB),
            Self::Output | Self::Input => (1, 1 << 47),
            Self::Stack => (64 * KIB, 64 * MIB),
            Self::Sandboxes | Self::Connections | Self::ListItems => (1, 1_000_000),
            Self::Queue => (0, 100_000_000),
            Self::HostCall => (64 * KIB, 128 * MIB),
            Self::Files | Self::StuckThreads => (1, 100_000),
            Self::Resources => (64, 1_000_000),
            Self::TableElements => (1000, 100_000_000),
            Self::SandboxThreads => (1, 64),
            Self::ComponentSize => (1, GIB),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.spec().name)
    }
}

/// A value for every limit, in the limit's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([u64; Limit::ALL.len()]);

impl Limits {
    /// The defaults of the commands that compute. Total memory still has to be
    /// taken from the machine: 0 stands for [`TOTAL_MEMORY_PERCENT`] of it.
    pub const COMMANDS: Self = Self([
        LINEAR_MEMORY_BYTES,
        0,
        60 * 60 * 1000,
        GIB,
        64 * MIB,
        512 * KIB,
        1000,
        10_000,
        64 * MIB,
        60 * 1000,
        60 * 1000,
        512 * KIB,
        1024,
        RESOURCES,
        1_000_000,
        4,
        1000,
        TIME_MS_MAX,
        16_384,
        30 * 1000,
        16 * KIB,
        4 * KIB,
        10_000,
        0,
        30 * 1000,
    ]);

    /// The defaults of `cocoon exec`, whose components promise nothing.
    pub const EXEC: Self = Self::COMMANDS.with(Limit::SandboxMemory, 256 * MIB);

    /// The defaults of `cocoon serve`, which has strangers for clients.
    pub const SERVE: Self = Self::COMMANDS
        .with(Limit::Sandboxes, 500)
        .with(Limit::SandboxMemory, 256 * MIB)
        .with(Limit::Deadline, 30 * 1000)
        .with(Limit::Output, 64 * MIB)
        .with(Limit::Queue, 1024)
        .with(Limit::Stall, 30 * 1000);

    /// The value of `limit` in its unit.
    pub const fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// The same limits with another value for `limit`.
    #[must_use]
    pub const fn with(mut self, limit: Limit, value: u64) -> Self {
        self.0[limit as usize] = value;
        self
    }
}

impl Limits {
    /// Bytes that the host sets aside for all buffers of one program, beside its memory
    /// cap: the channel of its outputs, what the ends of that have in hand, a line of each
    /// output on its way to the terminal, its streams, its listings and one host call.
    pub const fn program_buffer_bytes(&self) -> u64 {
        const IN_HAND: usize = 4 * CHUNK_BYTES;
        // An entry in memory takes up to twice what it takes in the kernel's buffer.
        const LISTED: usize = LISTINGS * LISTING_BYTES * 2;
        CHANNEL_BYTES
            + (IN_HAND + STREAM_BYTES + LISTED) as u64
            + self.get(Limit::Resources) * STREAM_BYTES_MIN as u64
            + self.get(Limit::HostCall)
    }
}

/// The value of a limit that counts things, as a size.
pub(crate) fn things(limits: &Limits, limit: Limit) -> usize {
    usize::try_from(limits.get(limit)).unwrap_or(usize::MAX)
}

impl Default for Limits {
    fn default() -> Self {
        Self::COMMANDS
    }
}

/// The largest binary unit that holds `bytes` without a rest.
fn format_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
    }

    #[test]
    fn every_default_can_be_written_and_read_back() {
        for limit in Limit::ALL {
            for limits in [Limits::COMMANDS, Limits::EXEC, Limits::SERVE] {
                let value = limits.get(limit);
                if value > 0 {
                    assert_eq!(limit.parse(&limit.format(value)), Ok(value), "{limit}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_would_be_right() {
        for (limit, text, hint) in [
            (Limit::SandboxMemory, "many", "from 64 KiB to 4 GiB"),
            (Limit::SandboxMemory, "5GiB", "4 GiB"),
            (Limit::Stack, "256MiB", "64 MiB"),
            (Limit::Deadline, "soon", "a time"),
            (Limit::Deadline, "0s", "from 1ms"),
            (Limit::Sandboxes, "-1", "from 1 to 1000000"),
        ] {
            let error = limit.parse(text).expect_err(text);
            assert!(error.contains(hint), "{error}");
        }
    }
}
