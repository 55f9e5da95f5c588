//! The routes of factorials, the description of the API, and the page.

mod app;
mod batch;
mod info;
mod json;
mod listing;
mod number;
mod openapi;
mod page;
mod parse;
mod response;
mod service;

pub use app::app;

pub use super::server::Probes;
pub use service::Service;
