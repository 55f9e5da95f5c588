//! A queue in Redis: its connections, scripts and keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, FromRedisValue};

use super::QueueError;
use super::address::{Address, Place};
use super::connection::Connection;
use super::scripts::Scripts;
use super::tls::Tls;
use crate::limits::QUEUE_WAIT;

/// A queue.
pub struct Queue {
    address: Address,
    pub(super) prefix: String,
    pub(super) calls: Connection,
    /// Redis answers nothing else on this connection while a call waits for a message.
    pub(super) waits: Connection,
    pub(super) scripts: Scripts,
    is_away: Arc<AtomicBool>,
}

impl Queue {
    /// The queue at `address`. Each call is repeated for `patience`, or without end.
    ///
    /// # Errors
    ///
    /// [`QueueError::Unreadable`] without certificate authorities for TLS.
    pub fn new(address: &Address, patience: Option<Duration>) -> Result<Self, QueueError> {
        let is_away = Arc::new(AtomicBool::new(false));
        // The system's authorities are many: both connections share them.
        let tls = match &address.place {
            Place::Tcp {
                is_encrypted: true, ..
            } => Some(Tls::new()?),
            Place::Tcp { .. } | Place::Unix(_) => None,
        };
        Ok(Self {
            prefix: format!("cocoon:{{{}}}:", address.name),
            calls: Connection::new(
                address.clone(),
                tls.clone(),
                patience,
                Duration::ZERO,
                Arc::clone(&is_away),
            ),
            waits: Connection::new(
                address.clone(),
                tls,
                patience,
                QUEUE_WAIT,
                Arc::clone(&is_away),
            ),
            scripts: Scripts::new(),
            is_away,
            address: address.clone(),
        })
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether Redis did not answer the last call.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn content_key(&self, digest: &str) -> String {
        format!("{}c:{digest}", self.prefix)
    }

    pub(super) fn key(&self, batch: &str, part: &str) -> String {
        format!("{}b:{batch}{part}", self.prefix)
    }

    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.calls.send(command).await
    }
}

/// [`QUEUE_WAIT`] as Redis reads it.
pub(super) fn wait_ms() -> u64 {
    u64::try_from(QUEUE_WAIT.as_millis()).unwrap_or(u64::MAX)
}
