//! The bounds that the contract sets to the component's replies.

use super::bindings::{Error, Grade};
use crate::error::RunError;
use crate::limits::{ERROR_CHARS, REPLY_BYTES};
use crate::text::one_line;

/// Checks the length of a reply. The memory cap of the sandbox bounds it before it is copied
/// to the host.
pub(super) fn check_reply(reply: String) -> Result<String, RunError> {
    if reply.len() as u64 > REPLY_BYTES {
        return Err(RunError::Failed(format!(
            "expected a reply of at most {REPLY_BYTES} bytes, got {}",
            reply.len()
        )));
    }
    Ok(reply)
}

/// Refuses a verified result where the request required a proof.
pub(super) fn check_grade(proved: bool, grade: Grade) -> Result<Grade, RunError> {
    match grade {
        Grade::Verified(_) if proved => Err(RunError::Failed(
            "expected proved products, got verified ones".to_owned(),
        )),
        _ => Ok(grade),
    }
}

/// The component's error message on one line of at most [`ERROR_CHARS`] characters.
pub(super) fn error_line(text: &str) -> String {
    let start: String = text.chars().take(ERROR_CHARS).collect();
    one_line(&start, ERROR_CHARS)
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Malformed(error_line(&text)),
            Error::TooLarge(text) => Self::OutOfReach(error_line(&text)),
            Error::Failed(text) => Self::Failed(error_line(&text)),
        }
    }
}
