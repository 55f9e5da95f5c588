//! A long result: a number and the zeros at its end.

use super::natural::Natural;

/// The number `head` · 10^`zeros`.
///
/// Powers of ten are split off before the multiplications and appended as digits.
#[derive(Clone, Debug)]
pub struct Long {
    /// The number without `zeros` zeros at its end; it may end with more.
    pub head: Natural,
    /// Number of zeros that follow the head.
    pub zeros: u64,
}
