//! Long natural numbers in decimal, their digits and their residues.

pub mod limb;

pub(crate) mod carry;

pub mod modular;

pub(crate) mod miss_exponent;

mod regroup;

#[expect(
    clippy::module_inception,
    reason = "the folder is named for its main type"
)]
mod natural;

pub(crate) mod residue;

pub(crate) mod norms;

mod ascii;

mod long;

pub mod digits;

pub use digits::Digits;
pub use long::Long;
pub use natural::Natural;
