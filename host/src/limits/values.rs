//! The values of all limits.

use std::time::Duration;

use super::Limit;
use super::bounds::{
    CHANNEL_BYTES, CHUNK_BYTES, HTTP_CHUNK_BYTES, HTTP_CHUNKS, HTTP_CLIENT_BYTES, HTTP_FIELDS,
    HTTP_FIELDS_BYTES, HTTP_REQUESTS, HTTP_TEXT_BYTES, LISTING_BYTES, LISTINGS, STREAM_BYTES,
    STREAM_BYTES_MIN,
};
use super::table::{MIB, SECOND_MS, Unit};

/// A value for every limit, in the limit's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([u64; Limit::ALL.len()]);

impl Limits {
    /// The defaults of the commands that compute. The total memory is 0, which stands for
    /// [`TOTAL_MEMORY_PERCENT`](super::TOTAL_MEMORY_PERCENT) of the machine's.
    pub const COMMANDS: Self = {
        let mut values = [0; Limit::ALL.len()];
        let mut index = 0;
        while index < values.len() {
            values[index] = Limit::ALL[index].spec().default;
            index += 1;
        }
        Self(values)
    };

    /// The defaults of `cocoon exec`, whose components promise nothing.
    pub const EXEC: Self = Self::COMMANDS.with(Limit::SandboxMemory, 256 * MIB);

    /// The defaults of `cocoon serve`, whose clients are strangers.
    pub const SERVE: Self = Self::COMMANDS
        .with(Limit::Sandboxes, 500)
        .with(Limit::SandboxMemory, 256 * MIB)
        .with(Limit::Deadline, 30 * SECOND_MS)
        .with(Limit::Output, 64 * MIB)
        .with(Limit::Queue, 1024)
        .with(Limit::Stall, 30 * SECOND_MS);

    /// The defaults of `cocoon serve FILE`. Handlers run at once up to the memory of all
    /// sandboxes, and promise nothing.
    pub const HANDLERS: Self = Self::SERVE.with(Limit::SandboxMemory, 128 * MIB);

    /// The value of `limit` in its unit.
    pub const fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// The same limits with another value for `limit`, in its unit.
    #[must_use]
    pub const fn with(mut self, limit: Limit, value: u64) -> Self {
        self.0[limit as usize] = value;
        self
    }

    /// The value of a limit in [`Unit::Bytes`].
    pub fn bytes(&self, limit: Limit) -> u64 {
        debug_assert_eq!(limit.spec().unit, Unit::Bytes, "{limit}");
        self.get(limit)
    }

    /// The value of a limit in [`Unit::Bytes`] as the size of a buffer.
    pub fn size(&self, limit: Limit) -> usize {
        usize::try_from(self.bytes(limit)).unwrap_or(usize::MAX)
    }

    /// The value of a limit in [`Unit::Milliseconds`].
    pub fn duration(&self, limit: Limit) -> Duration {
        debug_assert_eq!(limit.spec().unit, Unit::Milliseconds, "{limit}");
        Duration::from_millis(self.get(limit))
    }

    /// The value of a limit in [`Unit::Count`].
    pub fn count(&self, limit: Limit) -> usize {
        debug_assert_eq!(limit.spec().unit, Unit::Count, "{limit}");
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// Host memory for all buffers of one program, on top of its memory cap: the channel of
    /// its outputs and the chunks that its ends hold, a line of each output on its way to
    /// the terminal, the streams, the listings, the requests of `wasi:http` and one host call.
    pub fn program_buffer_bytes(&self) -> u64 {
        const CHUNKS_HELD: usize = 4 * CHUNK_BYTES;
        // An entry in memory takes up to twice its size in the kernel's buffer.
        const LISTED: usize = LISTINGS * LISTING_BYTES * 2;
        // A request has fields, a method, a path, an authority and a scheme.
        const REQUESTS: usize = HTTP_FIELDS * (HTTP_FIELDS_BYTES + 4 * HTTP_TEXT_BYTES);
        CHANNEL_BYTES
            + (CHUNKS_HELD + STREAM_BYTES + LISTED + REQUESTS) as u64
            + self.get(Limit::Resources) * STREAM_BYTES_MIN as u64
            + self.bytes(Limit::HostCall)
    }
}

impl Limits {
    /// Host memory for the body of a handler's answer, and with `sends_requests` for its outgoing
    /// requests: the two pieces of a request's body, and what its connection buffers.
    pub(crate) fn http_buffer_bytes(sends_requests: bool) -> u64 {
        const ANSWER: usize = (HTTP_CHUNKS + 1) * HTTP_CHUNK_BYTES;
        const REQUESTS: usize = HTTP_REQUESTS * (2 * HTTP_CHUNK_BYTES + 2 * HTTP_CLIENT_BYTES);
        let requests = if sends_requests { REQUESTS } else { 0 };
        (ANSWER + requests) as u64
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::COMMANDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_the_limits_in_the_order_of_the_enum() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
    }

    #[test]
    fn defaults_survive_formatting_and_parsing() {
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
    fn errors_name_the_expected_values() {
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
