//! The service's resident memory after ten thousand requests, and after a million.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;

use super::client::Client;
use super::server::{Programs, Server};
use super::speed::path;
use crate::ANSWER;

const CONNECTIONS: usize = 32;
pub(crate) const FEW: u64 = 10_000;
pub(crate) const MANY: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) after_few_bytes: u64,
    pub(crate) after_many_bytes: u64,
}

pub(crate) async fn measure(programs: &Programs) -> anyhow::Result<Memory> {
    let server = Server::cocoon(&programs.cocoon)?;
    ask(server.address, FEW).await?;
    let after_few_bytes = server.resident_bytes()?;
    ask(server.address, MANY - FEW).await?;
    let after_many_bytes = server.resident_bytes()?;
    let memory = Memory {
        after_few_bytes,
        after_many_bytes,
    };
    println!("  {memory:?}");
    Ok(memory)
}

/// Sends `count` requests, one at a time on each connection.
async fn ask(address: SocketAddr, count: u64) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU64::new(count));
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await?;
                let taken = |left: u64| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
                    .is_ok()
                {
                    let body = client.body(&path()).await?;
                    ensure!(body == ANSWER, "a wrong answer: {body:?}");
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for one in asking {
        one.await??;
    }
    Ok(())
}
