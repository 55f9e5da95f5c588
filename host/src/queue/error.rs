//! Why a queue cannot be used.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The error of a queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis refuses, or answers what no queue answers.
    #[error("queue {address}: {reason}")]
    Redis {
        /// The address without its password.
        address: String,
        /// The answer of Redis on one line.
        reason: String,
    },
    /// The batch is not what this program expects.
    #[error("{0}")]
    Batch(String),
    /// Content of the queue exceeds a limit of its reader.
    #[error("{0}")]
    TooLarge(String),
    /// The system's certificate authorities or a file cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// Whether the same call may succeed later: Redis is away, starts, is full, or is a replica.
pub(super) fn is_passing(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::NoScript
        ),
        ErrorKind::Extension => matches!(
            error.code(),
            Some(
                "OOM"
                    | "MISCONF"
                    | "BUSY"
                    | "NOREPLICAS"
                    | "UNBLOCKED"
                    | "MASTERDOWN"
                    | "READONLY"
                    | "LOADING"
            )
        ),
        _ => false,
    }
}

/// The connection is of no use after this error.
pub(super) fn is_of_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly))
}
