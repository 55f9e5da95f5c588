//! The task that sends spans: it gathers batches and retries each of them by the specification of
//! OTLP.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::export_answer::{Answer, Refusal};
use super::otlp::Client;
use super::sizes::Batches;
use crate::limits::{EXPORT_PAUSE, EXPORT_PAUSE_MAX, EXPORT_WAIT_MAX};

/// The state of the task.
pub(super) struct Worker {
    pub(super) spans: Receiver<SpanData>,
    pub(super) batches: Batches,
    pub(super) resource: ResourceAttributesWithSchema,
    pub(super) client: Client,
    pub(super) delivery: Arc<Delivery>,
    /// The program ends: whatever is left is sent at once, or never.
    pub(super) end: CancellationToken,
}

impl Worker {
    /// Sends spans until the end.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        // The server requested no batch before this time.
        let mut closed_until = None;
        while !self.end.is_cancelled() {
            let end = self.end.clone();
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                () = gather(&mut self.spans, &mut batch, &self.batches) => {
                    self.deliver(std::mem::take(&mut batch), &mut closed_until).await;
                }
            }
        }
        loop {
            while batch.len() < self.batches.spans {
                match self.spans.try_recv() {
                    Ok(span) => batch.push(span),
                    Err(_) => break,
                }
            }
            if batch.is_empty() {
                break;
            }
            self.deliver(std::mem::take(&mut batch), &mut closed_until)
                .await;
        }
        self.delivery.report_losses();
    }

    /// Sends a batch, again and again while that may help, and then gives it up.
    async fn deliver(&mut self, batch: Vec<SpanData>, closed_until: &mut Option<Instant>) {
        let count = batch.len();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let message = self.client.message(request.encode_to_vec());
        let mut began = None;
        let mut pause = EXPORT_PAUSE;
        loop {
            if let Some(until) = *closed_until
                && !self.reaches(until).await
            {
                break;
            }
            let began = *began.get_or_insert_with(Instant::now);
            let refusal = match self.client.send(message.clone()).await {
                Ok(Answer { rejected, message }) => {
                    *closed_until = None;
                    self.delivery.delivered(count);
                    if rejected > 0 || !message.is_empty() {
                        self.delivery.rejected(rejected, &message);
                    }
                    return;
                }
                Err(refusal) => refusal,
            };
            let Refusal {
                reason,
                is_passing,
                retry_after,
            } = refusal;
            self.delivery.failed(&reason);
            *closed_until = retry_after.map(|after| Instant::now() + after.min(EXPORT_WAIT_MAX));
            let is_over = began.elapsed() >= self.batches.give_up;
            if !is_passing || is_over || self.end.is_cancelled() {
                break;
            }
            // Even if the server requests no pause.
            self.reaches(Instant::now() + jittered(pause)).await;
            pause = (pause * 2).min(EXPORT_PAUSE_MAX);
        }
        self.delivery.gave_up(count);
    }

    /// Waits until then. Whether that comes before the end of the program.
    async fn reaches(&self, then: Instant) -> bool {
        tokio::select! {
            // In this order: a time that has passed is reached at the end, too.
            biased;
            () = sleep_until(then) => true,
            () = self.end.cancelled() => false,
        }
    }
}

/// Waits for a batch: until it is full, or its first span has waited for long enough.
async fn gather(spans: &mut Receiver<SpanData>, batch: &mut Vec<SpanData>, batches: &Batches) {
    if spans.recv_many(batch, batches.spans).await == 0 {
        // No span can come any more.
        std::future::pending::<()>().await;
    }
    let until = Instant::now() + batches.delay;
    while batch.len() < batches.spans {
        let left = batches.spans - batch.len();
        match timeout_at(until, spans.recv_many(batch, left)).await {
            Ok(0) => {
                sleep(batches.delay).await;
                return;
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Half of `pause` to all of it, so that many programs do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX)) / 2
}
