//! `cocoon worker`: runs the instances of batches in a queue.
//!
//! On the first signal it begins nothing more, hands back what has not begun, and lets instances
//! finish within the drain timeout. The second signal ends it at once: its ranges go to other workers
//! when their leases end.

mod ceiling;
mod components;
mod kept;
mod lease;
mod publisher;
mod ranges;
mod ready;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cocoon::http::server::{Admin, worker_state};
use cocoon::limits::{Limit, QUEUE_ANSWER, QUEUE_WAIT};
use cocoon::machine::Machine;
use cocoon::pool::Pool;
use cocoon::queue::Queue;
use cocoon::span::spawn;
use cocoon::telemetry::WorkerMetrics;
use cocoon::text::counted;
use cocoon::worlds::command;
use serde_json::json;
use tokio::time::{interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::ceiling::Ceiling;
use self::components::Components;
use self::ranges::Ranges;
use self::ready::Preparation;
use super::exec::submit::random_id;
use super::exec::{batch_name, lanes};
use super::queue_args::QueueArgs;
use crate::cli::announce;
use crate::cli::code_args::CodeArgs;
use crate::cli::component_args::RegistryArgs;
use crate::cli::failure::Failure;
use crate::cli::limits::{self, LimitArgs};
use crate::cli::output::Output;
use crate::cli::signals::Signals;
use crate::cli::values::{address, positive};

/// The time between two readings of the queue's length for the metrics.
const METRICS_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    queue: QueueArgs,
    /// Name of this worker in Redis [default: random digits]
    #[arg(long, value_name = "NAME", value_parser = batch_name)]
    name: Option<String>,
    /// Number of instances that run at once [default: as many as the limits allow]
    #[arg(short, long, value_name = "C", value_parser = positive::<u32>)]
    concurrency: Option<u32>,
    /// Address for /healthz, /readyz and /metrics: IP:PORT, localhost:PORT, :PORT or PORT [default: none]
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        env = "COCOON_ADMIN_LISTEN",
        hide_env_values = true
    )]
    admin_listen: Option<SocketAddr>,
    #[command(flatten)]
    ceiling: Ceiling,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<limits::Worker>,
}

impl Worker {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let address = self.queue.required()?;
        let mut signals = Signals::listen()?;
        let queue = Arc::new(Queue::new(&address, None)?);
        let limits = self.limits.limits.clone();
        let machine = Machine::detect();
        self.limits.warn_of_lowered(&machine);
        let most =
            u64::from(self.concurrency.unwrap_or(u32::MAX)).min(limits.get(Limit::Sandboxes));
        let engine = self.code.engine_for_programs(&limits, most, false)?;
        let places = Pool::new(&engine, engine.sandboxes()).places(command::need(&limits));
        let concurrency = most
            .min(places)
            .min(engine.sandboxes().into())
            // An output that waits may be in a file.
            .min(engine.descriptors())
            .max(1);
        let metrics = WorkerMetrics::default();
        let state = worker_state(&limits, engine.meter(), &metrics);
        // A wrong password ends the worker at once.
        tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            open = queue.open_ranges() => { open?; }
        }
        let admin = self.admin_listen.map(listen).transpose()?;
        let admin_address = admin.as_ref().map(|(_, address)| *address);
        let _admin = admin
            .map(|(listener, _)| Admin::start(listener, &state, None))
            .transpose()
            .map_err(|error| Failure::Io {
                what: "cannot start threads".to_owned(),
                error,
            })?;
        let worker = match self.name {
            Some(name) => name,
            None => random_id()?,
        };
        announce(&address.to_string(), concurrency, admin_address).await?;
        let preparation = Preparation {
            ceiling: self.ceiling,
            registries: self.registries,
            code: self.code,
            limits: limits.clone(),
            sandboxes: most,
            engine,
            components: Components::default(),
        };
        let ranges = Arc::new(Ranges::new(
            Arc::clone(&queue),
            worker.clone(),
            preparation,
            metrics.clone(),
        ));
        let _renewal = {
            let (queue, leases, metrics) = (
                Arc::clone(&queue),
                Arc::clone(&ranges.leases),
                metrics.clone(),
            );
            AbortOnDropHandle::new(spawn(async move {
                leases.renew(&queue, &worker, &metrics).await;
            }))
        };
        let _watch = AbortOnDropHandle::new(spawn(watch(Arc::clone(&queue), metrics)));
        let concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        let lanes = AbortOnDropHandle::new(spawn(lanes::run(Arc::clone(&ranges), concurrency)));
        let working = async {
            let ended = lanes.await;
            let ended = ended.unwrap_or(Err(Failure::Run(cocoon::RunError::WriterGone)));
            ranges.close(ended).await
        };
        let mut working = std::pin::pin!(working);
        tokio::select! {
            biased;
            () = signals.next() => {}
            ended = &mut working => return ended,
        }
        state.drain();
        ranges.draining.cancel();
        let patience = limits.duration(Limit::DrainTimeout);
        let drained = tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            drained = timeout(patience, &mut working) => drained,
        };
        if let Ok(ended) = drained {
            return ended;
        }
        tracing::warn!(
            flag = "--drain-timeout",
            "instances ended by the drain timeout, and handed back"
        );
        ranges.end.cancel();
        ranges.leases.end();
        // What is handed back does not wait for the end of its lease.
        let ended = timeout(QUEUE_ANSWER.min(patience + 2 * QUEUE_WAIT), working).await;
        ended.unwrap_or(Ok(()))
    }
}

/// Keeps the metrics of the queue.
async fn watch(queue: Arc<Queue>, metrics: WorkerMetrics) {
    let mut ticks = interval(METRICS_PAUSE);
    loop {
        ticks.tick().await;
        metrics.up.set(i64::from(!queue.is_away()));
        if let Ok(open) = queue.open_ranges().await {
            metrics
                .open_ranges
                .set(i64::try_from(open).unwrap_or(i64::MAX));
            metrics.up.set(1);
        }
    }
}

async fn announce(queue: &str, concurrency: u64, admin: Option<SocketAddr>) -> Result<(), Failure> {
    let text = if announce::is_json() {
        let fields = json!({
            "queue": queue,
            "concurrency": concurrency,
            "admin_url": admin.map(|admin| format!("http://{admin}")),
        });
        announce::json_line(
            "INFO",
            "working",
            fields.as_object().cloned().unwrap_or_default(),
        )
    } else {
        let admin = match admin {
            Some(admin) => format!("; health and metrics at http://{admin}"),
            None => String::new(),
        };
        let instances = counted(concurrency, "instance", "instances");
        format!("cocoon works for {queue} with {instances} at once{admin}\n")
    };
    let mut output = Output::stdout();
    output.write(text.as_bytes()).await?;
    output.finish().await
}

fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Failure> {
    let listen = || -> io::Result<_> {
        let listener = std::net::TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|error| Failure::Io {
        what: format!("cannot listen on {address}"),
        error,
    })
}
