//! Requests per second by wrk, of all servers in turn.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::client::Client;
use super::server::{Programs, Server};
use crate::{ANSWER, N, median};

/// Threads and connections of wrk, the same for all published figures.
pub(crate) const WRK: [&str; 2] = ["-t1", "-c32"];
pub(crate) const COCOON: &str = "cocoon serve";
pub(crate) const NATIVE: &str = "native axum handler";
pub(crate) const WASMTIME: &str = "wasmtime serve";

/// Requests per second of one server, and its ratio to cocoon's, by rounds.
#[derive(Debug)]
pub(crate) struct Speed {
    pub(crate) server: &'static str,
    pub(crate) per_second: f64,
    /// The median over rounds of cocoon's rate divided by this server's.
    pub(crate) cocoon_of_it: f64,
}

pub(crate) async fn measure(
    programs: &Programs,
    rounds: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Speed>> {
    let mut servers = vec![
        (COCOON, Server::cocoon(&programs.cocoon)?),
        (NATIVE, Server::native()?),
    ];
    if let Ok((wasmtime, _, component)) = &programs.wasmtime {
        servers.push((WASMTIME, Server::wasmtime(wasmtime, component)?));
    }
    for (name, server) in &servers {
        let mut client = Client::connect(server.address).await?;
        let body = client.body(&path()).await.context(*name)?;
        ensure!(body == ANSWER, "{name} says that {N}! is {body:?}");
    }
    compare(&servers, &path(), rounds, seconds)
}

/// Runs wrk against all servers in turn. Ratios are those of the first one.
pub(super) fn compare(
    servers: &[(&'static str, Server)],
    path: &str,
    rounds: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Speed>> {
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    let order: Vec<usize> = (0..servers.len()).collect();
    // The first round is a warm-up and not counted. Each round begins with another server.
    for round in 0..=usize::try_from(rounds)? {
        let mut order = order.clone();
        order.rotate_left(round % servers.len());
        for at in order {
            let (name, server) = &servers[at];
            let rate = wrk(server.address, path, seconds).with_context(|| (*name).to_owned())?;
            println!("  {name:20} {rate:9.0} per second");
            if round > 0 {
                rates[at].push(rate);
            }
        }
    }
    let cocoons = rates[0].clone();
    Ok(servers
        .iter()
        .zip(&mut rates)
        .map(|((server, _), rates)| {
            let mut ratios: Vec<f64> = cocoons
                .iter()
                .zip(rates.iter())
                .map(|(cocoon, rate)| cocoon / rate)
                .collect();
            Speed {
                server,
                per_second: median(rates),
                cocoon_of_it: median(&mut ratios),
            }
        })
        .collect())
}

pub(crate) fn path() -> String {
    format!("/factorial/{N}")
}

/// Runs wrk once and returns requests per second. An error or a refusal ends the measurement.
fn wrk(address: SocketAddr, path: &str, seconds: u64) -> anyhow::Result<f64> {
    let output = Command::new("wrk")
        .args(WRK)
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://{address}{path}"))
        .output()
        .context("there is no wrk; Debian's package wrk has it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}");
    for word in ["Socket errors", "Non-2xx"] {
        if let Some(line) = text.lines().find(|line| line.contains(word)) {
            bail!("{}", line.trim());
        }
    }
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(rate
        .context("no rate in the output of wrk")?
        .trim()
        .parse()?)
}
