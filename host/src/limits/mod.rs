//! Every limit by name, with its unit, its defaults, its flag and its environment
//! variable.
//!
//! Nothing in the other layers waits, grows or buffers without one of these. The flags of
//! the command line are made from [`Spec`], and an error names the limit that refused or
//! stopped a job. Bounds without a flag are constants.

mod bounds;
mod format;
mod limit;
mod table;
mod values;

pub use bounds::*;
pub use format::parse_integer;
pub use limit::Limit;
pub use table::{Scope, Spec, Unit};
pub use values::Limits;
