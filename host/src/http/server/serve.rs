//! The listener of a server, and its end.
//!
//! Every connection is accepted: [`places`](super::places) finds room for it, and
//! [`guests`](super::guests) answers it where there is none.
//!
//! A server that is asked to end goes on for the drain delay, so that load balancers notice.
//! Then it closes its listener, lets requests finish within the drain timeout, and closes the
//! other connections. A request of which a byte was read is answered.

use std::io;
use std::pin::pin;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServerState;
use super::drive::Server;
use super::guests::Guests;
use super::places::Places;
use super::threads::Threads;
use crate::limits::{ACCEPT_PAUSE, EXIT_PATIENCE, Limit};

/// The end of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every request that had begun was answered.
    Drained,
    /// Connections that were closed after the drain timeout.
    GivenUp(usize),
    /// Handlers that were stopped after the drain timeout, though their clients had their answers.
    Abandoned(usize),
}

/// Serves `app` to the clients of `listener` until `end`, and then drains.
///
/// # Errors
///
/// Where its threads cannot be started.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    state: &ServerState,
    end: impl Future<Output = ()>,
) -> io::Result<End> {
    let threads = Threads::start()?;
    let limits = state.limits();
    let most = limits.count(Limit::Connections);
    let server = Server::new(app, state, Places::new(most), Some(Guests::new(state)));
    let connections = TaskTracker::new();
    let ending = CancellationToken::new();
    let draining = async {
        end.await;
        state.drain();
        sleep(limits.duration(Limit::DrainDelay)).await;
    };
    let mut draining = pin!(draining);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => break,
            accepted = listener.accept() => accepted,
        };
        if let Some(stream) = accept_stream(accepted).await {
            server.begin(&threads, &connections, stream, &ending);
        }
    }
    for stream in close(listener) {
        server.begin(&threads, &connections, stream, &ending);
    }
    ending.cancel();
    connections.close();
    let tasks = state.tasks();
    let drained = timeout(limits.duration(Limit::DrainTimeout), async {
        connections.wait().await;
        tasks.wait().await;
    });
    if drained.await.is_ok() {
        return Ok(End::Drained);
    }
    let (open, running) = (connections.len(), tasks.len());
    // Before the threads of connections end, which have the timers of some tasks.
    tasks.abandon();
    let _ = timeout(EXIT_PATIENCE, tasks.wait()).await;
    Ok(match open {
        0 => End::Abandoned(running),
        open => End::GivenUp(open),
    })
}

/// Closes the listener, and returns the connections that its queue still has.
fn close(listener: TcpListener) -> Vec<std::net::TcpStream> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted
        .filter_map(|(stream, _)| stream.set_nonblocking(true).is_ok().then_some(stream))
        .collect()
}

/// The stream of an accepted connection, or `None` after a pause.
pub(super) async fn accept_stream(
    accepted: io::Result<(TcpStream, std::net::SocketAddr)>,
) -> Option<std::net::TcpStream> {
    match accepted.and_then(|(stream, _)| stream.into_std()) {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "accept failed");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
