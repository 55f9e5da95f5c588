//! The signals that end a program.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// Waits for SIGINT, SIGTERM or SIGHUP.
pub(super) async fn interrupted() -> Failure {
    match Signals::listen() {
        Ok(mut signals) => {
            signals.next().await;
            Failure::Interrupted
        }
        Err(failure) => failure,
    }
}

/// A listener for the signals that end a program: SIGINT from Ctrl-C, SIGHUP from a closed
/// terminal, and SIGTERM, which stops containers.
///
/// The kernel ignores these signals for the first process of a container unless it listens. No
/// signal after [`Signals::listen`] is lost.
pub(crate) struct Signals {
    ends: [Signal; 2],
    hung_up: Signal,
    _too_large: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::Io {
                what: "cannot listen for signals".to_owned(),
                error,
            })
        };
        // A write beyond `ulimit -f` must fail as on a full disk. Without a listener, the signal
        // would end the program and leave a partial file.
        let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self {
            ends: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
            ],
            hung_up: listen(SignalKind::hangup())?,
            _too_large: listen(too_large)?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn next(&mut self) {
        let Self { ends, hung_up, .. } = self;
        tokio::select! {
            () = end(ends) => {}
            _ = hung_up.recv() => {}
        }
    }

    /// Waits for SIGINT or SIGTERM, and does `work` for each SIGHUP before.
    #[cfg(feature = "compiler")]
    pub(crate) async fn next_end(&mut self, mut work: impl AsyncFnMut()) {
        let Self { ends, hung_up, .. } = self;
        tokio::select! {
            biased;
            () = end(ends) => {}
            () = async {
                while hung_up.recv().await.is_some() {
                    work().await;
                }
                std::future::pending::<()>().await;
            } => {}
        }
    }
}

/// Waits for one of two signals.
async fn end([pressed, terminated]: &mut [Signal; 2]) {
    tokio::select! {
        _ = pressed.recv() => {}
        _ = terminated.recv() => {}
    }
}
