//! Tail latency under an open-loop load: requests are sent at their due times, independent of
//! earlier responses.
//!
//! Latency counts from the due time of a request, so a server that falls behind gets no lighter
//! load. Meanwhile other clients request large numbers continuously, or none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::{Mutex, mpsc};

use super::client::Client;
use super::server::{Programs, Server};
use super::speed::path;
use crate::ANSWER;

pub(crate) const RATE: u64 = 1000;
/// Connections for the requests; a request that is due waits for a free one.
const CONNECTIONS: usize = 256;
pub(crate) const LARGE: usize = 4;
pub(crate) const LARGE_PATH: &str = "/factorial/1000000";
const LARGE_BYTES: u64 = 5_565_709;
/// The head start of the large requests.
const AHEAD: Duration = Duration::from_secs(2);

/// All latencies, in ascending order.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) large: usize,
    pub(crate) large_answers: u64,
    times: Vec<Duration>,
}

impl Tail {
    /// The latency at a percentile, given in permille.
    pub(crate) fn permille_ms(&self, permille: usize) -> f64 {
        permille_ms(&self.times, permille)
    }

    pub(crate) fn answers(&self) -> usize {
        self.times.len()
    }
}

/// The latency at a percentile of sorted times, given in permille.
pub(super) fn permille_ms(times: &[Duration], permille: usize) -> f64 {
    let at = (times.len() * permille).div_ceil(1000).max(1) - 1;
    times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
}

/// Measures without large numbers first, and then with them.
pub(crate) async fn measure(programs: &Programs, seconds: u64) -> anyhow::Result<Vec<Tail>> {
    let server = Server::cocoon(&programs.cocoon)?;
    let mut tails = Vec::new();
    for large in [0, LARGE] {
        let tail = beside(server.address, large, seconds).await?;
        println!(
            "  {large} large clients: 99 % within {:.2} ms, all of {} within {:.2} ms",
            tail.permille_ms(990),
            tail.answers(),
            tail.permille_ms(1000)
        );
        tails.push(tail);
    }
    Ok(tails)
}

async fn beside(address: SocketAddr, large: usize, seconds: u64) -> anyhow::Result<Tail> {
    let ended = Arc::new(AtomicBool::new(false));
    let large_answers = Arc::new(AtomicU64::new(0));
    let computing: Vec<_> = (0..large)
        .map(|_| {
            let (ended, answers) = (Arc::clone(&ended), Arc::clone(&large_answers));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await?;
                while !ended.load(Ordering::Relaxed) {
                    let length = client.length(LARGE_PATH).await?;
                    ensure!(length == LARGE_BYTES, "{LARGE_PATH} has {length} bytes");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(address).await?;
        client.body(&path()).await?;
        clients.push(client);
    }
    tokio::time::sleep(AHEAD).await;
    let before = large_answers.load(Ordering::Relaxed);
    let times = send_paced(clients, RATE, seconds).await?;
    let large_answers = large_answers.load(Ordering::Relaxed) - before;
    ended.store(true, Ordering::Relaxed);
    for one in computing {
        one.await?.context("a large number")?;
    }
    Ok(Tail {
        large,
        large_answers,
        times,
    })
}

/// Sends requests at an even rate, in 1/s, and returns their latencies in ascending order.
pub(super) async fn send_paced(
    clients: Vec<Client>,
    rate: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Duration>> {
    let count = rate * seconds;
    let (due, waiting) = mpsc::unbounded_channel();
    // A separate thread: the runtime's timers have a resolution of a millisecond.
    let pace = std::thread::spawn(move || {
        let started = Instant::now();
        let step = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
        for at in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let time = started + step * at;
            std::thread::sleep(time.saturating_duration_since(Instant::now()));
            if due.send(time).is_err() {
                break;
            }
        }
    });
    let waiting = Arc::new(Mutex::new(waiting));
    let sending: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let waiting = Arc::clone(&waiting);
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let due = waiting.lock().await.recv().await;
                    let Some(due) = due else {
                        return anyhow::Ok(times);
                    };
                    let body = client.body(&path()).await?;
                    times.push(due.elapsed());
                    ensure!(body == ANSWER, "a wrong answer: {body:?}");
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for one in sending {
        times.append(&mut one.await??);
    }
    ensure!(pace.join().is_ok(), "the pace was not kept");
    ensure!(
        times.len() as u64 == count,
        "{} of {count} answers",
        times.len()
    );
    times.sort_unstable();
    Ok(times)
}
