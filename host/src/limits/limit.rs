//! The limits by their names.

/// A limit with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Limit {
    /// Linear memory and tables of one sandbox.
    SandboxMemory,
    /// The sum of the memory caps of all sandboxes.
    TotalMemory,
    /// Time from the request of a job until its last byte is produced.
    Deadline,
    /// Bytes of output of one job.
    Output,
    /// Bytes of input of one job.
    Input,
    /// Bytes of stack for the wasm frames of one sandbox.
    Stack,
    /// Sandboxes that exist at once.
    Sandboxes,
    /// Jobs that wait for a sandbox or for memory.
    Queue,
    /// Bytes of a component's file.
    ComponentSize,
    /// Time to compile a component.
    CompileTime,
    /// Bytes of compiled code that are kept on disk.
    CodeCache,
    /// Time to pull a component from a registry.
    PullTime,
    /// Bytes of arguments in one call of a sandbox to the host.
    HostCall,
    /// Files that one sandbox may have open.
    Files,
    /// Objects of the host that one sandbox may hold: files, streams, sockets, timers.
    Resources,
    /// Elements of one table of a sandbox.
    TableElements,
    /// Threads that one sandbox may occupy with calls that block.
    SandboxThreads,
    /// Threads that the kernel holds in calls of jobs that are over.
    StuckThreads,
    /// Time in which a reader takes no byte, or a client sends none.
    Stall,
    /// Connections that are open at once.
    Connections,
    /// Time from one request of a connection to the end of the next one's headers.
    Idle,
    /// Bytes of the headers of one request.
    Headers,
    /// Bytes of the body of one request to a handler.
    RequestBody,
    /// Time for which a sandbox of a handler waits for its next request.
    SandboxIdle,
    /// Bytes of one line of a batch.
    BatchLine,
    /// Items of one listing.
    ListItems,
    /// Time from the signal to end until the listener closes.
    DrainDelay,
    /// Time from then until connections that still have requests are closed.
    DrainTimeout,
    /// Bytes of a batch's results in the queue that nobody has read yet.
    QueueResults,
    /// Bytes of a batch's lines in the queue that no worker has ended yet.
    QueueInput,
    /// Time after which a range of a silent worker goes to another one.
    Lease,
    /// Deliveries of an instance that never has a result.
    Attempts,
    /// Time after a worker refused a batch in which another one may run it.
    Refusal,
    /// Time for which a batch is kept that nobody works on or reads.
    Keep,
}

impl Limit {
    /// Every limit, in the order of `--help`.
    pub const ALL: [Self; 34] = [
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
        Self::CodeCache,
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
        Self::RequestBody,
        Self::SandboxIdle,
        Self::BatchLine,
        Self::ListItems,
        Self::DrainDelay,
        Self::DrainTimeout,
        Self::QueueResults,
        Self::QueueInput,
        Self::Lease,
        Self::Attempts,
        Self::Refusal,
        Self::Keep,
    ];
}
