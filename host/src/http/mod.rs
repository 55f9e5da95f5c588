//! The service: a server of HTTP, the routes of factorials, and handlers.

#[cfg(feature = "bundled")]
pub mod factorial;
#[cfg(feature = "compiler")]
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
