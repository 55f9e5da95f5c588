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
    #[error("the registry {registry} was asked for {what}, and the answer is of no use: {reason}")]
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
        "the registry {registry} wants credentials, and none were found for it; `docker login {registry}` or \
         `podman login {registry}` adds them"
    )]
    NoCredentials {
        /// The registry.
        registry: String,
    },
    /// The registry refuses the credentials.
    #[error(
        "the registry {registry} refuses the credentials that were found for it; \
         `docker login {registry}` or `podman login {registry}` renews them"
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
    #[error(
        "the registry refuses {reference} (403 Forbidden); whoever owns it can let you pull it"
    )]
    Denied {
        /// The requested content.
        reference: String,
    },
    /// The registry does not have the content.
    #[error(
        "the registry does not have {what} (404 Not Found); name and tag must be ones that were pushed"
    )]
    Unknown {
        /// The requested content.
        what: String,
    },
    /// The content has another digest.
    #[error(
        "what the registry serves as {what} has the digest {found}, and it must have {expected}"
    )]
    Digest {
        /// The requested content.
        what: String,
        /// The digest that it must have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// The artifact is not a component.
    #[error("{reference} is not a component but {what}")]
    NotAComponent {
        /// The artifact.
        reference: String,
        /// Its kind.
        what: String,
    },
    /// The component is over the limit.
    #[error("{reference} is larger than the limit of {} ({}): {}; --{} raises it", Limit::ComponentSize,
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
    #[error("the registry {registry} was asked for {what}, and the answer is longer than {}, the most that one may have",
        Limit::ComponentSize.format(REGISTRY_ANSWER_BYTES))]
    LongAnswer {
        /// The registry.
        registry: String,
        /// The requested content.
        what: String,
    },
    /// It took too long.
    #[error("pulling {reference} takes longer than {}; --{} raises this limit",
        Limit::PullTime.format(*.value), Limit::PullTime.spec().flag)]
    TooSlow {
        /// The component.
        reference: String,
        /// The limit in milliseconds.
        value: u64,
    },
}
