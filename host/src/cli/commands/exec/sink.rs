//! The output of one attempt of an instance, on its way to the printer, to files or to a spool.
//!
//! A sink holds at most one piece of a line for each of the two outputs. Until it is committed,
//! the outputs of an attempt with files or a spool are invisible. A sink that is dropped before
//! leaves nothing.

use bytes::Bytes;
use cocoon::limits::CHUNK_BYTES;
use cocoon::worlds::command::Stream;

use super::output::{Printer, Style};
use super::outputs::Outputs;
use super::pieces::Pieces;
use super::spool::Spool;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// The output of one attempt.
pub(super) struct Sink<'a> {
    printer: &'a Printer,
    instance: u64,
    target: Target,
    /// Bytes of standard output and of standard error.
    bytes: [u64; 2],
}

enum Target {
    Plain,
    Pieces([Pieces; 2]),
    Files(Box<[Output; 2]>),
    Spool(Box<Spool>),
}

impl<'a> Sink<'a> {
    /// The output of an attempt of `instance`. Nothing of it is printed before
    /// [`Sink::commit`] if it is `held`.
    pub(super) fn new(printer: &'a Printer, instance: u64, held: bool) -> Result<Self, Failure> {
        let target = match printer.style() {
            Style::Files(dir) => {
                let file = |kind| dir.file(&format!("{instance}.{kind}"));
                Target::Files(Box::new([file("out")?, file("err")?]))
            }
            _ if held => Target::Spool(Box::new(Spool::new()?)),
            style => Target::direct(style),
        };
        Ok(Self {
            printer,
            instance,
            target,
            bytes: [0; 2],
        })
    }

    /// Prints what is held, or gives the files their names.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        let Self {
            printer, instance, ..
        } = self;
        match self.target {
            Target::Files(files) => {
                for file in *files {
                    file.finish().await?;
                }
                Ok(())
            }
            Target::Spool(spool) => {
                let mut target = Target::direct(printer.style());
                let mut chunks = spool.chunks().await?;
                while let Some((stream, bytes)) = chunks.next().await? {
                    target.print(printer, instance, stream, bytes).await?;
                }
                target.finish(printer, instance).await
            }
            target => target.finish(printer, instance).await,
        }
    }
}

impl Outputs for Sink<'_> {
    fn is_direct(&self) -> bool {
        matches!(self.target, Target::Plain | Target::Pieces(_))
    }

    fn bytes(&self) -> [u64; 2] {
        self.bytes
    }

    async fn write(&mut self, stream: Stream, bytes: Bytes) -> Result<(), Failure> {
        self.bytes[stream as usize] += bytes.len() as u64;
        match &mut self.target {
            Target::Files(files) => files[stream as usize].write(&bytes).await,
            Target::Spool(spool) => spool.write(stream, &bytes).await,
            target => {
                target
                    .print(self.printer, self.instance, stream, bytes)
                    .await
            }
        }
    }

    async fn push(&mut self) -> Result<(), Failure> {
        match self.target {
            Target::Plain => self.printer.push().await,
            Target::Pieces(_) | Target::Files(_) | Target::Spool(_) => Ok(()),
        }
    }
}

impl Target {
    fn direct(style: &Style) -> Self {
        match style {
            Style::Plain | Style::Files(_) => Self::Plain,
            Style::Prefixed | Style::Json => {
                Self::Pieces([(); 2].map(|()| Pieces::new(CHUNK_BYTES)))
            }
        }
    }

    /// Prints bytes of a direct target.
    async fn print(
        &mut self,
        printer: &Printer,
        instance: u64,
        stream: Stream,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        match self {
            Self::Pieces(pieces) => {
                let pieces = &mut pieces[stream as usize];
                printer.lines(instance, stream, pieces, &bytes).await
            }
            Self::Plain | Self::Files(_) | Self::Spool(_) => printer.plain(stream, bytes).await,
        }
    }

    /// Prints the rest of a direct target.
    async fn finish(self, printer: &Printer, instance: u64) -> Result<(), Failure> {
        if let Self::Pieces(pieces) = self {
            for (stream, mut pieces) in [Stream::Out, Stream::Err].into_iter().zip(pieces) {
                if let Some(piece) = pieces.finish() {
                    printer.piece(instance, stream, piece).await?;
                }
            }
        }
        Ok(())
    }
}
