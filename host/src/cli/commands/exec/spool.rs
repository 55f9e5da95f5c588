//! The output of an attempt that may be repeated, on disk until it is known to be the last one.
//!
//! A spool is a file without a name in the folder for temporary files, and so it ends with its
//! instance or with the process. [`Limit::Output`](cocoon::limits::Limit::Output) bounds it.

use std::io::{self, SeekFrom};

use bytes::Bytes;
use cocoon::limits::CHUNK_BYTES;
use cocoon::worlds::command::Stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufReader, BufWriter};

use crate::cli::failure::Failure;

/// Chunks of output in their order: for each its stream (a byte), its length (four) and its bytes.
pub(in crate::cli::commands) struct Spool(BufWriter<File>);

/// Reads the chunks of a spool.
pub(in crate::cli::commands) struct Chunks(BufReader<File>);

impl Spool {
    pub(in crate::cli::commands) fn new() -> Result<Self, Failure> {
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self(BufWriter::with_capacity(
            CHUNK_BYTES,
            File::from_std(file),
        )))
    }

    pub(in crate::cli::commands) async fn write(
        &mut self,
        stream: Stream,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let written = async {
            self.0.write_u8(stream as u8).await?;
            self.0.write_u32(length).await?;
            self.0.write_all(bytes).await
        };
        written.await.map_err(failed)
    }

    /// Returns the chunks from the first one on.
    pub(in crate::cli::commands) async fn chunks(mut self) -> Result<Chunks, Failure> {
        self.0.flush().await.map_err(failed)?;
        let mut file = self.0.into_inner();
        file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        Ok(Chunks(BufReader::with_capacity(CHUNK_BYTES, file)))
    }
}

impl Chunks {
    /// Returns the next chunk, or `None` at the end.
    pub(in crate::cli::commands) async fn next(
        &mut self,
    ) -> Result<Option<(Stream, Bytes)>, Failure> {
        self.read().await.map_err(failed)
    }

    /// The spool again, whose chunks are read from the first one on.
    #[cfg(feature = "queue")]
    pub(in crate::cli::commands) async fn into_spool(self) -> Result<Spool, Failure> {
        let mut file = self.0.into_inner();
        file.seek(SeekFrom::End(0)).await.map_err(failed)?;
        Ok(Spool(BufWriter::with_capacity(CHUNK_BYTES, file)))
    }

    async fn read(&mut self) -> io::Result<Option<(Stream, Bytes)>> {
        let stream = match self.0.read_u8().await {
            Ok(0) => Stream::Out,
            Ok(_) => Stream::Err,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = self.0.read_u32().await?;
        let mut bytes = vec![
            0;
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(CHUNK_BYTES)
        ];
        self.0.read_exact(&mut bytes).await?;
        Ok(Some((stream, bytes.into())))
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::Io {
        what: "cannot hold output in a temporary file".to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_come_back_in_order() {
        let long = vec![b'x'; CHUNK_BYTES];
        let mut spool = Spool::new().expect("a file");
        let chunks = [
            (Stream::Out, &b"a"[..]),
            (Stream::Err, b"bc"),
            (Stream::Out, &long),
        ];
        for (stream, bytes) in chunks {
            spool.write(stream, bytes).await.expect("written");
        }
        let mut read = spool.chunks().await.expect("a file");
        for (stream, bytes) in chunks {
            let chunk = read.next().await.expect("read").expect("a chunk");
            assert!(chunk == (stream, Bytes::copy_from_slice(bytes)));
        }
        assert!(read.next().await.expect("read").is_none());
    }
}
