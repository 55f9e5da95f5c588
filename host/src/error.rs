//! The error of a job, and which errors are worth a retry.

use std::borrow::Cow;

use crate::limits::Limit;

/// Why a job has no result.
///
/// Every reader of the job's channels gets a clone, so that a broken result never looks like
/// a complete one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The request is invalid; the text says what is expected.
    #[error("{0}")]
    Malformed(String),
    /// A limit would be exceeded, known before computing.
    #[error(
        "{limit}: expected at most {}, got {}{needs}{}",
        .limit.format(*.value), .limit.format(*.needed), raise(*.limit)
    )]
    TooLarge {
        /// The limit that refuses it.
        limit: Limit,
        /// The limit's value in its unit.
        value: u64,
        /// The job's need, in the same unit.
        needed: u64,
        /// The reason for the need, appended to the number: " for 158 digits", or empty.
        needs: Cow<'static, str>,
    },
    /// The result is out of reach at any limit.
    #[error("{0}")]
    OutOfReach(String),
    /// There is no room for the job now.
    #[error("limit of {} reached ({}){}", .limit, .limit.format(*.value), raise(*.limit))]
    Busy {
        /// The limit that is reached.
        limit: Limit,
        /// Its value in its unit.
        value: u64,
    },
    /// A limit stopped the job while it ran.
    #[error("stopped by the limit of {} ({}){}", .limit, .limit.format(*.value), raise(*.limit))]
    Stopped {
        /// The limit that the job met.
        limit: Limit,
        /// Its value in its unit.
        value: u64,
    },
    /// The component exceeded its promise of memory, or the cap of a sandbox without a promise.
    #[error("{}: expected at most {}, the component's promise or the cap before a promise, got more", Limit::SandboxMemory,
        Limit::SandboxMemory.format(*.promised_bytes))]
    OverPromise {
        /// The cap.
        promised_bytes: u64,
    },
    /// The component trapped.
    #[error("the component trapped: {message}")]
    Trapped {
        /// The kind of trap, on one line.
        message: String,
        /// Where it happened, the innermost frame first: see [`RunError::frames`].
        frames: Vec<String>,
    },
    /// The component returned an error.
    #[error("the component failed: {0}")]
    Failed(String),
    /// The writer of a channel that the job reads from failed.
    #[error("the input ended early: {0}")]
    Upstream(Box<RunError>),
    /// The reader was dropped before the job was done.
    #[error("the reader of the output is gone")]
    ReaderGone,
    /// The writer was dropped without an end.
    #[error("the writer is gone before the end of its output")]
    WriterGone,
}

impl RunError {
    /// An error of a job that `limit` stopped at `value`.
    pub(crate) const fn stopped(limit: Limit, value: u64) -> Self {
        Self::Stopped { limit, value }
    }

    /// Whether the caller may submit the same job again: there was no room for it, or it was
    /// lost.
    pub const fn may_be_retried(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::WriterGone => true,
            Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::OutOfReach(_)
            | Self::Stopped { .. }
            | Self::OverPromise { .. }
            | Self::Trapped { .. }
            | Self::Failed(_)
            | Self::Upstream(_)
            | Self::ReaderGone => false,
        }
    }

    /// Whether a fresh sandbox may succeed with the same input: besides
    /// [`RunError::may_be_retried`], the component itself failed. A limit would stop it
    /// again.
    pub const fn is_worth_a_fresh_sandbox(&self) -> bool {
        self.may_be_retried() || matches!(self, Self::Trapped { .. } | Self::Failed(_))
    }

    /// The kind of error in a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::OutOfReach(_) => "out_of_reach",
            Self::Busy { .. } => "busy",
            Self::Stopped { .. } => "stopped",
            Self::OverPromise { .. } => "over_promise",
            Self::Trapped { .. } => "trapped",
            Self::Failed(_) => "failed",
            Self::Upstream(_) => "upstream",
            Self::ReaderGone => "reader_gone",
            Self::WriterGone => "writer_gone",
        }
    }

    /// The limit that refused or stopped the job. `None` for [`RunError::Upstream`], whose
    /// limit is that of another job.
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::TooLarge { limit, .. }
            | Self::Busy { limit, .. }
            | Self::Stopped { limit, .. } => Some(*limit),
            Self::OverPromise { .. } => Some(Limit::SandboxMemory),
            Self::Malformed(_)
            | Self::OutOfReach(_)
            | Self::Trapped { .. }
            | Self::Failed(_)
            | Self::Upstream(_)
            | Self::ReaderGone
            | Self::WriterGone => None,
        }
    }

    /// The backtrace of a trap: at most [`BACKTRACE_FRAMES`](crate::limits::BACKTRACE_FRAMES) frames,
    /// the innermost first, such as `0x1a2b - module!function`. Empty for other errors and where
    /// the component has no code for backtraces.
    pub fn frames(&self) -> &[String] {
        match self {
            Self::Trapped { frames, .. } => frames,
            Self::Upstream(writer) => writer.frames(),
            Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::OutOfReach(_)
            | Self::Busy { .. }
            | Self::Stopped { .. }
            | Self::OverPromise { .. }
            | Self::Failed(_)
            | Self::ReaderGone
            | Self::WriterGone => &[],
        }
    }

    /// The value of [`RunError::limit`] in its unit.
    pub const fn limit_value(&self) -> Option<u64> {
        match self {
            Self::TooLarge { value, .. }
            | Self::Busy { value, .. }
            | Self::Stopped { value, .. } => Some(*value),
            Self::OverPromise { promised_bytes } => Some(*promised_bytes),
            Self::Malformed(_)
            | Self::OutOfReach(_)
            | Self::Trapped { .. }
            | Self::Failed(_)
            | Self::Upstream(_)
            | Self::ReaderGone
            | Self::WriterGone => None,
        }
    }

    /// The first cause: the writer's own error, however many channels it came through.
    #[must_use]
    pub fn cause(self) -> Self {
        match self {
            Self::Upstream(writer) => writer.cause(),
            error => error,
        }
    }
}

/// The advice at the end of an error.
fn raise(limit: Limit) -> String {
    let spec = limit.spec();
    format!("; use --{} or {} to raise it", spec.flag, spec.env)
}
