//! Health and metrics at an address of their own, with their own thread and places.
//!
//! The load of the service does not reach them. They need no token, so the address belongs to a
//! network of operators. They last until the value is dropped, after the service has drained.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use axum::Router;
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::drive::Server;
#[cfg(feature = "queue")]
use super::health::ADMIN_PATHS;
use super::layers::probes_app;
use super::places::Places;
use super::serve::accept_stream;
use super::{ServerState, guests};
use crate::limits::ADMIN_CONNECTIONS;
use crate::span::spawn;
#[cfg(feature = "queue")]
use crate::{limits::Limits, metrics::Meter, telemetry::WorkerMetrics};

/// Serves health and metrics until it is dropped.
pub struct Admin {
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Begins to serve the health and the metrics of `state`, and `others`, at `listener`.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn start(
        listener: TcpListener,
        state: &ServerState,
        others: Option<Router>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let end = CancellationToken::new();
        let places = Places::new(ADMIN_CONNECTIONS);
        let server = Server::new(probes_app(state, others), state, places, None);
        let (signal, state) = (end.clone(), state.clone());
        let thread = Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = signal.cancelled() => {}
                    () = accept(listener, server, &state) => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self {
            end,
            thread: Some(thread),
        })
    }
}

/// The state of a server that has health and metrics alone: those of a worker.
///
/// # Panics
///
/// Outside of a runtime.
#[cfg(feature = "queue")]
pub fn worker_state(limits: &Limits, meter: &Meter, worker: &WorkerMetrics) -> ServerState {
    let routes = ADMIN_PATHS.map(str::to_owned);
    ServerState::with_metrics(limits, meter, String::new(), routes, |metrics| {
        metrics.add_worker(worker);
    })
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

/// Accepts connections without end.
async fn accept(listener: tokio::net::TcpListener, server: Arc<Server>, state: &ServerState) {
    loop {
        let Some(stream) = accept_stream(listener.accept().await).await else {
            continue;
        };
        match server.enter() {
            // It ends with the runtime, at the latest.
            Some(entry) => {
                let server = Arc::clone(&server);
                spawn(server.drive(stream, CancellationToken::new(), entry));
            }
            None => guests::refuse(state, &stream),
        }
    }
}
