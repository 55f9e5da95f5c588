//! The error of a pull.

use crate::component::digest::Digest;
use crate::limits::{Limit, REGISTRY_ANSWER_BYTES};

/// Why a component cannot be pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not answer, or its certificate is not trusted.
    #[error("cannot reach the registry {registry}: {reason}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// The reason of the system or of TLS.
        reason: String,
    },
    /// An answer broke off, or is a forbidden redirect.
    #[error("invalid answer of the registry {registry} for {what}: {reason}")]
    Answer {
        /// The registry.
        registry: String,
        /// The requested content.
        what: String,
        /// The problem.
        reason: String,
    },
    /// The registry requires credentials.
    #[error(
        "expected credentials for the registry {registry}, got none; use `docker login {registry}` or \
         `podman login {registry}` to add them"
    )]
    NoCredentials {
        /// The registry.
        registry: String,
    },
    /// The registry refuses the credentials.
    #[error(
        "the registry {registry} refused the stored credentials; use `docker login {registry}` or \
         `podman login {registry}` to renew them"
    )]
    WrongCredentials {
        /// The registry.
        registry: String,
    },
    /// The credentials cannot be read.
    #[error("cannot use the credentials for {registry}: {reason}")]
    Credentials {
        /// The registry.
        registry: String,
        /// The problem.
        reason: String,
    },
    /// The credentials give no access.
    #[error("the registry refused access to {reference} (403 Forbidden); ask its owner for access")]
    Denied {
        /// The requested content.
        reference: String,
    },
    /// The registry does not have the content.
    #[error("the registry has no {what} (404 Not Found); use a name and a tag that were pushed")]
    Unknown {
        /// The requested content.
        what: String,
    },
    /// The content has another digest.
    #[error("expected the digest {expected} for {what}, got {found}")]
    Digest {
        /// The requested content.
        what: String,
        /// The digest that it must have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// The artifact is not a component.
    #[error("expected a component at {reference}, got {what}")]
    NotAComponent {
        /// The artifact.
        reference: String,
        /// Its kind.
        what: String,
    },
    /// The component is over the limit.
    #[error("expected a component of at most {}, got {} at {reference}; use --{} to raise the limit",
        Limit::ComponentSize.format(*.value), Limit::ComponentSize.format(*.size_bytes), Limit::ComponentSize.spec().flag)]
    TooLarge {
        /// The component.
        reference: String,
        /// Its size.
        size_bytes: u64,
        /// The limit in bytes.
        value: u64,
    },
    /// An answer other than a component is too long.
    #[error("expected an answer of at most {} from the registry {registry} for {what}, got more",
        Limit::ComponentSize.format(REGISTRY_ANSWER_BYTES))]
    LongAnswer {
        /// The registry.
        registry: String,
        /// The requested content.
        what: String,
    },
    /// It took too long.
    #[error("expected to pull {reference} within {}; use --{} to raise the limit",
        Limit::PullTime.format(*.value), Limit::PullTime.spec().flag)]
    TooSlow {
        /// The component.
        reference: String,
        /// The limit in milliseconds.
        value: u64,
    },
}
