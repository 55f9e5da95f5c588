//! The service: a server of HTTP, and the routes of factorials.

#[cfg(feature = "bundled")]
pub mod factorial;
pub mod server;
