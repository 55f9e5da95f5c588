//! What is known of a batch: what its submitter asks for, and how far it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::QueueError;

/// The version of everything that submitters and workers exchange. Those of another number leave
/// each other's batches alone.
pub const PROTOCOL: u32 = 1;
/// The longest name of a batch or a queue.
const NAME_CHARS: usize = 64;

/// A batch as its submitter describes it. Nothing of it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// The component's own name, the first argument of its instances.
    pub program: String,
    /// `oci://…@sha256:…`, or the SHA-256 of bytes in the queue, in hexadecimal digits.
    pub component: String,
    /// Arguments, with placeholders.
    pub arguments: Vec<String>,
    /// The SHA-256 of the standard input of all instances.
    pub input: Option<String>,
    /// Whether each instance has a line.
    pub lines: bool,
    /// The number of instances, unless they have lines.
    pub instances: Option<u64>,
    /// Whether the reader prints in the order of the instances.
    pub ordered: bool,
    /// Attempts of a failed instance after the first one.
    pub retries: u32,
    /// Deliveries without a result after which an instance is given up.
    pub attempts: u32,
    /// The time of a lease.
    pub lease_ms: u64,
    /// The time that Redis keeps what nobody touches.
    pub keep_s: u64,
    /// The time after a refusal of a worker in which another one may run the batch.
    #[serde(default)]
    pub refusal_ms: u64,
    /// Bytes of results that nobody has read yet.
    pub results_bytes: u64,
    /// Bytes of lines that no worker has ended yet.
    pub input_bytes: u64,
    /// Capabilities and limits.
    pub asked: Asked,
    /// The trace of the submission, as header fields.
    #[serde(default)]
    pub trace: Vec<(String, String)>,
}

/// What a batch asks of its workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Values of `--dir`.
    pub dirs: Vec<String>,
    /// Names and values of `--env`.
    pub env: Vec<(String, String)>,
    /// Whether all destinations are asked for.
    pub network: bool,
    /// Values of `--allow-net`.
    pub allow_net: Vec<String>,
    /// Values of `--allow-http`.
    #[serde(default)]
    pub allow_http: Vec<String>,
    /// The seed of a deterministic run.
    pub deterministic: Option<u64>,
    /// The limits that the submitter set, by flag.
    pub limits: BTreeMap<String, u64>,
}

/// How far a batch is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Its name.
    pub name: String,
    /// Its number of instances; `None` while lines may follow.
    pub instances: Option<u64>,
    /// Instances in ranges that were made.
    pub made: u64,
    /// Results that were published.
    pub published: u64,
    /// Those of failed instances.
    pub failed: u64,
    /// Results that were read.
    pub read: u64,
    /// Ranges that wait or run.
    pub open_ranges: u64,
    /// Ranges whose lease was lost.
    pub redelivered: u64,
    /// Bytes of results that nobody has read yet.
    pub unread_bytes: u64,
    /// Bytes of lines in open ranges.
    pub input_bytes: u64,
    /// Why a worker refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why the work on it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<String>,
    /// Milliseconds of the Unix epoch.
    pub submitted_ms: u64,
    /// When its submitter or reader was last seen, in the same unit.
    pub seen_ms: u64,
}

impl Progress {
    /// Whether no result follows those that were published.
    pub fn is_over(&self) -> bool {
        self.cancelled.is_some() || self.instances.is_some_and(|all| self.published >= all)
    }

    /// One word for people.
    pub fn state(&self) -> &'static str {
        match self {
            Self {
                cancelled: Some(_), ..
            } => "cancelled",
            _ if !self.is_over() => "running",
            _ if self.read < self.published => "done",
            _ => "read",
        }
    }
}

impl Batch {
    /// Reads a record of the protocol `protocol`.
    ///
    /// # Errors
    ///
    /// [`QueueError::Batch`] for a record of another version, or rubbish.
    pub(super) fn check_and_parse(
        name: &str,
        protocol: Option<&str>,
        json: Option<&[u8]>,
    ) -> Result<Self, QueueError> {
        match protocol {
            Some(text) if text.parse() == Ok(PROTOCOL) => {}
            Some(text) => {
                return Err(QueueError::Batch(format!(
                    "batch {name}: expected protocol {PROTOCOL}, got {}; use the same version of cocoon for submitters and workers",
                    crate::text::one_line(text, NAME_CHARS)
                )));
            }
            None => {
                return Err(QueueError::Batch(format!(
                    "expected a batch, got no batch with the name {name}"
                )));
            }
        }
        Self::parse(name, json.unwrap_or_default())
    }

    /// Reads a record of this protocol.
    ///
    /// # Errors
    ///
    /// [`QueueError::Batch`] for rubbish.
    pub fn parse(name: &str, json: &[u8]) -> Result<Self, QueueError> {
        serde_json::from_slice(json)
            .map_err(|error| QueueError::Batch(format!("batch {name}: invalid record: {error}")))
    }
}

/// Checks the name of a batch or a queue.
///
/// # Errors
///
/// What is expected.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_valid) {
        return Ok(());
    }
    Err(format!(
        "expected a name of 1 to {NAME_CHARS} letters, digits, `.`, `_` and `-`"
    ))
}
