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

#[expect(clippy::missing_errors_doc, reason = "each fails as `QueueError` says")]
impl Queue {
    /// Creates `batch` with its `uid`. Returns whether no other batch has the name.
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
