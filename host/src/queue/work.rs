//! The calls of workers.

use std::fmt::Write as _;

use bytes::Bytes;

use super::QueueError;
use super::batch::PROTOCOL;
use super::range::{Held, Range, Taken};
use super::result::{Instance, pack};
use super::store::{Queue, wait_ms};
use crate::limits::{ERROR_CHARS, QUEUE_RANGE_INSTANCES, QUEUE_RANGE_TIME};
use crate::text::one_line;

/// The bytes of a message besides its results.
const MESSAGE_BYTES: usize = 128;

/// What became of a part of a long result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// It is stored.
    Stored,
    /// There is no room.
    Full,
    /// The lease is lost.
    Lost,
}

/// What became of results that were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// They are there, and other instances of the range have none.
    Partly,
    /// The range is done.
    Done,
    /// There is no room.
    Full,
    /// The lease is lost.
    Lost,
}

#[expect(clippy::missing_errors_doc, reason = "each fails as `QueueError` says")]
impl Queue {
    /// Leases a range to `worker`; with `lowest_only`, one that a reader waits for. The worker knows the
    /// batches with the uids `known`, and has refused those with the uids `refused`.
    pub async fn take(
        &self,
        worker: &str,
        lowest_only: bool,
        known: &str,
        refused: &str,
    ) -> Result<Taken, QueueError> {
        let mut script = self.scripts.take.key(&self.prefix);
        script.arg(worker).arg(PROTOCOL).arg(QUEUE_RANGE_INSTANCES);
        script.arg(u64::try_from(QUEUE_RANGE_TIME.as_millis()).unwrap_or(u64::MAX));
        script.arg(if lowest_only { "lowest" } else { "any" });
        script.arg(known).arg(refused);
        let values: Vec<Bytes> = self.calls.run(&script).await?;
        if let [wake, foreign] = &values[..] {
            let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            return Ok(Taken::Nothing {
                wake: text(wake),
                foreign: Some(text(foreign)).filter(|name| !name.is_empty()),
            });
        }
        if let [_, batch, reason] = &values[..] {
            return Err(QueueError::Batch(format!(
                "batch {}: expected the fields of a batch, got others: {}",
                String::from_utf8_lossy(batch),
                one_line(&String::from_utf8_lossy(reason), ERROR_CHARS)
            )));
        }
        Ok(Taken::Range(Box::new(Range::parse(values)?)))
    }

    /// Waits for a wake after `last`, for [`QUEUE_WAIT`](crate::limits::QUEUE_WAIT) at most.
    pub async fn wait_for_work(&self, last: &str) -> Result<(), QueueError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(wait_ms());
        command
            .arg("STREAMS")
            .arg(format!("{}wake", self.prefix))
            .arg(last);
        self.waits.send::<redis::Value>(&command).await.map(drop)
    }

    /// Renews leases. Returns for each whether it holds.
    pub async fn renew(&self, worker: &str, held: &[Held]) -> Result<Vec<bool>, QueueError> {
        let mut script = self.scripts.renew.key(&self.prefix);
        script.arg(worker);
        for held in held {
            script.arg(&held.batch).arg(&held.id).arg(held.attempt);
        }
        self.calls.run(&script).await
    }

    /// Stores part `part` of `parts` of the output of a long result, which has `bytes` in all.
    pub async fn stage(
        &self,
        held: &Held,
        index: usize,
        part: u64,
        parts: u64,
        bytes: u64,
        content: &[u8],
    ) -> Result<Staged, QueueError> {
        let mut script = self.scripts.stage.key(&self.prefix);
        script
            .arg(&held.batch)
            .arg(&held.id)
            .arg(held.attempt)
            .arg(index);
        script
            .arg(part)
            .arg(parts)
            .arg(bytes)
            .arg(held.first)
            .arg(content);
        Ok(match self.calls.run::<i64>(&script).await? {
            1 => Staged::Stored,
            0 => Staged::Full,
            _ => Staged::Lost,
        })
    }

    /// Publishes results with their outputs. The output of a single one may be in `parts` instead.
    pub async fn publish(
        &self,
        held: &Held,
        results: &[(Instance, Bytes)],
        parts: u64,
    ) -> Result<Published, QueueError> {
        let mut message = Vec::new();
        let mut indices = String::new();
        let (mut elapsed_us, mut failed) = (0_u64, 0_u64);
        for (instance, output) in results {
            pack(&mut message, instance, (parts == 0).then_some(output))?;
            // Writing to a string never fails.
            let _ = write!(indices, "{},", instance.number - held.first);
            elapsed_us = elapsed_us.saturating_add(instance.elapsed_us);
            failed += u64::from(instance.exit != Some(0));
        }
        let mut script = self.scripts.publish.key(&self.prefix);
        script
            .arg(&held.batch)
            .arg(&held.id)
            .arg(held.attempt)
            .arg(held.first)
            .arg(indices);
        script
            .arg(message.len() + MESSAGE_BYTES)
            .arg(elapsed_us)
            .arg(failed)
            .arg(message)
            .arg(parts);
        Ok(match self.calls.run::<i64>(&script).await? {
            1 => Published::Partly,
            2 => Published::Done,
            0 => Published::Full,
            _ => Published::Lost,
        })
    }

    /// Returns the instances of these `indices`, which did not begin, to the queue.
    pub async fn hand_back(&self, held: &Held, indices: &[usize]) -> Result<(), QueueError> {
        let indices: Vec<_> = indices.iter().map(usize::to_string).collect();
        self.end_lease(held, &indices.join(","), "some").await
    }

    /// Returns a range of a batch that this worker may not run, for `reason`.
    pub async fn refuse(&self, held: &Held, uid: &str, reason: &str) -> Result<(), QueueError> {
        let mut script = self.scripts.refuse.key(&self.prefix);
        script.arg(&held.batch).arg(uid).arg(&held.id);
        script.arg(held.attempt).arg(reason);
        self.calls.run::<i64>(&script).await.map(drop)
    }

    /// Ends a lease, so that another worker gets what has no result.
    pub async fn release(&self, held: &Held) -> Result<(), QueueError> {
        self.end_lease(held, "", "all").await
    }

    async fn end_lease(&self, held: &Held, indices: &str, how: &str) -> Result<(), QueueError> {
        let mut script = self.scripts.hand_back.key(&self.prefix);
        script
            .arg(&held.batch)
            .arg(&held.id)
            .arg(held.attempt)
            .arg(held.first)
            .arg(indices)
            .arg(how);
        self.calls.run::<i64>(&script).await.map(drop)
    }
}
