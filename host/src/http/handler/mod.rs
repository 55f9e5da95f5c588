//! The service of handlers: every path and method goes to a component, unchanged.

mod admin;
mod app;
mod rate;
mod route;
mod routes;
mod table;

pub use admin::admin_page;
pub use app::{Handlers, app};
pub use rate::Rate;
pub use route::{Route, RouteParts};
pub use table::{Duplicate, Pattern, Table};
