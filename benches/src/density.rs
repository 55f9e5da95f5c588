//! `density`: sandboxes that have each answered one request and are all suspended on the next.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use cocoon::RunError;
use cocoon::channel::{Receiver, Sender, channel};
use cocoon::engine::Engine;
use cocoon::limits::{Limit, Limits, SMALL_JOB_BYTES};
use cocoon::machine::Machine;
use cocoon::worlds::factorial::{BUNDLED, Factorial, Kind, Request};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{ANSWER, N};

#[derive(Debug, Args)]
pub(crate) struct Density {
    /// Sandboxes that are suspended at once
    #[arg(long, default_value_t = 10_000)]
    sandboxes: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    suspended: u64,
    completed: u64,
    rss_bytes_per_sandbox: u64,
    mappings_per_sandbox: f64,
}

/// The kernel's figures for this process.
#[derive(Clone, Copy)]
struct Held {
    resident_bytes: u64,
    mappings: u64,
}

/// The host's side of one suspended sandbox.
struct Conversation {
    requests: Sender<Request>,
    answers: Receiver<Result<String, RunError>>,
}

impl Density {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let figures = runtime.block_on(self.measure())?;
        if self.json {
            println!("{}", serde_json::to_string(&figures)?);
        } else {
            let Figures {
                suspended,
                completed,
                rss_bytes_per_sandbox,
                mappings_per_sandbox,
            } = figures;
            println!("{suspended} sandboxes suspended at once, {completed} completed after that");
            println!(
                "{rss_bytes_per_sandbox} resident bytes and {mappings_per_sandbox:.2} mappings each"
            );
        }
        Ok(())
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        // The sum of the sandboxes' caps exceeds the memory of this machine; the memory in use
        // is measured.
        let limits = Limits::COMMANDS
            .with(Limit::Sandboxes, self.sandboxes)
            .with(Limit::TotalMemory, self.sandboxes * SMALL_JOB_BYTES * 2);
        let engine = Engine::new(&limits, &Machine::detect())?;
        ensure!(
            u64::from(engine.sandboxes()) == self.sandboxes,
            "this machine has room for {} sandboxes",
            engine.sandboxes()
        );
        let factorial = Factorial::load(&engine, &BUNDLED).await?;
        let mut serving = JoinSet::new();

        // One conversation in advance, so that shared costs are not counted.
        let mut first = start(&factorial, &mut serving);
        ask(&first).await?;
        check(&mut first).await?;
        finish(vec![first], &mut serving).await?;

        let before = Held::now()?;
        let mut conversations: Vec<_> = (0..self.sandboxes)
            .map(|_| start(&factorial, &mut serving))
            .collect();
        for conversation in &mut conversations {
            ask(conversation).await?;
        }
        for conversation in &mut conversations {
            check(conversation).await?;
        }
        // The last sandboxes have time to reach their next read.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let during = Held::now()?;
        let suspended = serving.len() as u64;

        for conversation in &conversations {
            ask(conversation).await?;
        }
        for conversation in &mut conversations {
            check(conversation).await?;
        }
        let completed = finish(conversations, &mut serving).await?;
        let each =
            |before: u64, during: u64| during.saturating_sub(before) as f64 / suspended as f64;
        Ok(Figures {
            suspended,
            completed,
            rss_bytes_per_sandbox: each(before.resident_bytes, during.resident_bytes) as u64,
            mappings_per_sandbox: each(before.mappings, during.mappings),
        })
    }
}

fn start(factorial: &Factorial, serving: &mut JoinSet<Result<(), RunError>>) -> Conversation {
    let (requests, to_answer) = channel();
    let (answered, answers) = channel();
    let factorial = factorial.clone();
    serving.spawn(async move { factorial.serve(to_answer, answered).await });
    Conversation { requests, answers }
}

async fn ask(conversation: &Conversation) -> anyhow::Result<()> {
    Ok(conversation
        .requests
        .send(Request::decimal(Kind::Factorial, N))
        .await?)
}

async fn check(conversation: &mut Conversation) -> anyhow::Result<()> {
    let answer = conversation
        .answers
        .recv()
        .await?
        .context("the sandbox ended early")??;
    ensure!(answer == ANSWER, "a wrong answer");
    Ok(())
}

/// Ends the conversations and counts those that succeeded.
async fn finish(
    conversations: Vec<Conversation>,
    serving: &mut JoinSet<Result<(), RunError>>,
) -> anyhow::Result<u64> {
    for Conversation {
        requests,
        mut answers,
    } in conversations
    {
        requests.finish();
        ensure!(
            answers.recv().await?.is_none(),
            "an answer without a request"
        );
    }
    let mut completed = 0;
    while let Some(served) = serving.join_next().await {
        served??;
        completed += 1;
    }
    Ok(completed)
}

impl Held {
    fn now() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = resident
            .and_then(|line| line.split_whitespace().next())
            .context("no VmRSS in /proc/self/status")?
            .parse()?;
        let mappings = std::fs::read_to_string("/proc/self/maps")?.lines().count() as u64;
        Ok(Self {
            resident_bytes: kib << 10,
            mappings,
        })
    }
}
