//! A connection to Redis that is made again when it is lost.
//!
//! A call that fails for a passing reason is repeated after a pause that grows. The second failure
//! is reported, and so is the success after it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, Value,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::QueueError;
use super::address::{Address, Place};
use super::error::{is_of_connection, is_passing};
use super::tls::Tls;
use crate::limits::{ERROR_CHARS, QUEUE_ANSWER, QUEUE_CONNECT, QUEUE_PAUSE, QUEUE_PAUSE_MAX};
use crate::span::spawn;
use crate::text::one_line;

/// One connection, which all its users share.
pub(super) struct Connection {
    address: Address,
    tls: Option<Tls>,
    open: Mutex<Option<MultiplexedConnection>>,
    /// The time for all attempts of a call. `None` for no end.
    patience: Option<Duration>,
    /// How long Redis may wait before it answers, besides [`QUEUE_ANSWER`].
    block: Duration,
    /// Whether the last call of one of the queue's connections failed.
    is_away: Arc<AtomicBool>,
    /// The number of connections that were made.
    made: AtomicU64,
}

/// A call of Redis, which may be repeated.
#[derive(Clone, Copy)]
enum Call<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Call<'_> {
    async fn send(self, mut open: MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Script(script) => script.invoke_async(&mut open).await,
            Self::Command(command) => command.query_async(&mut open).await,
        }
    }
}

impl Connection {
    pub(super) fn new(
        address: Address,
        tls: Option<Tls>,
        patience: Option<Duration>,
        block: Duration,
        is_away: Arc<AtomicBool>,
    ) -> Self {
        Self {
            address,
            tls,
            open: Mutex::new(None),
            patience,
            block,
            is_away,
            made: AtomicU64::new(0),
        }
    }

    /// Connects if there is no connection. A failure is found by the next call.
    pub(super) async fn connect_ahead(&self) {
        drop(self.open().await);
    }

    /// Runs a script until Redis answers.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        self.persist(Call::Script(script)).await
    }

    /// Sends a command until Redis answers.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.persist(Call::Command(command)).await
    }

    async fn persist<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, QueueError> {
        let value = self.answer(call).await?;
        T::from_redis_value(value).map_err(|error| self.failed(&error.into()))
    }

    async fn answer(&self, call: Call<'_>) -> Result<Value, QueueError> {
        let began = Instant::now();
        let mut pause = QUEUE_PAUSE;
        let mut failures = 0_u64;
        loop {
            let made = self.made.load(Ordering::Relaxed);
            let answer = match self.open().await {
                Ok(open) => call.send(open).await,
                Err(error) => Err(error),
            };
            let error = match answer {
                Ok(answer) => {
                    if self.is_away.swap(false, Ordering::Relaxed) {
                        tracing::warn!(queue = %self.address, "queue is back");
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if is_of_connection(&error) {
                let mut open = self.open.lock().await;
                // Another user may have connected meanwhile.
                if self.made.load(Ordering::Relaxed) == made {
                    *open = None;
                }
            }
            if !is_passing(&error) || self.patience.is_some_and(|most| began.elapsed() >= most) {
                return Err(self.failed(&error));
            }
            failures += 1;
            // The connection may have been lost long ago.
            if failures > 1 && !self.is_away.swap(true, Ordering::Relaxed) {
                tracing::warn!(queue = %self.address, error = %explain(&error), "queue unavailable, waiting");
            }
            sleep(pause).await;
            pause = (pause * 2).min(QUEUE_PAUSE_MAX);
        }
    }

    fn failed(&self, error: &RedisError) -> QueueError {
        QueueError::Redis {
            address: self.address.to_string(),
            reason: explain(error),
        }
    }

    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let connecting = timeout(QUEUE_CONNECT, self.connect()).await;
        let connection =
            connecting.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))?;
        self.made.fetch_add(1, Ordering::Relaxed);
        *open = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(Some(self.block + QUEUE_ANSWER));
        let login = self.address.login();
        let connection = match &self.address.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(&login, stream, config).await?;
                drop(spawn(driver));
                connection
            }
            Place::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    None => {
                        let (connection, driver) =
                            MultiplexedConnection::new_with_config(&login, stream, config).await?;
                        drop(spawn(driver));
                        connection
                    }
                    Some(tls) => {
                        let stream = tls.connect(host, stream).await?;
                        let (connection, driver) =
                            MultiplexedConnection::new_with_config(&login, stream, config).await?;
                        drop(spawn(driver));
                        connection
                    }
                }
            }
        };
        Ok(connection)
    }
}

fn explain(error: &RedisError) -> String {
    one_line(&error.to_string(), ERROR_CHARS)
}
