//! Ten thousand concurrent connections, a thousand of which read slowly.
//!
//! The fast clients request a small number just often enough to keep their connections open.
//! The slow ones read so little at a time that most of a response waits: in its sandbox, or in
//! the socket buffers of the kernel, which are reported as well.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http_body_util::BodyExt as _;
use tokio::time::sleep;

use super::client::Client;
use super::server::{Programs, Server};
use super::speed::path;
use crate::ANSWER;
use crate::peers::programs::first_line;

pub(crate) const CONNECTIONS: usize = 10_000;
pub(crate) const SLOW: usize = 1_000;
/// A thousand sandboxes for this number fit into 8 GiB.
pub(crate) const SLOW_PATH: &str = "/factorial/200000";
const SLOW_BYTES: usize = 973_351;
/// The rate at which a slow client reads.
pub(crate) const SLOW_BYTES_PER_S: f64 = 16e3;
/// The interval between requests of a fast client.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// The interval between the starts of slow clients, so that their computations do not pile up.
const BEGIN_EVERY: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) small_answers: u64,
    /// Slow clients whose responses were under way when memory was read.
    pub(crate) slow_at_once: u64,
    /// Live sandboxes at that time, by the service's metrics.
    pub(crate) sandboxes_live: Option<u64>,
    pub(crate) resident_before_bytes: u64,
    pub(crate) resident_bytes: u64,
    /// The kernel's memory for all sockets of the machine, including those of this process.
    /// With large buffers the kernel takes whole responses, and no sandbox waits for a reader.
    pub(crate) kernel_bytes: Option<u64>,
    pub(crate) seconds: f64,
}

#[derive(Default)]
struct Seen {
    ended: AtomicBool,
    small_answers: AtomicU64,
    reading: AtomicU64,
}

pub(crate) async fn measure(programs: &Programs) -> anyhow::Result<Crowd> {
    let server = Server::cocoon(&programs.cocoon)?;
    let address = server.address;
    let expected = Client::connect(address).await?.body(SLOW_PATH).await?;
    ensure!(
        expected.len() == SLOW_BYTES,
        "{SLOW_PATH} has {} bytes",
        expected.len()
    );
    let resident_before_bytes = server.resident_bytes()?;
    let started = Instant::now();
    let seen = Arc::new(Seen::default());
    let mut others = Vec::new();
    for _ in SLOW..CONNECTIONS {
        let client = Client::connect(address).await?;
        others.push(tokio::spawn(ask_now_and_then(client, Arc::clone(&seen))));
    }
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(tokio::spawn(read_slowly(
            address,
            expected.clone(),
            Arc::clone(&seen),
        )));
        sleep(BEGIN_EVERY).await;
    }
    // All have begun, and none has ended: each takes a minute.
    sleep(Duration::from_secs(5)).await;
    let slow_at_once = seen.reading.load(Ordering::Relaxed);
    let resident_bytes = server.resident_bytes()?;
    let sandboxes_live = sandboxes_live(address).await;
    let kernel_bytes = kernel_bytes();
    for (at, one) in slow.into_iter().enumerate() {
        one.await?.with_context(|| format!("slow reader {at}"))?;
    }
    seen.ended.store(true, Ordering::Relaxed);
    for (at, one) in others.into_iter().enumerate() {
        one.await?.with_context(|| format!("connection {at}"))?;
    }
    let crowd = Crowd {
        small_answers: seen.small_answers.load(Ordering::Relaxed),
        slow_at_once,
        sandboxes_live,
        resident_before_bytes,
        resident_bytes,
        kernel_bytes,
        seconds: started.elapsed().as_secs_f64(),
    };
    println!("  {crowd:?}");
    Ok(crowd)
}

async fn ask_now_and_then(mut client: Client, seen: Arc<Seen>) -> anyhow::Result<()> {
    while !seen.ended.load(Ordering::Relaxed) {
        let body = client.body(&path()).await?;
        ensure!(body == ANSWER, "a wrong answer: {body:?}");
        seen.small_answers.fetch_add(1, Ordering::Relaxed);
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

async fn read_slowly(
    address: SocketAddr,
    expected: bytes::Bytes,
    seen: Arc<Seen>,
) -> anyhow::Result<()> {
    let mut client = Client::slow(address).await?;
    let mut body = client.get(SLOW_PATH).await?.into_body();
    seen.reading.fetch_add(1, Ordering::Relaxed);
    let started = Instant::now();
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.with_context(|| format!("it broke off after {at} bytes"))?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        ensure!(
            expected.get(at..at + piece.len()) == Some(piece),
            "wrong digits from {at} on"
        );
        at += piece.len();
        let due = Duration::from_secs_f64(at as f64 / SLOW_BYTES_PER_S);
        sleep(due.saturating_sub(started.elapsed())).await;
    }
    seen.reading.fetch_sub(1, Ordering::Relaxed);
    ensure!(at == expected.len(), "it ended after {at} bytes");
    Ok(())
}

/// Live sandboxes by `/metrics`; `None` if it lacks them.
async fn sandboxes_live(address: SocketAddr) -> Option<u64> {
    let mut client = Client::connect(address).await.ok()?;
    let metrics = client.body("/metrics").await.ok()?;
    let metrics = String::from_utf8_lossy(&metrics);
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("cocoon_sandboxes_live "))?;
    line.trim().parse().ok()
}

/// The kernel's memory for all TCP sockets of the machine.
fn kernel_bytes() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/net/sockstat").ok()?;
    let tcp = stat.lines().find(|line| line.starts_with("TCP:"))?;
    let (_, pages) = tcp.split_once("mem ")?;
    let page_bytes = first_line(Command::new("getconf").arg("PAGESIZE")).ok()?;
    Some(pages.trim().parse::<u64>().ok()? * page_bytes.parse::<u64>().ok()?)
}
