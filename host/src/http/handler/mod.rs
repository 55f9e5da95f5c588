//! The service of handlers: every path and method goes to a component, unchanged.

mod app;
mod rate;
mod route;
mod routes;
mod table;

pub use app::{Handlers, app};
pub use rate::Rate;
pub use route::Route;
pub use routes::Routes;
pub use table::{Duplicate, Pattern, Table};
