//! Latency of a small handler while sandboxes of another route compute without end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::super::client::Client;
use super::super::server::{Programs, Server};
use super::super::speed::path;
use super::super::tail::send_paced;
use super::permille_ms;

/// Requests per second.
pub(super) const RATE: u64 = 500;
/// Sandboxes of the other route.
pub(super) const COMPUTING: usize = 8;
const CONNECTIONS: usize = 128;
/// The head start of the computing sandboxes.
const AHEAD: Duration = Duration::from_secs(2);
/// The pause after a response of the other route, which is an error.
const PAUSE: Duration = Duration::from_millis(50);

/// All latencies, in ascending order.
#[derive(Debug)]
pub(crate) struct Neighbours(Vec<Duration>);

impl Neighbours {
    pub(super) fn permille_ms(&self, permille: usize) -> f64 {
        permille_ms(&self.0, permille)
    }
}

pub(super) async fn measure(
    programs: &Programs,
    component: &Path,
    seconds: u64,
) -> anyhow::Result<Neighbours> {
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("cocoon.toml");
    let file = component.display().to_string();
    // Longer than the measurement.
    let deadline_s = seconds + 60;
    let routes = format!(
        "[[serve.route]]\npath = \"/\"\ncomponent = {file:?}\n\n\
         [[serve.route]]\npath = \"/spin\"\ncomponent = {file:?}\ndeadline = \"{deadline_s}s\"\n"
    );
    std::fs::write(&configuration, routes)?;
    let server = Server::cocoon_routes(&programs.cocoon, &configuration)?;
    let mut computing = Vec::new();
    for _ in 0..COMPUTING {
        computing.push(tokio::spawn(compute(server.address)));
    }
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(server.address).await?;
        client.body(&path()).await?;
        clients.push(client);
    }
    tokio::time::sleep(AHEAD).await;
    let times = send_paced(clients, RATE, seconds).await?;
    for one in computing {
        anyhow::ensure!(!one.is_finished(), "a computing sandbox ended");
        one.abort();
    }
    let neighbours = Neighbours(times);
    println!(
        "  beside {COMPUTING} computing sandboxes: 99 % within {:.2} ms",
        neighbours.permille_ms(990)
    );
    Ok(neighbours)
}

/// Keeps one sandbox of the other route busy.
async fn compute(address: SocketAddr) {
    loop {
        if let Ok(mut client) = Client::connect(address).await {
            // It never succeeds.
            let _ = client.get("/spin").await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
