//! The page of the admin address.

use axum::Router;

use super::app::Handlers;

/// The page of `handlers`.
pub fn admin_page(_handlers: &Handlers) -> Router {
    Router::new()
}
