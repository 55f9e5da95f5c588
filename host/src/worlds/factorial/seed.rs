//! The seed of what is checked at random.

use crate::error::RunError;

/// A seed that nobody can foresee, from the operating system.
///
/// # Errors
///
/// Where the system has no randomness to give.
pub fn random_seed() -> Result<u64, RunError> {
    getrandom::u64()
        .map_err(|error| RunError::Failed(format!("the system gives no randomness: {error}")))
}
