//! A limit by its name, and the text form of its values.

use std::fmt;
use std::time::Duration;

use super::table::{self, GIB, KIB, MIB, Scope, Spec, Unit};

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
    /// Bytes of one line of a batch.
    BatchLine,
    /// Items of one listing.
    ListItems,
    /// Time from the signal to end until the listener closes.
    DrainDelay,
    /// Time from then until connections that still have requests are closed.
    DrainTimeout,
}

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

    /// The row of the table of limits.
    pub const fn spec(self) -> &'static Spec {
        table::spec(self)
    }

    /// The limits with a flag in commands of `scope`: the service has them all.
    pub fn in_scope(scope: Scope) -> impl Iterator<Item = Self> {
        let has = move |limit: &Self| scope == Scope::Service || limit.spec().scope == scope;
        Self::ALL.into_iter().filter(has)
    }

    /// `value` in this limit's unit, as a person writes it.
    pub fn format(self, value: u64) -> String {
        match self.spec().unit {
            Unit::Bytes => format_bytes(value),
            Unit::Milliseconds => {
                humantime::format_duration(Duration::from_millis(value)).to_string()
            }
            Unit::Count => value.to_string(),
        }
    }

    /// Reads a value as a person writes it: `256MiB`, `1h`, `1000`.
    ///
    /// # Errors
    ///
    /// The expected values, where `text` has another unit or is out of [`Spec::range`].
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let value = match self.spec().unit {
            Unit::Bytes => text
                .parse::<bytesize::ByteSize>()
                .ok()
                .map(|size| size.as_u64()),
            Unit::Milliseconds => humantime::parse_duration(text)
                .ok()
                .and_then(|time| u64::try_from(time.as_millis()).ok()),
            Unit::Count => text.parse().ok(),
        };
        let (least, most) = self.spec().range;
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
                Unit::Count => format!("expected an integer from {least} to {most}, got `{text}`"),
            }
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.spec().name)
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
