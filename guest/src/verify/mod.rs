//! Verification of digits that another program computed, without computing the number.

mod mistake;

mod residues;

mod checker;

pub use checker::{Checker, Verdict};
