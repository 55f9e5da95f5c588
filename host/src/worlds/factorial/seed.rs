//! Seeds of random checks.

use crate::error::RunError;

/// Draws an unpredictable seed from the operating system.
///
/// # Errors
///
/// Where the system has no randomness.
pub fn random_seed() -> Result<u64, RunError> {
    getrandom::u64().map_err(|error| {
        RunError::Failed(format!("cannot read random bytes from the system: {error}"))
    })
}
