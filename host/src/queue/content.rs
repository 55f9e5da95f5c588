//! Components and inputs in the queue, each once by its SHA-256, in chunks.

use bytes::Bytes;

use super::QueueError;
use super::store::Queue;
use crate::component::Digest;
use crate::limits::QUEUE_PART_BYTES;

impl Queue {
    /// Stores `content`, whose SHA-256 has the hexadecimal digits `digest`, for `keep_s`.
    ///
    /// # Errors
    ///
    /// [`QueueError::Redis`].
    pub async fn upload(
        &self,
        digest: &str,
        content: &[u8],
        keep_s: u64,
    ) -> Result<(), QueueError> {
        let key = self.content_key(digest);
        for (number, chunk) in content.chunks(QUEUE_PART_BYTES).enumerate() {
            self.send::<i64>(redis::cmd("HSET").arg(&key).arg(number).arg(chunk))
                .await?;
            if number == 0 {
                // Never shorter than another batch asks for. Later chunks leave it.
                for condition in ["NX", "GT"] {
                    self.send::<i64>(redis::cmd("EXPIRE").arg(&key).arg(keep_s).arg(condition))
                        .await?;
                }
            }
        }
        // The size comes last: a reader sees all or nothing.
        self.send::<i64>(redis::cmd("HSET").arg(&key).arg("size").arg(content.len()))
            .await
            .map(drop)
    }

    /// Reads content of at most `bytes_max`, and checks its digest.
    ///
    /// # Errors
    ///
    /// [`QueueError::Batch`] for content that is missing or another one, and [`QueueError::TooLarge`].
    pub async fn download(&self, digest: &str, bytes_max: u64) -> Result<Bytes, QueueError> {
        let key = self.content_key(digest);
        let wrong = |what: String| {
            QueueError::Batch(format!(
                "expected the bytes of sha256:{digest} in the queue, got {what}"
            ))
        };
        let size: Option<u64> = self.send(redis::cmd("HGET").arg(&key).arg("size")).await?;
        let size = size.ok_or_else(|| wrong("none".to_owned()))?;
        if size > bytes_max {
            return Err(QueueError::TooLarge(format!(
                "expected content of at most {bytes_max} bytes in the queue, got {size}; use --component-size or --input \
                 of the worker to raise it"
            )));
        }
        let mut content = Vec::new();
        let mut number = 0;
        while (content.len() as u64) < size {
            let chunk: Option<Vec<u8>> =
                self.send(redis::cmd("HGET").arg(&key).arg(number)).await?;
            let chunk = chunk.filter(|chunk| !chunk.is_empty() && chunk.len() <= QUEUE_PART_BYTES);
            content.extend(chunk.ok_or_else(|| wrong("a part of them".to_owned()))?);
            number += 1;
        }
        let found = Digest::of(&content);
        if found.hex() != digest {
            return Err(wrong(format!("those of {found}")));
        }
        Ok(content.into())
    }
}
