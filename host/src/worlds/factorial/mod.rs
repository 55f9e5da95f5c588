//! The bundled world: requests for factorials, each in a sandbox of its own.
//!
//! A job lives from admission until its last digit is produced. The component's promise and
//! the limits bound it, whichever is less. The host does no arithmetic on the digits.

mod admission;
mod bindings;
mod bundled;
mod contract;
mod conversation;
mod digits;
mod info;
mod job;
mod parts;
#[cfg(feature = "service")]
mod record;
mod reply_world;
mod request;
mod request_span;
mod seed;
mod verify;

pub use admission::Factorial;
pub use bindings::{
    Count, Estimate, FactorialWorld, Facts, Format, Grade, Kind, Part, Request, Verdict,
    Verification,
};
pub use bundled::{BUNDLED, BUNDLED_FOR, bundled_wasm};
pub use job::Job;
pub(crate) use parts::PartCall;
#[cfg(feature = "service")]
pub use record::{FactsRecord, GradeRecord, count_digits, miss_probability};
pub use request::{FORMATS, KINDS, ONE_OF_EACH_KIND};
use request_span::request_span;
pub use seed::random_seed;
