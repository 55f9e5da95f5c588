//! The calls of readers, and of people who look at a queue.

use std::collections::HashMap;

use bytes::Bytes;

use super::QueueError;
use super::batch::{Batch, Progress};
use super::result::Entry;
use super::store::{Queue, wait_ms};
use crate::limits::QUEUE_ENTRIES_READ;

#[expect(clippy::missing_errors_doc, reason = "each fails as `QueueError` says")]
impl Queue {
    /// The batch of this name, its uid first.
    pub async fn batch(&self, name: &str) -> Result<(String, Batch), QueueError> {
        let mut command = redis::cmd("HMGET");
        command
            .arg(self.key(name, ""))
            .arg(&["uid", "protocol", "json"]);
        let (uid, protocol, json): (Option<String>, Option<String>, Option<Vec<u8>>) =
            self.send(&command).await?;
        let batch = Batch::check_and_parse(name, protocol.as_deref(), json.as_deref())?;
        Ok((uid.unwrap_or_default(), batch))
    }

    /// Makes `reader` the only reader of the results, if the batch is there.
    pub async fn attach(&self, name: &str, reader: &str) -> Result<(), QueueError> {
        let mut script = self.scripts.attach.key(&self.prefix);
        self.calls
            .run::<i64>(script.arg(name).arg(reader))
            .await
            .map(drop)
    }

    /// Connects for [`Queue::read`] and [`Queue::wait_for_work`], so that the first of them is ready sooner.
    pub async fn connect_to_wait(&self) {
        self.waits.connect_ahead().await;
    }

    /// Waits for messages of results after `last`, for [`QUEUE_WAIT`](crate::limits::QUEUE_WAIT) at most.
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
        let [published, made, total, open, cancelled, read, refused] = &values[..] else {
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
            refused: Some(refused.clone()).filter(|reason| !reason.is_empty()),
            ..Progress::default()
        }))
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
            refused: text("refused"),
            submitted_ms: count("submitted"),
            seen_ms: count("seen"),
        }))
    }
}
