//! The description of the API, made from the routes (`OpenAPI` 3.1).
//!
//! Each route describes its parameters and its 200. This module adds the parts of all routes:
//! HEAD, the fields of every representation, the token, and the address.

mod document;
mod kinds;
mod schemas;

pub(super) use document::{document, router};
pub(super) use schemas::{
    BatchLine, LineProblem, ListCount, ListDone, ListEvent, ListFailed, ListLine, ListState,
    Number, Stage, Whole,
};
