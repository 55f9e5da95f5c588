//! Fair shares of one pool for several components.
//!
//! `ledger` decides who runs, without I/O and without a clock. `admission` lets requests wait.

mod admission;
mod ledger;

pub use admission::{Admission, Load, Member, Share};
