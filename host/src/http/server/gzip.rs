//! A body that is compressed by gzip while it is sent.
//!
//! It holds one piece of the other body and its compressed bytes. Before it waits for the other
//! body, it sends all compressed bytes, so that a record reaches the client before the next one
//! exists.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;

/// Compressed bytes that are sent without waiting for more.
const PIECE_BYTES: usize = 16 << 10;

/// The compressed body.
pub(super) struct Gzip {
    body: Body,
    /// `None` after the end.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Whether bytes went in that have not come out.
    has_unsent: bool,
    /// The error that ended the other body, until all bytes before it are sent.
    failed: Option<axum::Error>,
}

impl Gzip {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            // Digits have little to find: more effort finds no more of it.
            encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
            has_unsent: false,
            failed: None,
        }
    }
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let gzip = self.get_mut();
        if let Some(error) = gzip.failed.take() {
            gzip.encoder = None;
            return Poll::Ready(Some(Err(error)));
        }
        let Some(mut encoder) = gzip.encoder.take() else {
            return Poll::Ready(None);
        };
        // An error leaves the encoder behind, and with it all hope of a whole body.
        loop {
            match Pin::new(&mut gzip.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        encoder.write_all(&data).map_err(axum::Error::new)?;
                        gzip.has_unsent = true;
                    }
                    if encoder.get_ref().len() < PIECE_BYTES {
                        continue;
                    }
                }
                // The client gets all that came before, and the status if nothing did.
                Poll::Ready(Some(Err(error))) if gzip.has_unsent => {
                    encoder.flush().map_err(axum::Error::new)?;
                    gzip.has_unsent = false;
                    gzip.failed = Some(error);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let last = encoder.finish().map_err(axum::Error::new)?;
                    return Poll::Ready(Some(Ok(Frame::data(last.into()))));
                }
                Poll::Pending if gzip.has_unsent => {
                    encoder.flush().map_err(axum::Error::new)?;
                    gzip.has_unsent = false;
                }
                Poll::Pending => {
                    gzip.encoder = Some(encoder);
                    return Poll::Pending;
                }
            }
            let piece = std::mem::take(encoder.get_mut());
            gzip.encoder = Some(encoder);
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::Error;
    use flate2::read::MultiGzDecoder;
    use futures::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    fn unzipped(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        // Flushed bytes arrive before the end.
        let _ = MultiGzDecoder::new(bytes).read_to_end(&mut plain);
        plain
    }

    fn gzip_of(pieces: Vec<Result<Bytes, Error>>) -> Body {
        Body::new(Gzip::new(Body::from_stream(stream::iter(pieces))))
    }

    #[tokio::test]
    async fn compression_preserves_all_bytes() {
        let long = Bytes::from("0123456789".repeat(100_000));
        for pieces in [
            vec![],
            vec![Bytes::new()],
            vec!["a".into(), "bc".into()],
            vec![long.clone(), long.clone(), "end".into()],
        ] {
            let plain = pieces.concat();
            let body = gzip_of(pieces.into_iter().map(Ok).collect());
            let zipped = body.collect().await.expect("a whole body").to_bytes();
            let mut read = Vec::new();
            let all = MultiGzDecoder::new(&zipped[..]).read_to_end(&mut read);
            assert_eq!(all.expect("a whole file of gzip"), plain.len());
            assert!(read == plain);
        }
    }

    #[tokio::test]
    async fn bytes_before_an_error_are_sent() {
        let broken = Err(Error::new("broken"));
        let mut body = gzip_of(vec![Ok("all of ".into()), Ok("this".into()), broken]);
        let frame = body.frame().await.expect("a frame").expect("no error yet");
        assert_eq!(unzipped(&frame.into_data().expect("data")), b"all of this");
        let error = body.frame().await.expect("a frame").expect_err("the error");
        assert!(error.to_string().contains("broken"), "{error}");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_piece_is_sent_before_the_next_one_comes() {
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let pieces = stream::unfold(receiver, async |mut receiver| {
            Some((receiver.recv().await?, receiver))
        });
        let body = Body::from_stream(pieces.map(Ok::<_, Error>));
        let mut body = Body::new(Gzip::new(body));
        let mut zipped = Vec::new();
        for expected in ["one ", "one two "] {
            let next = expected.split(' ').nth_back(1).expect("a word");
            sender
                .send(format!("{next} ").into())
                .await
                .expect("a reader");
            let frame = body.frame().await.expect("a frame").expect("no error");
            zipped.extend(frame.into_data().expect("data"));
            assert_eq!(unzipped(&zipped), expected.as_bytes());
        }
    }
}
