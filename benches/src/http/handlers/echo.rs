//! Long bodies through a handler that returns them while they arrive, and memory meanwhile.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;

use super::super::client::Client;
use super::super::server::{Programs, Server, WASMTIME_HANDLER_TUNING};
use super::super::speed::WASMTIME;
use super::COCOON;
use crate::median;

pub(super) const BODY_BYTES: usize = 10_000_000;
/// Bodies of one turn.
const TURN: u32 = 20;

#[derive(Debug)]
pub(crate) struct Echo {
    pub(super) server: &'static str,
    /// Megabytes per second in each direction.
    pub(super) mb_per_second: f64,
    /// The median over rounds of cocoon's rate divided by this server's.
    pub(super) cocoon_of_it: f64,
    /// Resident memory after the first turn, and after the last.
    pub(super) first_bytes: u64,
    pub(super) last_bytes: u64,
}

pub(super) async fn measure(
    programs: &Programs,
    component: &Path,
    rounds: u64,
) -> anyhow::Result<Vec<Echo>> {
    let cocoon = Server::cocoon_handler(&programs.cocoon, component, &[])?;
    let mut servers = vec![(COCOON, cocoon)];
    if let Ok((wasmtime, ..)) = &programs.wasmtime {
        let server = Server::wasmtime_with(wasmtime, component, &WASMTIME_HANDLER_TUNING)?;
        servers.push((WASMTIME, server));
    }
    let body: Bytes = (0..BODY_BYTES).map(|at| (at % 251) as u8).collect();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    let mut resident = vec![(0, 0); servers.len()];
    // The first round is a warm-up and not counted.
    for round in 0..=rounds {
        for (at, (name, server)) in servers.iter().enumerate() {
            let rate = turn(server, &body).await?;
            let now = server.resident_bytes()?;
            println!("  {name:20} {rate:9.0} MB/s echoed");
            if round == 0 {
                resident[at].0 = now;
            } else {
                rates[at].push(rate);
            }
            resident[at].1 = now;
        }
    }
    let cocoons = rates[0].clone();
    let figures = servers.iter().zip(&mut rates).zip(resident);
    let echoes = figures.map(|(((server, _), rates), (first_bytes, last_bytes))| {
        let ratios = cocoons.iter().zip(rates.iter());
        let mut ratios: Vec<f64> = ratios.map(|(cocoon, rate)| cocoon / rate).collect();
        Echo {
            server,
            mb_per_second: median(rates),
            cocoon_of_it: median(&mut ratios),
            first_bytes,
            last_bytes,
        }
    });
    Ok(echoes.collect())
}

/// Echoes bodies one after the other on one connection, and returns megabytes per second.
async fn turn(server: &Server, body: &Bytes) -> anyhow::Result<f64> {
    let mut client = Client::connect(server.address).await?;
    let started = Instant::now();
    for _ in 0..TURN {
        let echo = client.post("/echo", body.clone()).await?;
        ensure!(echo == body, "a wrong echo of {} bytes", echo.len());
    }
    let bytes = BODY_BYTES as f64 * f64::from(TURN);
    Ok(bytes / 1e6 / started.elapsed().as_secs_f64())
}
