//! Bounds that no flag changes.

use std::time::Duration;

// Memory of sandboxes.

/// The largest promise of a small job. Small jobs never wait for the memory of large ones.
pub const SMALL_JOB_BYTES: u64 = 1 << 20;
/// Memory set aside for every sandbox: that of a small job, and its buffers.
pub const PLACE_BYTES: u64 = SMALL_JOB_BYTES + BUFFER_BYTES;
/// Tables of a sandbox that do not count as its memory: 2,048 functions, several times the
/// tables of the usual toolchains for a component of a few hundred KiB.
pub const TABLES_FREE_BYTES: u64 = 16 << 10;
/// Instance data of a component (functions, globals and tables in the engine's own format)
/// that does not count as memory of its sandbox.
pub const INSTANCE_FREE_BYTES: u64 = 256 << 10;
/// The most linear memory that a 32-bit component can have.
pub const LINEAR_MEMORY_BYTES: u64 = 4 << 30;
/// Memory of a sandbox that checks digits. The contract has no promise for it.
pub const VERIFY_BYTES: u64 = 8 << 20;
/// Memory kept for the program itself, unless `--total-memory` sets the memory of sandboxes.
/// Without it, the kernel killed a loaded service in a cgroup of 20 MiB.
pub const PROGRAM_BYTES: u64 = 24 << 20;
/// Memory that the compiler uses for each byte of a component's functions. With two
/// processors and 0.87 MB of functions, three quarters of it and [`PROGRAM_BYTES`] were
/// now and then too little.
pub const COMPILER_BYTES_PER_BYTE: u64 = 64;
/// The default share of the machine's memory for all sandboxes, in percent.
pub const TOTAL_MEMORY_PERCENT: u64 = 70;

// Buffers.

/// Host memory for all buffers of one sandbox, on top of its memory cap: a channel of
/// [`CHANNEL_ITEMS`] chunks, the chunks that its two ends hold, and the values of the
/// contract's calls.
pub const BUFFER_BYTES: u64 = 1 << 20;
/// The largest piece of a byte stream that is moved at once.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Values that a channel holds before its writer waits.
pub const CHANNEL_ITEMS: usize = 8;
/// The most bytes in a channel of chunks.
pub const CHANNEL_BYTES: u64 = (CHANNEL_ITEMS * CHUNK_BYTES) as u64;
/// Bytes in the streams of one sandbox's files and sockets, all together.
pub const STREAM_BYTES: usize = 192 << 10;
/// Bytes that each of these streams may hold even where [`STREAM_BYTES`] are used up.
pub const STREAM_BYTES_MIN: usize = 128;
/// Requests, responses and fields of `wasi:http` that one sandbox may have at once.
pub const HTTP_FIELDS: usize = 64;
/// Bytes of the names and values of one set of fields, as `wasmtime-wasi-http` counts them.
pub const HTTP_FIELDS_BYTES: usize = 16 << 10;
/// Bytes of a method, path, authority or scheme of an outgoing request, each.
pub const HTTP_TEXT_BYTES: usize = 2 << 10;
/// The largest piece of a body of `wasi:http` that a guest writes at once.
pub const HTTP_CHUNK_BYTES: usize = 32 << 10;
/// Bytes that a connection of HTTP/1 to a handler reads or writes at once.
pub const HTTP_PIECE_BYTES: usize = 64 << 10;
/// Pieces that a body of `wasi:http` holds, besides one, before its writer waits. A guest that
/// writes 4 KiB at once, as `blocking-write-and-flush` does, writes 32 KiB without a wait.
pub const HTTP_CHUNKS: usize = 7;
/// The longest line of the output of a handler in the log.
pub const HANDLER_LINE_BYTES: usize = 4 << 10;
/// Lines in the log for one request to a handler.
pub const HANDLER_LINES: usize = 100;
/// Turns of a handler on the thread of its connection in which it computes until a tick of the
/// epoch. After one more, it goes on among the long jobs.
pub const HANDLER_TURNS: u32 = 1;
/// Ticks of the epoch, after the first one, in each turn of a handler among the long jobs.
/// Sandboxes that take turns after each tick lose the processor's cache to each other.
pub const HANDLER_LONG_TURN: u32 = 16;
/// Outgoing requests of one sandbox that are sent or answered at once.
pub const HTTP_REQUESTS: usize = 32;
/// Bytes that a connection of outgoing requests buffers in each direction, and the head of an
/// answer.
pub const HTTP_CLIENT_BYTES: usize = 64 << 10;
/// Bytes of one answer that a server of HTTP/2 sends ahead.
pub const HTTP_STREAM_WINDOW: u32 = 64 << 10;
/// Bytes of all answers that a server of HTTP/2 sends ahead.
pub const HTTP_CONNECTION_WINDOW: u32 = 1 << 20;
/// The time to look a name up and to connect to it, and for the handshake of TLS.
pub const HTTP_CONNECT_TIME: Duration = Duration::from_secs(10);
/// The time in which the server of an outgoing request takes a byte of it, or answers a ping.
pub const HTTP_STALL_TIME: Duration = Duration::from_secs(30);
/// The time for which a connection waits for the next request.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(30);
/// Connections to one server that wait for the next request.
pub const HTTP_IDLE_CONNECTIONS: usize = 64;
/// The longest answer of a handler that is kept in memory, to a client of HTTP/1.0.
pub const OLD_CLIENT_BYTES: usize = 256 << 10;
/// The largest answer that the contract's `compute` returns in one reply.
pub const REPLY_BYTES: u64 = 64 << 10;
/// The longest part of an error message that a component or another program wrote.
pub const ERROR_CHARS: usize = 1000;
/// The longest error message of the command line. Its end stays, since it has the advice.
pub const MESSAGE_CHARS: usize = 2000;

// Sandboxes.

/// The most frames in the backtrace of a trap.
pub const BACKTRACE_FRAMES: usize = 20;
/// The longest frame in text. A component chooses the names of its functions.
pub const FRAME_CHARS: usize = 300;
/// Default of [`Limit::Resources`](super::Limit::Resources).
pub(super) const RESOURCES: u64 = 4096;
/// Flags of denied calls that are reported for one component. A name or an address in a flag
/// comes from the guest.
pub const DENIALS_REPORTED: usize = 16;
/// Folders that one sandbox may list at once.
pub const LISTINGS: usize = 32;
/// Bytes of entries that are read from a folder at once.
pub const LISTING_BYTES: usize = 2 << 10;
/// The wait of a sandbox for a thread where [`Limit::StuckThreads`](super::Limit::StuckThreads) is
/// reached.
pub const STUCK_PATIENCE: Duration = Duration::from_secs(1);
/// Addresses that one sandbox remembers of the names that it looked up. A name has a few, and a
/// large one some dozens.
pub const ADDRESSES_REMEMBERED: usize = 1024;
/// Costs of requests that are remembered.
pub const COSTS_REMEMBERED: usize = 1024;
/// The most sandboxes that may compute one number.
pub const FAN_OUT_MAX: u32 = 64;
/// The most streams that one part of a fan-out may write for others.
pub const PART_READERS: usize = 4;
/// Places of an engine for components without streams. They answer within microseconds,
/// and others have their turn only after a millisecond.
pub const SYNC_SANDBOXES: u32 = 16;

/// Sandboxes of a component before each thread has a copy of its code. A copy takes some
/// milliseconds and saves microseconds for each sandbox.
pub const SANDBOXES_BEFORE_COPIES: u64 = 64;
/// The longest code that each thread has a copy of. Sandboxes of longer code take milliseconds.
pub const COPY_BYTES_MAX: usize = 4 << 20;
/// Sandboxes of a component with longer code whose system time is measured at once.
pub const SANDBOXES_MEASURED: u64 = 64;
/// Measurements without much system time, after which such a component is left as it is.
pub const MEASUREMENTS: u64 = 8;
/// The longest time of a measurement. Meanwhile the process does other work, too.
pub const MEASUREMENT_TIME: Duration = Duration::from_secs(10);
/// Places whose memory stays resident, for a component that spends its time in page faults.
pub const RESIDENT_SANDBOXES: u32 = 64;
/// The most memory that all places may keep while they are idle, in percent of the memory of all
/// sandboxes and on top of it.
pub const IDLE_MEMORY_PERCENT: u64 = 25;
/// Memory that is copied for each sandbox in such a place, at the least.
pub const COPIED_BYTES_MIN: u64 = 1 << 20;
/// Bytes of memory that one processor copies in a millisecond, with some to spare.
pub const COPIED_PER_MS: u64 = 8 << 20;

// Compiled code.

/// The wait of a process that has compiled a component for others that write to the same cache.
/// After that it keeps nothing.
pub const CODE_CACHE_PATIENCE: Duration = Duration::from_secs(10);

/// The time after which a terminal shows that a component is compiled.
pub const COMPILING_SHOWN: Duration = Duration::from_secs(1);

// Connections.

/// Items of one listing or batch that are computed at once.
pub const ITEMS_AT_ONCE: usize = 32;
/// Requests that one connection may have at once.
pub const CONNECTION_STREAMS: u32 = 128;
/// Bytes of one request's body that a client of HTTP/2 sends ahead of its reader.
pub const REQUEST_WINDOW_BYTES: u32 = 128 << 10;
/// Bytes of all bodies that a client of HTTP/2 sends ahead on a connection. Requests in the queue
/// hold them as well.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;
/// Connections beyond [`Limit::Connections`](super::Limit::Connections). A full service
/// reads a request of each, and answers it with its health or with 503.
pub const GUEST_CONNECTIONS: usize = 64;
/// Guests that wait for a place at once. Others get 503 at once.
pub const GUESTS_WAITING: usize = 32;
/// The wait of a guest for a place.
pub const GUEST_PATIENCE: Duration = Duration::from_millis(250);
/// The longest stay of a guest without a place.
pub const GUEST_TIME: Duration = Duration::from_secs(5);
/// Evicted connections that have time to end cleanly, at once.
pub const LEAVING_CONNECTIONS: usize = 64;
/// The time of each of them beyond the end of its requests.
pub const LEAVING_TIME: Duration = Duration::from_secs(1);
/// The time for which a closing connection discards the rest of a request.
pub const DISCARD_TIME: Duration = Duration::from_secs(2);
/// The pause between two looks for a client that has left, while nobody reads what it sent.
pub const CLIENT_PAUSE: Duration = Duration::from_millis(100);
/// Connections of the address for health and metrics.
pub const ADMIN_CONNECTIONS: usize = 64;
/// The pause before another search for a connection to evict, after one that found none.
pub const EVICTION_PAUSE: Duration = Duration::from_millis(10);
/// The pause after the system refused to accept a connection: descriptors may be used up,
/// and come back.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The time in which a new connection sends the first byte of its request. It cannot be
/// evicted before.
pub const FIRST_BYTE_PATIENCE: Duration = Duration::from_millis(100);
/// The time in which the head of a request arrives. A connection cannot be evicted before.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(1);
/// The wait of a draining server for the first request of a connection. A client that has just
/// connected is about to send one.
pub const DRAIN_FIRST_REQUEST: Duration = Duration::from_millis(500);
/// The longest name of a request that a client chooses. The service replaces a longer one.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// The shortest token of the service, so that it cannot be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;
/// The longest file of a token.
pub const TOKEN_FILE_BYTES_MAX: u64 = 4 << 10;
/// The time for which a token stays valid after the file has another one.
pub const TOKEN_AGE: Duration = Duration::from_secs(1);

// Routes of handlers.

/// The shortest pause between two searches for sandboxes that were idle for too long.
pub const SANDBOX_IDLE_PAUSE: Duration = Duration::from_millis(10);

/// The most routes of one service. Each has metrics and a compiled component.
pub const ROUTES_MAX: usize = 100;
/// The longest path prefix of a route.
pub const ROUTE_PATH_BYTES_MAX: usize = 256;
/// The longest name of a route, in metrics and logs.
pub const ROUTE_NAME_CHARS_MAX: usize = 64;

// Registries.

/// The longest answer of a registry other than a component: the size of a manifest that
/// OCI's specification requires of registries.
pub const REGISTRY_ANSWER_BYTES: u64 = 4 << 20;
/// The longest file of credentials, which has some hundred bytes for each registry, and the
/// longest answer of a credential helper.
pub const CREDENTIALS_BYTES_MAX: u64 = 4 << 20;
/// The most redirects of one request to a registry.
pub const REGISTRY_REDIRECTS: usize = 5;

// The queue.

/// The most instances of a range.
pub const QUEUE_RANGE_INSTANCES: u64 = 256;
/// The time that the instances of a range should take one after the other: at the end of a batch,
/// other workers wait for the last ones.
pub const QUEUE_RANGE_TIME: Duration = Duration::from_secs(2);
/// Bytes of lines after which a range begins no further line.
pub const QUEUE_RANGE_BYTES: usize = 256 << 10;
/// Ranges of lines ahead of the workers.
pub const QUEUE_RANGES_AHEAD: u64 = 256;
/// The largest part of a component, or of the output of one instance. Longer ones are in several.
pub const QUEUE_PART_BYTES: usize = 512 << 10;
/// Output of results that share a message.
pub const QUEUE_MESSAGE_BYTES: usize = 64 << 10;
/// Output of a worker's instances that waits to be published, besides files.
pub const QUEUE_OUTBOX_BYTES: usize = 4 << 20;
/// The time for which a worker whose memory for outputs is in use waits for room in a batch, before it
/// drops results that other workers can compute again.
pub const QUEUE_FULL_PATIENCE: Duration = Duration::from_secs(5);
/// The least time between two messages of a range. It grows to the longest one while results follow
/// each other.
pub const QUEUE_LINGER: Duration = Duration::from_millis(5);
/// The longest time that a result waits for others that share its message.
pub const QUEUE_LINGER_MAX: Duration = Duration::from_millis(80);
/// Messages that a reader holds in memory.
pub const QUEUE_ENTRIES_READ: u64 = 16;
/// The longest wait for a message before Redis is asked again.
pub const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// The time for an answer of Redis.
pub const QUEUE_ANSWER: Duration = Duration::from_secs(10);
/// The time to connect to Redis.
pub const QUEUE_CONNECT: Duration = Duration::from_secs(5);
/// The first pause before a call of Redis is repeated.
pub const QUEUE_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause before a call of Redis is repeated.
pub const QUEUE_PAUSE_MAX: Duration = Duration::from_secs(2);
/// The time in which `cocoon queue` waits for a Redis that does not answer.
pub const QUEUE_PATIENCE: Duration = Duration::from_secs(10);
/// Batches that a worker keeps ready.
pub const QUEUE_BATCHES_READY: usize = 8;
/// Components that a worker keeps ready for batches to come.
pub const QUEUE_COMPONENTS_READY: usize = 8;
/// The bytes of these components as they lie in the queue.
pub const QUEUE_COMPONENTS_BYTES: u64 = 64 << 20;
/// Batches that a worker has refused and does not look at again.
pub const QUEUE_REFUSALS: usize = 256;

// Telemetry.

/// Default of `OTEL_BSP_MAX_QUEUE_SIZE`: spans that wait for their export.
pub const SPANS_QUEUED: usize = 2048;
/// Its default for commands, whose instances may all end at once: each traced instance has
/// up to eight spans.
pub const COMMAND_SPANS_QUEUED: usize = 8192;
/// Its greatest value. A span takes about a kilobyte.
pub const SPANS_QUEUED_MAX: usize = 1 << 18;
/// Default of `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: spans of a batch.
pub const SPANS_BATCH: usize = 512;
/// Default of `OTEL_BSP_SCHEDULE_DELAY`: how long a span waits for a batch.
pub const SPANS_DELAY: Duration = Duration::from_secs(5);
/// Attributes, events and links of a span, each; OpenTelemetry's variables can lower it.
pub const SPAN_PARTS_MAX: u32 = 128;
/// Default of `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`: characters of a text in a span. A path
/// and a header's value have no lower limit, and spans wait in memory.
pub const SPAN_VALUE_CHARS: usize = 4096;
/// Default of `OTEL_BSP_EXPORT_TIMEOUT`: how long a batch is tried.
pub const EXPORT_GIVE_UP: Duration = Duration::from_secs(30);
/// Default of `OTEL_EXPORTER_OTLP_TIMEOUT`: how long the collector may take for an answer.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause before a batch is sent again.
pub const EXPORT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before a batch is sent again.
pub const EXPORT_PAUSE_MAX: Duration = Duration::from_secs(10);
/// The longest pause that a collector may ask for: a year.
pub const EXPORT_WAIT_MAX: Duration = Duration::from_hours(365 * 24);
/// Bytes of a collector's answer.
pub const EXPORT_ANSWER_BYTES: usize = 64 << 10;
/// Characters of a collector's message in the log.
pub const EXPORT_MESSAGE_CHARS: usize = 300;
/// The time between two reports of lost spans.
pub const LOSSES_REPORTED: Duration = Duration::from_mins(1);
/// The wait at the end of the program for its spans to end.
pub const SPANS_CLOSE: Duration = Duration::from_millis(200);
/// The wait at the end of the program for the delivery of its last spans.
pub const TELEMETRY_FLUSH: Duration = Duration::from_secs(2);
/// Instances of a command whose spans are exported. Those beyond are left out.
pub const COMMAND_INSTANCES_TRACED: u64 = 1000;

// The command line.

/// Default of the timeout of `cocoon health`: less than that of the image's health check.
pub const HEALTH_TIMEOUT: &str = "3s";
/// How long threads in a system call may take at the end of the program.
pub const EXIT_PATIENCE: Duration = Duration::from_millis(100);
/// The wait after the first Ctrl-C for running instances to end and for their output to be written.
pub const INTERRUPT_PATIENCE: Duration = Duration::from_secs(1);
/// The longest configuration file.
pub const CONFIG_BYTES_MAX: u64 = 64 << 10;

// A channel, the chunks at its ends and a reply fit the buffers of a sandbox.
const _: () = assert!(CHANNEL_BYTES + 2 * CHUNK_BYTES as u64 + REPLY_BYTES <= BUFFER_BYTES);
const _: () = assert!(PLACE_BYTES == SMALL_JOB_BYTES + BUFFER_BYTES);
const _: () = assert!(STREAM_BYTES_MIN < CHUNK_BYTES && CHUNK_BYTES <= STREAM_BYTES);
const _: () = assert!(LISTING_BYTES * LISTINGS <= CHUNK_BYTES);
const _: () = assert!(GUESTS_WAITING <= GUEST_CONNECTIONS);
const _: () = assert!(GUEST_PATIENCE.as_millis() < GUEST_TIME.as_millis());
const _: () = assert!(FIRST_BYTE_PATIENCE.as_millis() < HEAD_PATIENCE.as_millis());
const _: () = assert!(SPANS_BATCH <= SPANS_QUEUED && COMMAND_SPANS_QUEUED <= SPANS_QUEUED_MAX);
const _: () = assert!(EXPORT_PAUSE.as_millis() <= EXPORT_PAUSE_MAX.as_millis());
