//! The service: a server of HTTP, and the routes of factorials.

#[cfg(feature = "bundled")]
pub mod factorial;
#[cfg(feature = "compiler")]
#[allow(dead_code, reason = "the driver of handlers will use them")]
pub mod handler;
#[cfg_attr(
    not(feature = "bundled"),
    expect(
        dead_code,
        unused_imports,
        reason = "the routes of factorials use the rest of the server"
    )
)]
pub mod server;
