//! One answer on its way to a client: whole where it is short, and streamed where
//! it is long.
//!
//! A short one is computed before anything is sent, and its sandbox is gone by
//! then. A long one begins with its first piece, so that what fails before it
//! still gets its status; what fails after it breaks the body off.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio_util::task::AbortOnDropHandle;

use super::ask::Asked;
use crate::channel::{Receiver, channel};
use crate::error::RunError;
use crate::factorial::{Admitted, Factorial, Grade, Request, count_digits};
use crate::limits::REPLY_BYTES;
use crate::span::spawn;

/// An answer of which at least the first piece is there.
pub(super) enum Answer {
    /// All of it.
    Short(String),
    /// What is computed while it is sent.
    Long(Box<Long>),
}

/// An answer that is too long to be held.
pub(super) struct Long {
    first: Option<Bytes>,
    rest: Receiver<Bytes>,
    /// Whether nothing more comes.
    over: bool,
    sending: AbortOnDropHandle<Result<Grade, RunError>>,
    /// Its bytes, where they are known before.
    bytes: Option<u64>,
    sent_bytes: u64,
    digits: u64,
    /// Whether what comes is the exponent of scientific notation.
    in_exponent: bool,
}

/// Waits for a sandbox that may compute what was asked.
pub(super) async fn admit(factorial: &Factorial, asked: Asked) -> Result<Admitted, RunError> {
    factorial
        .admit_within(asked.request, asked.patience_ms)
        .await
}

/// Whether the answer is short enough to be held.
pub(super) fn is_short(admitted: &Admitted) -> bool {
    let most = admitted.cost().output_bytes.most();
    most.is_some_and(|bytes| bytes <= REPLY_BYTES)
}

/// Computes the answer, or its first piece.
pub(super) async fn start(admitted: Admitted) -> Result<Answer, RunError> {
    if is_short(&admitted) {
        let answer = admitted.compute().await?;
        check(answer.as_bytes())?;
        return Ok(Answer::Short(answer));
    }
    let bytes = admitted.cost().output_bytes.exact();
    let deadline = admitted.deadline().clone();
    let (sender, mut rest) = channel();
    let sending = AbortOnDropHandle::new(spawn(admitted.send_to(sender)));
    let first = rest.recv().await?;
    // After the status a deadline can only cut the answer off. The rest takes little time
    // of a processor, but many jobs share it.
    deadline.start_again()?;
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
    /// Decimal digits among what was sent.
    pub(super) fn digits(&self) -> u64 {
        self.digits
    }

    /// The next piece, or `None` after the last.
    ///
    /// A piece that completes the length which was announced is the end of the
    /// answer to HTTP. So it waits until its component has said that all is well.
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

    /// What comes next from the component, or `None` after all that was well.
    async fn receive(&mut self) -> Result<Option<Bytes>, RunError> {
        if self.over {
            return Ok(None);
        }
        let piece = self.rest.recv().await?;
        self.over = piece.is_none();
        piece.map(|piece| self.count(piece)).transpose()
    }

    /// How it was made sure that it is right, after its last piece.
    pub(super) async fn grade(&mut self) -> Result<Grade, RunError> {
        (&mut self.sending)
            .await
            .map_err(|_| RunError::WriterGone)?
    }

    /// `start`, its pieces, and then `last`, which is made of what is known in the
    /// end.
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
        // An empty piece says nothing, and costs a write.
        let pieces = start.chain(rest);
        let pieces =
            pieces.filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty)));
        // HTTP asks again after the end.
        pieces.fuse()
    }

    /// Counts a piece. One too many must not be sent: HTTP would cut it off at
    /// the length that was announced, and the answer would look whole.
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
            "it put out {} bytes or more, and had said that there would be {}",
            self.sent_bytes,
            self.bytes.unwrap_or_default()
        ))
    }
}

/// A number has digits, and what scientific notation needs. Anything else that a
/// component puts out could make a client take it for something of ours.
fn check(piece: &[u8]) -> Result<(), RunError> {
    let fits = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-');
    if piece.iter().all(fits) {
        Ok(())
    } else {
        Err(RunError::Failed("what it put out is no number".to_owned()))
    }
}

/// The beginning of an answer as JSON, up to its value.
pub(super) fn json_start(request: &Request, more: &str) -> String {
    format!(
        r#"{{"n":{},"kind":"{}","format":"{}",{more}"value":""#,
        request.n, request.kind, request.format
    )
}

/// The end of an answer as JSON, from its value on.
pub(super) fn json_end(digits: u64, grade: &Grade) -> String {
    let graded = serde_json::to_string(&crate::factorial::Graded::from(grade));
    let graded = graded.unwrap_or_default();
    // Both are objects, and this goes on with the second.
    let graded = graded.trim_start_matches('{');
    format!(r#"","digits":{digits},{graded}"#)
}

/// A short answer as JSON.
pub(super) fn json(request: &Request, more: &str, value: &str) -> String {
    let digits = count_digits(value.as_bytes()) as u64;
    // A reply checks nothing at random.
    let end = json_end(digits, &Grade::Proved);
    [&json_start(request, more), value, &end].concat()
}
