//! The service: a server of HTTP, and the routes of factorials.

pub mod factorial;
pub mod server;
