//! The routes of handlers.

mod admission;
mod rate;
mod shares;
mod table;

pub use rate::Rate;
pub use table::{Duplicate, Pattern, Table};
