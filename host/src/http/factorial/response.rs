//! The answer to one request: a short one whole, a long one as a stream.
//!
//! A short answer is computed before anything is sent, and its sandbox is gone by then. A long
//! answer waits for its first piece, so that an error before it gets its own status. An error
//! after it cuts the body off.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio_util::task::AbortOnDropHandle;

use crate::channel::{Receiver, channel};
use crate::error::RunError;
use crate::limits::REPLY_BYTES;
use crate::span::spawn;
use crate::text::counted;
use crate::worlds::factorial::{Grade, Job, count_digits};

/// An answer whose first piece is computed.
pub(super) enum Answer {
    /// The whole answer.
    Short(String),
    /// A stream that is computed while it is sent.
    Long(Box<Long>),
}

/// An answer that is too long to be kept in memory.
pub(super) struct Long {
    first: Option<Bytes>,
    rest: Receiver<Bytes>,
    /// Whether the stream has ended.
    over: bool,
    sending: AbortOnDropHandle<Result<Grade, RunError>>,
    /// Its length in bytes, or `None` if only the component's end shows it.
    bytes: Option<u64>,
    sent_bytes: u64,
    digits: u64,
    /// Whether the next piece belongs to the exponent of scientific notation.
    in_exponent: bool,
}

/// Whether the answer is short enough to be kept in memory.
pub(super) fn is_short(job: &Job) -> bool {
    let most = job.cost().output_bytes.most();
    most.is_some_and(|bytes| bytes <= REPLY_BYTES)
}

/// Computes the answer, or its first piece.
pub(super) async fn start(job: Job) -> Result<Answer, RunError> {
    if is_short(&job) {
        let answer = job.compute().await?;
        check(answer.as_bytes())?;
        return Ok(Answer::Short(answer));
    }
    let bytes = job.cost().output_bytes.exact();
    let deadline = job.deadline().clone();
    let (sender, mut rest) = channel();
    let sending = AbortOnDropHandle::new(spawn(job.send_to(sender)));
    let first = rest.recv().await?;
    // After the status a deadline can only cut the answer off. The rest needs little processor
    // time, but many jobs share the processor.
    deadline.restart()?;
    let mut long = Long {
        first: None,
        rest,
        over: false,
        sending,
        bytes,
        sent_bytes: 0,
        digits: 0,
        in_exponent: false,
    };
    long.first = first.map(|piece| long.count(piece)).transpose()?;
    Ok(Answer::Long(Box::new(long)))
}

impl Long {
    /// Decimal digits that were sent.
    pub(super) fn digits(&self) -> u64 {
        self.digits
    }

    /// The next piece, or `None` after the last.
    ///
    /// The piece that completes `Content-Length` is the end of the answer for HTTP. So it waits
    /// for the component's result.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RunError> {
        let piece = match self.first.take() {
            Some(piece) => Some(piece),
            None => self.receive().await?,
        };
        if piece.is_some() {
            while self.bytes == Some(self.sent_bytes) && self.receive().await?.is_some() {}
        } else if self.bytes.is_some_and(|bytes| bytes != self.sent_bytes) {
            return Err(self.wrong_length());
        }
        Ok(piece)
    }

    /// The next piece from the component, or `None` after a good end.
    async fn receive(&mut self) -> Result<Option<Bytes>, RunError> {
        if self.over {
            return Ok(None);
        }
        let piece = self.rest.recv().await?;
        self.over = piece.is_none();
        piece.map(|piece| self.count(piece)).transpose()
    }

    /// The grade of the number, after its last piece.
    pub(super) async fn grade(&mut self) -> Result<Grade, RunError> {
        (&mut self.sending)
            .await
            .map_err(|_| RunError::WriterGone)?
    }

    /// The body: `start`, the pieces of the answer, and then `last`.
    pub(super) fn pieces(
        self: Box<Self>,
        start: Bytes,
        last: impl FnOnce(&Self, &Grade) -> Bytes + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, RunError>> + Send {
        let start = futures::stream::once(std::future::ready(Ok(start)));
        let rest = futures::stream::unfold(Some((self, last)), async |state| {
            let (mut long, last) = state?;
            match long.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some((long, last)))),
                Ok(None) => match long.grade().await {
                    Ok(grade) => Some((Ok(last(&long, &grade)), None)),
                    Err(error) => Some((Err(error), None)),
                },
                Err(error) => Some((Err(error), None)),
            }
        });
        // An empty piece would cost a write.
        let pieces = start.chain(rest);
        let pieces =
            pieces.filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty)));
        // hyper polls again after the end.
        pieces.fuse()
    }

    /// Counts a piece. Bytes beyond `Content-Length` are an error: HTTP would cut them off, and
    /// the answer would look complete.
    fn count(&mut self, piece: Bytes) -> Result<Bytes, RunError> {
        check(&piece)?;
        self.sent_bytes += piece.len() as u64;
        if !self.in_exponent {
            self.digits += count_digits(&piece) as u64;
            self.in_exponent = piece.contains(&b'e');
        }
        if self.bytes.is_some_and(|bytes| self.sent_bytes > bytes) {
            return Err(self.wrong_length());
        }
        Ok(piece)
    }

    fn wrong_length(&self) -> RunError {
        RunError::Failed(format!(
            "expected {} as promised, got at least {}",
            counted(self.bytes.unwrap_or_default(), "byte", "bytes"),
            self.sent_bytes
        ))
    }
}

/// Checks that a piece has only characters of numbers. With others, a component could imitate
/// parts of an answer that are the host's.
fn check(piece: &[u8]) -> Result<(), RunError> {
    let fits = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-');
    if piece.iter().all(fits) {
        Ok(())
    } else {
        Err(RunError::Failed(
            "expected characters of a number, got others".to_owned(),
        ))
    }
}
