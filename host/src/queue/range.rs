//! A range of instances that a worker leases, and its lines.

use bytes::Bytes;

use super::QueueError;

/// A leased range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The name of its batch.
    pub batch: String,
    /// Its own name.
    pub id: String,
    /// The number of the lease, which fences what its worker publishes.
    pub attempt: u64,
    /// Its first instance.
    pub first: u64,
}

/// The line of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Bytes(Bytes),
    /// It is longer than `bytes_max`.
    TooLong {
        /// The limit of its submitter.
        bytes_max: u64,
        /// Its length.
        bytes: u64,
    },
}

/// A leased range with its instances.
#[derive(Clone, Debug)]
pub struct Range {
    /// The lease.
    pub held: Held,
    /// The batch's own number: another batch may get its name.
    pub uid: String,
    /// For each instance whether its result is published.
    pub done: Vec<bool>,
    /// A line for each instance, if they have lines.
    pub lines: Vec<Line>,
    /// Deliveries since the first instance without a result was another one.
    pub tries: u64,
    /// Whether an earlier lease was lost.
    pub was_lost: bool,
    /// Milliseconds since the submission of the batch.
    pub age_ms: u64,
    /// The description of the batch in JSON, if the worker did not know it.
    pub description: Bytes,
}

/// What a worker gets.
#[derive(Debug)]
pub enum Taken {
    /// A range.
    Range(Box<Range>),
    /// No work.
    Nothing {
        /// The last message in the stream of wakes.
        wake: String,
        /// A batch of another protocol.
        foreign: Option<String>,
    },
}

impl Range {
    /// The range of the values that the script returns.
    pub(super) fn parse(values: Vec<Bytes>) -> Result<Self, QueueError> {
        let invalid =
            || QueueError::Batch("expected a range in the queue, got other values".to_owned());
        let [
            batch,
            uid,
            id,
            first,
            count,
            lines,
            attempt,
            done,
            tries,
            age,
            lost,
            description,
        ] = <[Bytes; 12]>::try_from(values).map_err(|_| invalid())?;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let number = |bytes: &Bytes| text(bytes).parse::<u64>().map_err(|_| invalid());
        let done: Vec<_> = done.iter().map(|digit| *digit == b'1').collect();
        let lines = unpack_lines(lines).ok_or_else(invalid)?;
        if number(&count)? != done.len() as u64 || !(lines.is_empty() || lines.len() == done.len())
        {
            return Err(invalid());
        }
        Ok(Self {
            held: Held {
                batch: text(&batch),
                id: text(&id),
                attempt: number(&attempt)?,
                first: number(&first)?,
            },
            uid: text(&uid),
            done,
            lines,
            tries: number(&tries)?,
            was_lost: number(&lost)? == 1,
            age_ms: number(&age).unwrap_or_default(),
            description,
        })
    }
}

/// In place of the length of a line that is too long. Two numbers of eight bytes follow.
const TOO_LONG: u32 = u32::MAX;

/// Adds a line to `packed`: its length in four bytes, and its bytes.
pub(super) fn pack_line(packed: &mut Vec<u8>, line: &Line) {
    match line {
        Line::Bytes(bytes) => {
            packed.extend(
                u32::try_from(bytes.len())
                    .unwrap_or(u32::MAX - 1)
                    .to_be_bytes(),
            );
            packed.extend_from_slice(bytes);
        }
        Line::TooLong { bytes_max, bytes } => {
            packed.extend(TOO_LONG.to_be_bytes());
            packed.extend(bytes_max.to_be_bytes());
            packed.extend(bytes.to_be_bytes());
        }
    }
}

fn unpack_lines(mut packed: Bytes) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    while !packed.is_empty() {
        let length = u32::from_be_bytes(number(&mut packed)?);
        lines.push(if length == TOO_LONG {
            Line::TooLong {
                bytes_max: u64::from_be_bytes(number(&mut packed)?),
                bytes: u64::from_be_bytes(number(&mut packed)?),
            }
        } else {
            let length = usize::try_from(length).ok()?;
            if length > packed.len() {
                return None;
            }
            Line::Bytes(packed.split_to(length))
        });
    }
    Some(lines)
}

fn number<const N: usize>(packed: &mut Bytes) -> Option<[u8; N]> {
    let number = *packed.first_chunk::<N>()?;
    let _ = packed.split_to(N);
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_unpacked_as_they_were_packed() {
        let lines = vec![
            Line::Bytes(Bytes::from_static(b"a\n")),
            Line::Bytes(Bytes::new()),
            Line::TooLong {
                bytes_max: 3,
                bytes: 1 << 40,
            },
        ];
        let mut packed = Vec::new();
        for line in &lines {
            pack_line(&mut packed, line);
        }
        let packed = Bytes::from(packed);
        assert_eq!(unpack_lines(packed.clone()), Some(lines));
        assert_eq!(unpack_lines(packed.slice(..packed.len() - 1)), None);
    }
}
