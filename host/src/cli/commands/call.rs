//! `cocoon call`: calls an exported function of a component in a sandbox, and prints its results.

use bytes::Bytes;
use clap::{Args, ValueHint};
use cocoon::channel::{Receiver, channel};
use cocoon::component::{Component, Location};
use cocoon::pool::Pool;
use cocoon::worlds::command::{Start, Stream};
use cocoon::worlds::function::{Call as FunctionCall, Called, call};
use tokio::io::AsyncWriteExt as _;

use super::exec::exit_code;
use super::exec_grants::GrantArgs;
use crate::cli::code_args::{CodeArgs, show_compiling};
use crate::cli::component_args::RegistryArgs;
use crate::cli::denied::report_denied;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::output::Output;
use crate::cli::values::location;

#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Component: a file or `oci://REFERENCE`
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Location,
    /// Call in WAVE, such as `f(1, "text")` or `package:name/interface.f(1, "text")`
    #[arg(value_name = "CALL")]
    expression: String,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
}

impl Call {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let grants = self.grants;
        grants.check()?;
        let limits = &self.limits.limits;
        let engine = self
            .code
            .engine_for_programs(limits, 1, grants.is_deterministic())?;
        let source = self
            .registries
            .source(Some(&self.component), limits)
            .await?;
        let grants = grants.of(1);
        let loading = Component::load(&engine, &source, &grants);
        let component = show_compiling(&engine, loading).await?;
        report_denied(&component);
        let function = FunctionCall::parse(&component, &self.expression)?;
        let pool = Pool::new(&engine, component.sandboxes());
        let start = Start {
            arguments: vec![self.component.name()],
            ..Start::default()
        };
        let (sender, receiver) = channel();
        let deadline = pool.deadline();
        let calling = call(
            &pool, &component, &grants, start, function, &deadline, sender,
        );
        let mut output = Output::stdout();
        let (called, printed) = tokio::join!(calling, print(&mut output, receiver));
        printed?;
        if let Ok(Called::Returned(results)) = &called {
            output.write(format!("{results}\n").as_bytes()).await?;
        }
        output.finish().await?;
        match called? {
            Called::Returned(_) | Called::Exited(0) => Ok(()),
            Called::Exited(code) => Err(Failure::Program {
                code: exit_code::of_exit(code),
                error: None,
            }),
        }
    }
}

/// Prints what the function writes. Returns its end to its caller only.
async fn print(output: &mut Output, mut written: Receiver<(Stream, Bytes)>) -> Result<(), Failure> {
    let mut errors = tokio::io::stderr();
    while let Ok(Some((stream, bytes))) = written.recv().await {
        match stream {
            Stream::Out => output.write(&bytes).await?,
            Stream::Err => errors
                .write_all(&bytes)
                .await
                .map_err(|error| Failure::Io {
                    what: "cannot write standard error".to_owned(),
                    error,
                })?,
        }
    }
    Ok(())
}
