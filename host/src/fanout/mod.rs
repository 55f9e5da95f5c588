//! Fan-out: one request, the component's plan, many sandboxes, one result.
//!
//! Each part of the plan is a coroutine in a sandbox of its own, and reads other parts through
//! bounded channels. All places are reserved at once, and all parts start at once; each
//! releases its place when it ends. The whole lives as long as its longest part, within one
//! deadline. It fails with the first part that fails, which stops the others. Dropping it
//! stops all parts.
//!
//! A part is retried once, in a fresh sandbox in the same place, if its component failed (it
//! trapped, returned an error, or never returned a result) before the part read or wrote
//! anything. Bytes that others have read cannot be taken back. A limit would stop the retry
//! again, so there is none.
//!
//! Each part has a thread of its own. On the workers of one runtime, a task that is woken runs
//! next on the worker that woke it, so two parts that exchange bytes shared one thread.
//!
//! Channels are bounded, so a plan must not let two parts wait for each other. Where they do,
//! the deadline ends it.

mod channels;
mod fan_out;
mod plan;
mod progress;
mod run;

pub use fan_out::{FanOut, Width};
pub use plan::Plan;
pub use progress::Progress;
