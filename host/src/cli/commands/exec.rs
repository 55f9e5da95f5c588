//! `cocoon exec`: anybody's program, in as many sandboxes at once as asked for.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, ValueHint};
use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::command::{self, Exit, Program, ProgramError, Start};
use cocoon::component::{Component, Dir, Grants, Location};
use cocoon::limits::Limit;
use cocoon::pool::Pool;
use futures::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::task::AbortOnDropHandle;

use super::exec_output::{Printer, Style};
use super::exec_summary::Summary;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::{RegistryArgs, engine, location};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Exec {
    /// The component, of any world with `wasi:cli/run`, in a file or at `oci://REFERENCE`
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Location,
    /// How often it is run, each time in a sandbox of its own
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    instances: u64,
    /// How many run at once [default: as many as there is room for]
    #[arg(short, long, value_name = "C", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// Grant a folder, read-only unless it ends in `:rw`; GUEST is its path inside
    #[arg(long = "dir", value_name = "HOST[:GUEST][:rw]", value_parser = parse_dir, help_heading = "Grants")]
    dirs: Vec<Dir>,
    /// Grant an environment variable, with its value here or the one given
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = parse_env, help_heading = "Grants")]
    env: Vec<(String, String)>,
    /// Grant sockets and name look-up
    #[arg(long, help_heading = "Grants")]
    network: bool,
    /// Grant clocks and timers
    #[arg(long, help_heading = "Grants")]
    clocks: bool,
    /// Grant randomness
    #[arg(long, help_heading = "Grants")]
    randomness: bool,
    /// Give each instance the whole of our standard input as its own
    #[arg(short, long, conflicts_with = "stdin")]
    interactive: bool,
    /// Give each instance the whole of FILE as its standard input
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// One JSON object for each line of output and for each exit
    #[arg(long, conflicts_with = "output_dir")]
    json: bool,
    /// Write each instance's output to DIR/I.out and DIR/I.err
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
    /// Arguments of the program; {i} is the number of the instance, from 1
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// What all instances share.
struct Batch {
    component: Component<Program>,
    pool: Pool,
    grants: Grants,
    name: String,
    arguments: Vec<String>,
    input: Bytes,
}

impl Exec {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let engine = engine(&self.limits.limits, self.instances)?;
        let grants = Grants {
            dirs: self.dirs,
            env: self.env,
            network: self.network,
            clocks: self.clocks,
            randomness: self.randomness,
        };
        let name = self.component.name();
        let source = self
            .registries
            .source(Some(&self.component), &self.limits.limits)
            .await?;
        let component = Component::load(&engine, &source, &grants).await?;
        let pool = Pool::new(&engine, component.sandboxes());
        let input = read_input(
            self.interactive,
            self.stdin,
            pool.limits().get(Limit::Input),
        )
        .await?;
        // Each granted folder and each output file is a descriptor.
        let files_each = grants.dirs.len() as u64 + if self.output_dir.is_some() { 2 } else { 0 };
        let concurrency = u64::from(self.concurrency.unwrap_or(u32::MAX))
            .min(component.sandboxes().into())
            // Who would wait for memory does not start, and its time does not run.
            .min(pool.places(command::need(pool.limits())))
            .min(
                engine
                    .descriptors()
                    .checked_div(files_each)
                    .unwrap_or(u64::MAX),
            )
            .max(1);
        let style = match self.output_dir {
            Some(dir) => Style::Files(dir),
            None if self.json => Style::Json,
            None if self.instances == 1 => Style::Plain,
            None => Style::Prefixed,
        };
        let batch = Arc::new(Batch {
            component,
            pool,
            grants,
            name,
            arguments: self.arguments,
            input,
        });
        let printer = Arc::new(Printer::new(style)?);

        let mut summary = Summary::default();
        let mut ended = stream::iter(1..=self.instances)
            .map(|instance| {
                let (batch, printer) = (Arc::clone(&batch), Arc::clone(&printer));
                async move {
                    // A task of its own, so that instances spread over the cores,
                    // but one that ends with us.
                    let ran = AbortOnDropHandle::new(tokio::spawn(run_instance(
                        batch, printer, instance,
                    )))
                    .await;
                    (
                        instance,
                        ran.unwrap_or(Err(Failure::Run(RunError::WriterGone))),
                    )
                }
            })
            .buffer_unordered(usize::try_from(concurrency).unwrap_or(usize::MAX));
        while let Some((instance, ran)) = ended.next().await {
            let ran = match ran {
                Ok(ran) => ran,
                // Nothing that an instance did: ours is the output that failed.
                Err(failure) => return Err(failure),
            };
            printer.exited(instance, &ran).await?;
            summary.add(instance, ran);
        }
        printer.finish().await?;
        summary.report(self.instances)
    }
}

/// Runs one instance and prints what it writes.
async fn run_instance(
    batch: Arc<Batch>,
    printer: Arc<Printer>,
    instance: u64,
) -> Result<Result<Exit, ProgramError>, Failure> {
    let mut start = Start {
        arguments: vec![batch.name.clone()],
        input: batch.input.clone(),
    };
    let number = instance.to_string();
    start.arguments.extend(
        batch
            .arguments
            .iter()
            .map(|argument| argument.replace("{i}", &number)),
    );
    let (sender, output) = channel();
    let deadline = batch.pool.deadline();
    let running = command::run(
        &batch.pool,
        &batch.component,
        &batch.grants,
        start,
        &deadline,
        sender,
    );
    // Both end with the program: the channel when the program does.
    let (ran, printed) = tokio::join!(running, printer.print(instance, output));
    printed?;
    Ok(ran)
}

/// All of a file, or of our standard input, that each instance is given.
async fn read_input(interactive: bool, file: Option<PathBuf>, most: u64) -> Result<Bytes, Failure> {
    let (what, source): (_, Box<dyn AsyncRead + Unpin + Send>) = match file {
        Some(path) => {
            let what = format!("cannot read {}", path.display());
            match tokio::fs::File::open(&path).await {
                Ok(file) => (what, Box::new(file)),
                Err(error) => return Err(Failure::Io { what, error }),
            }
        }
        None if interactive => (
            "cannot read standard input".to_owned(),
            Box::new(tokio::io::stdin()),
        ),
        None => return Ok(Bytes::new()),
    };
    let mut input = Vec::new();
    let read = source
        .take(most.saturating_add(1))
        .read_to_end(&mut input)
        .await;
    read.map_err(|error| Failure::Io { what, error })?;
    if input.len() as u64 > most {
        let (limit, needed) = (Limit::Input, input.len() as u64);
        let needs = "of input or more".into();
        return Err(RunError::TooLarge {
            limit,
            value: most,
            needed,
            needs,
        }
        .into());
    }
    Ok(input.into())
}

/// `HOST[:GUEST][:rw]`
fn parse_dir(text: &str) -> Result<Dir, String> {
    let (text, writable) = match (text.strip_suffix(":rw"), text.strip_suffix(":ro")) {
        (Some(text), _) => (text, true),
        (None, Some(text)) => (text, false),
        (None, None) => (text, false),
    };
    let (host, guest) = text.split_once(':').unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() || guest.contains(':') {
        return Err("a folder is granted as HOST, HOST:GUEST or HOST:GUEST:rw".to_owned());
    }
    let host = PathBuf::from(host);
    match host.metadata() {
        Ok(found) if found.is_dir() => Ok(Dir {
            host,
            guest: guest.to_owned(),
            writable,
        }),
        Ok(_) => Err(format!("{} is not a folder", host.display())),
        Err(error) => Err(format!("{}: {error}", host.display())),
    }
}

/// `NAME[=VALUE]`
fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("a variable is granted as NAME or NAME=VALUE".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.to_owned(), value)),
            Err(_) => Err(format!(
                "{text} is not set here; {text}=VALUE gives it a value"
            )),
        },
    }
}
