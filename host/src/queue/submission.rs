//! The calls of submitters.

use super::QueueError;
use super::batch::{Batch, PROTOCOL};
use super::range::{Line, pack_line};
use super::store::Queue;
use crate::limits::QUEUE_RANGES_AHEAD;

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

/// Content that a batch needs, by its SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The digits; none for content that is not in the queue.
    pub digest: String,
    /// Its bytes.
    pub bytes: u64,
}

/// What became of a batch that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    Created,
    /// Another batch has the name.
    NameInUse,
    /// It is not there, because the queue lacks content.
    Missing {
        /// Whether it lacks the component.
        component: bool,
        /// Whether it lacks the input.
        input: bool,
    },
}

#[expect(clippy::missing_errors_doc, reason = "each fails as `QueueError` says")]
impl Queue {
    /// Creates `batch` with its `uid`, if the queue has its component and its input. `reader` is its first
    /// reader, if there is one yet.
    pub async fn create(
        &self,
        name: &str,
        uid: &str,
        batch: &Batch,
        [component, input]: [&Content; 2],
        reader: Option<&str>,
    ) -> Result<Created, QueueError> {
        let json =
            serde_json::to_string(batch).map_err(|error| QueueError::Batch(error.to_string()))?;
        let mut script = self.scripts.create.key(&self.prefix);
        script.arg(name).arg(now_ms());
        for content in [component, input] {
            script.arg(&content.digest).arg(content.bytes);
        }
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
            .arg(batch.keep_s)
            .arg("refusal")
            .arg(batch.refusal_ms);
        script
            .arg("ordered")
            .arg(u8::from(batch.ordered))
            .arg("lines")
            .arg(u8::from(batch.lines));
        if let Some(all) = batch.instances {
            script.arg("total").arg(all);
        }
        if let Some(reader) = reader {
            script.arg("reader").arg(reader);
        }
        Ok(match self.calls.run::<i64>(&script).await? {
            1 => Created::Created,
            0 => Created::NameInUse,
            missing => Created::Missing {
                component: missing & 1 != 0,
                input: missing <= -2,
            },
        })
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
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
