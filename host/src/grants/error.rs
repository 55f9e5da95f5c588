//! The error of a grant.

use std::path::PathBuf;

/// Why a component cannot have its imports, its folders or its destinations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// No flag grants the import.
    #[error("expected imports of WASI 0.2 or 0.3, got {import}{}", advice(.import))]
    Import {
        /// The interface that is imported.
        import: String,
    },
    /// An import has another type.
    #[error("cannot link the component: {0}")]
    Link(String),
    /// A granted folder cannot be opened.
    #[error("cannot grant {}: {reason}", .path.display())]
    Dir {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The text is no destination.
    #[error("{0}")]
    Destination(String),
}

/// What to do about an import.
fn advice(import: &str) -> &'static str {
    if import.starts_with("wasi:http/") {
        if cfg!(feature = "service") {
            "; of wasi:http, cocoon has outgoing-handler and types of 0.2, client and types of 0.3"
        } else {
            "; use a build of cocoon with the feature `service`"
        }
    } else {
        ""
    }
}
