//! The results of instances as they lie in the queue.
//!
//! A message has the results of one or several instances. Each is a length in four bytes, a record
//! in JSON, a length, and the output: for each chunk its stream (a byte), its length (four) and its
//! bytes. The output of a single long result is in parts of their own.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::QueueError;
use crate::error::RunError;
use crate::limits::Limit;
use crate::worlds::command::Stream;

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its number, from 1.
    #[serde(rename = "i")]
    pub number: u64,
    /// The exit code of a program that exited.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Why it has no exit code.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
    /// The time of the last attempt.
    #[serde(rename = "t")]
    pub elapsed_us: u64,
    /// The peak of memory.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of standard output and of standard error.
    #[serde(rename = "o")]
    pub output_bytes: [u64; 2],
    /// The number of runs.
    #[serde(rename = "n")]
    pub attempts: u32,
}

/// A [`RunError`] in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    frames: Vec<String>,
}

impl From<&RunError> for Failed {
    fn from(error: &RunError) -> Self {
        let failed = Self {
            kind: error.name().to_owned(),
            limit: error.limit().map(|limit| limit.spec().flag.to_owned()),
            value: error.limit_value(),
            frames: error.frames().to_vec(),
            ..Self::default()
        };
        match error {
            RunError::Malformed(text) | RunError::OutOfReach(text) | RunError::Failed(text) => {
                Self {
                    text: text.clone(),
                    ..failed
                }
            }
            RunError::Trapped { message, .. } => Self {
                text: message.clone(),
                ..failed
            },
            RunError::TooLarge { needed, needs, .. } => Self {
                needed: Some(*needed),
                text: needs.to_string(),
                ..failed
            },
            RunError::Upstream(cause) => Self {
                text: cause.to_string(),
                ..failed
            },
            RunError::Busy { .. }
            | RunError::Stopped { .. }
            | RunError::OverPromise { .. }
            | RunError::ReaderGone
            | RunError::WriterGone => failed,
        }
    }
}

impl From<Failed> for RunError {
    fn from(failed: Failed) -> Self {
        let flag = failed.limit.as_deref().unwrap_or_default();
        let limit = Limit::ALL
            .into_iter()
            .find(|limit| limit.spec().flag == flag);
        let value = failed.value.unwrap_or_default();
        match (failed.kind.as_str(), limit) {
            ("malformed", _) => Self::Malformed(failed.text),
            ("out_of_reach", _) => Self::OutOfReach(failed.text),
            ("trapped", _) => Self::Trapped {
                message: failed.text,
                frames: failed.frames,
            },
            ("too_large", Some(limit)) => Self::TooLarge {
                limit,
                value,
                needed: failed.needed.unwrap_or_default(),
                needs: Cow::Owned(failed.text),
            },
            ("busy", Some(limit)) => Self::Busy { limit, value },
            ("stopped", Some(limit)) => Self::Stopped { limit, value },
            ("over_promise", _) => Self::OverPromise {
                promised_bytes: value,
            },
            _ => Self::Failed(failed.text),
        }
    }
}

/// The output of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Its chunks.
    Bytes(Bytes),
    /// The number of parts, and the start of their names.
    Parts(String, u64),
}

/// A message of results.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name by which it is acknowledged.
    pub id: String,
    /// The results.
    pub results: Vec<(Instance, Payload)>,
}

/// Adds a chunk of output to `output`.
pub fn add_chunk(output: &mut Vec<u8>, stream: Stream, bytes: &[u8]) {
    output.push(stream as u8);
    output.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    output.extend_from_slice(bytes);
}

/// The chunks of `output`; `None` for other bytes.
pub fn chunks(mut output: Bytes) -> Option<Vec<(Stream, Bytes)>> {
    let mut chunks = Vec::new();
    while !output.is_empty() {
        let stream = match output.split_to(1)[0] {
            0 => Stream::Out,
            1 => Stream::Err,
            _ => return None,
        };
        chunks.push((stream, split(&mut output)?));
    }
    Some(chunks)
}

/// Adds a result to a message. `output` is `None` if it is in parts.
pub(super) fn pack(
    message: &mut Vec<u8>,
    instance: &Instance,
    output: Option<&[u8]>,
) -> Result<(), QueueError> {
    let record =
        serde_json::to_vec(instance).map_err(|error| QueueError::Batch(error.to_string()))?;
    for bytes in [&record[..], output.unwrap_or_default()] {
        message.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend_from_slice(bytes);
    }
    Ok(())
}

impl Entry {
    /// Reads a message.
    pub(super) fn parse(
        id: String,
        message: Bytes,
        parts: &str,
        count: u64,
    ) -> Result<Self, QueueError> {
        let invalid =
            || QueueError::Batch(format!("expected results in message {id}, got other bytes"));
        let mut rest = message;
        let mut results = Vec::new();
        while !rest.is_empty() {
            let record = split(&mut rest).ok_or_else(invalid)?;
            let output = split(&mut rest).ok_or_else(invalid)?;
            let instance = serde_json::from_slice(&record).map_err(|_| invalid())?;
            let payload = match count {
                0 => Payload::Bytes(output),
                count => Payload::Parts(parts.to_owned(), count),
            };
            results.push((instance, payload));
        }
        Ok(Self { id, results })
    }
}

/// Takes bytes after their length, or returns `None` if there are fewer.
fn split(rest: &mut Bytes) -> Option<Bytes> {
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let _ = rest.split_to(4);
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_queue() {
        for error in [
            RunError::Malformed("a".to_owned()),
            RunError::OutOfReach("a".to_owned()),
            RunError::Failed("a".to_owned()),
            RunError::Trapped {
                message: "a".to_owned(),
                frames: vec!["b".to_owned()],
            },
            RunError::TooLarge {
                limit: Limit::Input,
                value: 1,
                needed: 2,
                needs: " in the line".into(),
            },
            RunError::Busy {
                limit: Limit::TotalMemory,
                value: 3,
            },
            RunError::Stopped {
                limit: Limit::Deadline,
                value: 300,
            },
            RunError::OverPromise { promised_bytes: 4 },
        ] {
            let json = serde_json::to_string(&Failed::from(&error)).expect("JSON");
            let read: Failed = serde_json::from_str(&json).expect("JSON");
            assert_eq!(RunError::from(read), error);
        }
    }

    #[test]
    fn a_message_has_several_results() {
        let instance = |number| Instance {
            number,
            exit: Some(0),
            error: None,
            elapsed_us: 5,
            memory_bytes: None,
            output_bytes: [1, 0],
            attempts: 1,
        };
        let mut message = Vec::new();
        pack(&mut message, &instance(1), Some(b"ab")).expect("packed");
        pack(&mut message, &instance(2), Some(b"")).expect("packed");
        let bytes = Bytes::from(message);
        let entry = Entry::parse("1-0".to_owned(), bytes.clone(), "", 0).expect("results");
        let expected = vec![
            (instance(1), Payload::Bytes(Bytes::from_static(b"ab"))),
            (instance(2), Payload::Bytes(Bytes::new())),
        ];
        assert_eq!(entry.results, expected);
        let cut = bytes.slice(..bytes.len() - 1);
        assert!(Entry::parse("1-0".to_owned(), cut, "", 0).is_err());
    }
}
