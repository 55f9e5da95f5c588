//! The service of handlers: every path and method goes to a component, unchanged.

mod app;
mod route;
mod routes;

pub use app::{Handlers, app};
pub use route::Route;
pub use routes::Routes;
