//! The state of the routes of factorials.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::http::server::ServerState;
use crate::worlds::factorial::Factorial;

/// The state that the routes of factorials share. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    server: ServerState,
    factorial: Factorial,
    component: String,
    cache_control: &'static str,
    is_private: bool,
}

// Answers never change.
const PUBLIC: &str = "public, max-age=31536000, immutable";
const PRIVATE: &str = "private, max-age=31536000, immutable";

impl Service {
    pub(super) fn from_parts(
        server: ServerState,
        factorial: Factorial,
        component: String,
        is_private: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            server,
            factorial,
            component,
            cache_control: if is_private { PRIVATE } else { PUBLIC },
            is_private,
        }))
    }

    /// The state of the server.
    pub fn server(&self) -> &ServerState {
        &self.0.server
    }

    pub(super) fn factorial(&self) -> &Factorial {
        &self.0.factorial
    }

    /// The component's digest, which entity tags begin with.
    pub(super) fn component(&self) -> &str {
        &self.0.component
    }

    /// `Cache-Control` of answers.
    pub(super) fn cache_control(&self) -> &'static str {
        self.0.cache_control
    }

    pub(super) fn is_private(&self) -> bool {
        self.0.is_private
    }
}

impl FromRef<Service> for ServerState {
    fn from_ref(service: &Service) -> Self {
        service.server().clone()
    }
}
