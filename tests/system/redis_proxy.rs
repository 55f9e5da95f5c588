//! A proxy before a Redis, whose network is slow, cut or stuck.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::redis::Redis;

/// A proxy between a port and the socket of Redis.
pub(crate) struct Proxy {
    port: u16,
    /// The delay of each part of a call and of an answer.
    pub(crate) delay_ms: Arc<AtomicU64>,
    /// Bytes are neither sent nor refused.
    pub(crate) is_stuck: Arc<AtomicBool>,
    /// The number of cuts: each closes the connections that were there.
    pub(crate) cuts: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Self {
            port: listener.local_addr().expect("an address").port(),
            delay_ms: Arc::default(),
            is_stuck: Arc::default(),
            cuts: Arc::default(),
        };
        let socket = redis.socket();
        let (delay, stuck, cuts) = (
            proxy.delay_ms.clone(),
            proxy.is_stuck.clone(),
            proxy.cuts.clone(),
        );
        // It ends with the process.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a connection");
                let Ok(server) = UnixStream::connect(&socket) else {
                    continue;
                };
                let (client_too, server_too) = (client.try_clone(), server.try_clone());
                let (client_too, server_too) =
                    (client_too.expect("a clone"), server_too.expect("a clone"));
                for (from, to) in [
                    (End::Tcp(client), End::Unix(server)),
                    (End::Unix(server_too), End::Tcp(client_too)),
                ] {
                    let (delay, stuck, cuts) = (delay.clone(), stuck.clone(), cuts.clone());
                    std::thread::spawn(move || forward(from, to, &delay, &stuck, &cuts));
                }
            }
        });
        proxy
    }

    /// The address of the queue behind it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// One side of a proxy.
enum End {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wait = Some(Duration::from_millis(20));
        match self {
            Self::Tcp(stream) => stream
                .set_read_timeout(wait)
                .and_then(|()| stream.read(buffer)),
            Self::Unix(stream) => stream
                .set_read_timeout(wait)
                .and_then(|()| stream.read(buffer)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn close(&self) {
        // The other side may have closed it.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn forward(
    mut from: End,
    mut to: End,
    delay_ms: &AtomicU64,
    is_stuck: &AtomicBool,
    cuts: &AtomicU64,
) {
    let mut buffer = [0; 16 << 10];
    let cut = cuts.load(Ordering::Relaxed);
    // A connection that was stuck once stays so, as where a cable is cut.
    let mut was_stuck = false;
    while cuts.load(Ordering::Relaxed) == cut {
        was_stuck |= is_stuck.load(Ordering::Relaxed);
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if was_stuck => {}
            Ok(count) => {
                std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed)));
                if to.write(&buffer[..count]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    from.close();
    to.close();
}
