//! Why a registry did not hand a component out.

use crate::component::digest::Digest;
use crate::limits::{Limit, REGISTRY_ANSWER_BYTES};

/// Why a component cannot be pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers, or it is not known whether it is the right one.
    #[error("cannot reach the registry {registry}: {reason}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// What the system or TLS says.
        reason: String,
    },
    /// An answer began and did not end, or leads elsewhere.
    #[error("the registry {registry} was asked for {what}, and the answer is of no use: {reason}")]
    Answer {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It wants to know who asks.
    #[error(
        "the registry {registry} wants credentials, and none were found for it; `docker login {registry}` or \
         `podman login {registry}` adds them"
    )]
    NoCredentials {
        /// The registry.
        registry: String,
    },
    /// It does not take what it was told.
    #[error(
        "the registry {registry} refuses the credentials that were found for it; \
         `docker login {registry}` or `podman login {registry}` renews them"
    )]
    WrongCredentials {
        /// The registry.
        registry: String,
    },
    /// The credentials are there, and cannot be used.
    #[error("cannot use the credentials for {registry}: {reason}")]
    Credentials {
        /// The registry.
        registry: String,
        /// What is wrong with them.
        reason: String,
    },
    /// It knows who asks, and refuses.
    #[error(
        "the registry refuses {reference} (403 Forbidden); whoever owns it can let you pull it"
    )]
    Denied {
        /// What was asked for.
        reference: String,
    },
    /// It has no such thing.
    #[error(
        "the registry does not have {what} (404 Not Found); name and tag must be ones that were pushed"
    )]
    Unknown {
        /// What was asked for.
        what: String,
    },
    /// What it serves is something else.
    #[error(
        "what the registry serves as {what} has the digest {found}, and it must have {expected}"
    )]
    Digest {
        /// What was asked for.
        what: String,
        /// The digest that it must have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// It is some other artifact.
    #[error("{reference} is not a component but {what}")]
    NotAComponent {
        /// The artifact.
        reference: String,
        /// What it is instead.
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
    /// An answer that is no component is over what is read of one.
    #[error("the registry {registry} was asked for {what}, and the answer is longer than {}, the most that one may have",
        Limit::ComponentSize.format(REGISTRY_ANSWER_BYTES))]
    LongAnswer {
        /// The registry.
        registry: String,
        /// What was asked for.
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
