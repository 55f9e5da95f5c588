//! The address of `--admin-listen`.
//!
//! It is bound before components are compiled, so probes learn from the start that the service is
//! not ready, and why.

use std::io;
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use cocoon::http::server::{Admin, ServerState};

use super::Serve;
use crate::cli::failure::Failure;

/// The socket of health and metrics.
pub(super) struct AdminSocket {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl AdminSocket {
    /// Binds `address`.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let bind = || -> io::Result<_> {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind().map_err(|error| Failure::Io {
            what: format!("cannot listen on {address}"),
            error,
        })
    }
}

impl Serve {
    /// Begins to serve the health and the metrics of `server`, and `others`, at `socket`.
    pub(super) fn start_admin(
        &self,
        socket: Option<AdminSocket>,
        server: &ServerState,
        others: Option<Router>,
    ) -> Result<Option<Admin>, Failure> {
        if self.trace_probes {
            server.trace_probes();
        }
        socket
            .map(|socket| Admin::start(socket.listener, server, others))
            .transpose()
            .map_err(no_threads)
    }
}

pub(super) fn no_threads(error: io::Error) -> Failure {
    Failure::Io {
        what: "cannot start threads".to_owned(),
        error,
    }
}
