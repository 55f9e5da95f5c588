//! A queue in Redis: one function for each script.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, FromRedisValue};

use super::QueueError;
use super::address::Address;
use super::batch::{Batch, PROTOCOL, Progress};
use super::connection::Connection;
use super::range::{Held, Line, Range, Taken, pack_line};
use super::result::{Entry, Instance, pack};
use super::scripts::Scripts;
use crate::limits::{
    ERROR_CHARS, QUEUE_ENTRIES_READ, QUEUE_RANGE_INSTANCES, QUEUE_RANGE_TIME, QUEUE_RANGES_AHEAD,
    QUEUE_WAIT,
};
use crate::text::one_line;

/// The bytes of a message besides its results.
const MESSAGE_BYTES: usize = 128;

/// A queue.
pub struct Queue {
    address: Address,
    prefix: String,
    calls: Connection,
    /// Redis answers nothing else on this connection while a call waits for a message.
    waits: Connection,
    scripts: Scripts,
    is_away: Arc<AtomicBool>,
}

/// What became of lines that were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// They are a range.
    Added,
    /// There is no room.
    Full,
    /// The batch was cancelled or removed.
    Gone,
}

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

impl Queue {
    /// The queue at `address`. Each call is repeated for `patience`, or without end.
    ///
    /// # Errors
    ///
    /// [`QueueError::Unreadable`] without certificate authorities for TLS.
    pub fn new(address: &Address, patience: Option<Duration>) -> Result<Self, QueueError> {
        let is_away = Arc::new(AtomicBool::new(false));
        Ok(Self {
            prefix: format!("cocoon:{{{}}}:", address.name),
            calls: Connection::new(
                address.clone(),
                patience,
                Duration::ZERO,
                Arc::clone(&is_away),
            )?,
            waits: Connection::new(address.clone(), patience, QUEUE_WAIT, Arc::clone(&is_away))?,
            scripts: Scripts::new(),
            is_away,
            address: address.clone(),
        })
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether Redis did not answer the last call.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn content_key(&self, digest: &str) -> String {
        format!("{}c:{digest}", self.prefix)
    }

    fn key(&self, batch: &str, part: &str) -> String {
        format!("{}b:{batch}{part}", self.prefix)
    }

    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.calls.send(command).await
    }

    /// Creates `batch` with its `uid`. Returns whether no other batch has the name.
    ///
    /// # Errors
    ///
    /// [`QueueError`], as all functions here.
    pub async fn create(&self, name: &str, uid: &str, batch: &Batch) -> Result<bool, QueueError> {
        let json =
            serde_json::to_string(batch).map_err(|error| QueueError::Batch(error.to_string()))?;
        let mut script = self.scripts.create.key(&self.prefix);
        script.arg(name).arg(now_ms());
        script
            .arg("uid")
            .arg(uid)
            .arg("protocol")
            .arg(PROTOCOL)
            .arg("json")
            .arg(json);
        script
            .arg("bound")
            .arg(batch.results_bytes)
            .arg("input_bound")
            .arg(batch.input_bytes);
        script
            .arg("lease")
            .arg(batch.lease_ms)
            .arg("keep")
            .arg(batch.keep_s);
        script
            .arg("ordered")
            .arg(u8::from(batch.ordered))
            .arg("lines")
            .arg(u8::from(batch.lines));
        if let Some(all) = batch.instances {
            script.arg("total").arg(all);
        }
        Ok(self.calls.run::<i64>(&script).await? == 1)
    }

    /// Adds a range of lines from the instance `first` on.
    pub async fn add(
        &self,
        name: &str,
        uid: &str,
        first: u64,
        lines: &[Line],
    ) -> Result<Added, QueueError> {
        let mut packed = Vec::new();
        for line in lines {
            pack_line(&mut packed, line);
        }
        let mut script = self.scripts.add.key(&self.prefix);
        script
            .arg(name)
            .arg(uid)
            .arg(first)
            .arg(lines.len())
            .arg(packed)
            .arg(QUEUE_RANGES_AHEAD);
        Ok(match self.calls.run::<i64>(&script).await? {
            1 => Added::Added,
            0 => Added::Full,
            _ => Added::Gone,
        })
    }

    /// Ends the submission of lines.
    pub async fn close(&self, name: &str, uid: &str) -> Result<(), QueueError> {
        let mut script = self.scripts.close.key(&self.prefix);
        self.calls
            .run::<i64>(script.arg(name).arg(uid))
            .await
            .map(drop)
    }

    /// The batch of this name, its uid first.
    pub async fn batch(&self, name: &str) -> Result<(String, Batch), QueueError> {
        let mut command = redis::cmd("HMGET");
        command
            .arg(self.key(name, ""))
            .arg(&["uid", "protocol", "json"]);
        let (uid, protocol, json): (Option<String>, Option<String>, Option<Vec<u8>>) =
            self.send(&command).await?;
        let batch = Batch::parse(name, protocol.as_deref(), json.as_deref())?;
        Ok((uid.unwrap_or_default(), batch))
    }

    /// Leases a range to `worker`; with `lowest_only`, one that a reader waits for.
    pub async fn take(&self, worker: &str, lowest_only: bool) -> Result<Taken, QueueError> {
        let mut script = self.scripts.take.key(&self.prefix);
        script.arg(worker).arg(PROTOCOL).arg(QUEUE_RANGE_INSTANCES);
        script.arg(u64::try_from(QUEUE_RANGE_TIME.as_millis()).unwrap_or(u64::MAX));
        script.arg(if lowest_only { "lowest" } else { "any" });
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

    /// Waits for a wake after `last`, for [`QUEUE_WAIT`] at most.
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
    #[expect(
        clippy::too_many_arguments,
        reason = "each is an argument of the script"
    )]
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
            indices += &format!("{},", instance.number - held.first);
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

    /// Makes `reader` the only reader of the results.
    pub async fn attach(&self, name: &str, reader: &str) -> Result<(), QueueError> {
        let mut command = redis::cmd("HSET");
        command.arg(self.key(name, "")).arg("reader").arg(reader);
        self.send::<i64>(&command).await.map(drop)
    }

    /// Waits for messages of results after `last`, for [`QUEUE_WAIT`] at most.
    pub async fn read(
        &self,
        name: &str,
        last: &str,
    ) -> Result<Vec<(String, Result<Entry, QueueError>)>, QueueError> {
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(QUEUE_ENTRIES_READ)
            .arg("BLOCK")
            .arg(wait_ms());
        command
            .arg("STREAMS")
            .arg(self.key(name, ":results"))
            .arg(last);
        let read: Option<redis::streams::StreamReadReply> = self.waits.send(&command).await?;
        let streams = read.map(|read| read.keys).unwrap_or_default();
        let messages = streams.into_iter().flat_map(|stream| stream.ids);
        let entries = messages.map(|message| {
            let results = message
                .get::<Bytes>("r")
                .unwrap_or_else(|| Bytes::from_static(b"?"));
            let parts = message.get::<String>("k").unwrap_or_default();
            let count = message.get::<u64>("p").unwrap_or_default();
            let entry = Entry::parse(message.id.clone(), results, &parts, count);
            (message.id, entry)
        });
        Ok(entries.collect())
    }

    /// A part of the output of a long result; `None` if it is gone.
    pub async fn part(
        &self,
        name: &str,
        parts: &str,
        number: u64,
    ) -> Result<Option<Bytes>, QueueError> {
        let mut command = redis::cmd("HGET");
        command
            .arg(self.key(name, ":parts"))
            .arg(format!("{parts}/{number}"));
        self.send(&command).await
    }

    /// Removes messages that were printed, and returns how far the batch is. `None` if there is another
    /// reader, or no batch any more.
    pub async fn acknowledge(
        &self,
        name: &str,
        reader: &str,
        next: u64,
        messages: &[String],
    ) -> Result<Option<Progress>, QueueError> {
        let mut script = self.scripts.acknowledge.key(&self.prefix);
        script.arg(name).arg(reader).arg(next).arg(messages);
        let values: Vec<String> = self.calls.run(&script).await?;
        let [published, made, total, open, cancelled, read] = &values[..] else {
            return Ok(None);
        };
        let number = |text: &String| text.parse().unwrap_or_default();
        Ok(Some(Progress {
            name: name.to_owned(),
            instances: total.parse().ok(),
            made: number(made),
            published: number(published),
            read: number(read),
            open_ranges: number(open),
            cancelled: Some(cancelled.clone()).filter(|reason| !reason.is_empty()),
            ..Progress::default()
        }))
    }

    /// Ends the work on a batch; its results stay. Returns whether it is there.
    pub async fn cancel(&self, name: &str, uid: &str, reason: &str) -> Result<bool, QueueError> {
        let mut script = self.scripts.cancel.key(&self.prefix);
        Ok(self
            .calls
            .run::<i64>(script.arg(name).arg(uid).arg(reason))
            .await?
            == 1)
    }

    /// Removes a batch with its results. Returns whether it was there.
    pub async fn purge(&self, name: &str, uid: &str) -> Result<bool, QueueError> {
        let mut script = self.scripts.purge.key(&self.prefix);
        Ok(self.calls.run::<i64>(script.arg(name).arg(uid)).await? == 1)
    }

    /// The number of ranges of all batches that wait or run.
    pub async fn open_ranges(&self) -> Result<u64, QueueError> {
        self.send(redis::cmd("HLEN").arg(format!("{}open", self.prefix)))
            .await
    }

    /// The names of all batches, the oldest first.
    pub async fn names(&self) -> Result<Vec<String>, QueueError> {
        let mut command = redis::cmd("ZRANGE");
        self.send(
            command
                .arg(format!("{}batches", self.prefix))
                .arg(0)
                .arg(-1),
        )
        .await
    }

    /// How far a batch is; `None` if there is none.
    pub async fn progress(&self, name: &str) -> Result<Option<Progress>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        let found: HashMap<String, Bytes> = self.send(command.arg(self.key(name, ""))).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let text = |field: &str| {
            found
                .get(field)
                .map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let number = |field: &str| text(field).and_then(|value| value.parse().ok());
        let count = |field: &str| number(field).unwrap_or_default();
        Ok(Some(Progress {
            name: name.to_owned(),
            instances: number("total"),
            made: count("made"),
            published: count("published"),
            failed: count("failed"),
            read: count("read"),
            open_ranges: count("open"),
            redelivered: count("redelivered"),
            unread_bytes: count("unread"),
            input_bytes: count("input"),
            cancelled: text("cancelled"),
            submitted_ms: count("submitted"),
            seen_ms: count("seen"),
        }))
    }
}

fn wait_ms() -> u64 {
    u64::try_from(QUEUE_WAIT.as_millis()).unwrap_or(u64::MAX)
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
