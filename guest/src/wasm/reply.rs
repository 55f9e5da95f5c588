//! The contract's world `reply`: answers in one piece.

use alloc::string::String;

use super::bindings::{Component, Guest, types as wit};
use crate::answer;
use crate::request::Kind;
use crate::request::notation::write_notation;

impl Guest for Component {
    fn notation(kind: wit::Kind, n: u64) -> Result<String, wit::Error> {
        let kind = Kind::from(kind);
        kind.check()?;
        Ok(write_notation(kind, n))
    }

    fn compute(request: wit::Request) -> Result<String, wit::Error> {
        Ok(answer::compute(request.into())?)
    }
}
