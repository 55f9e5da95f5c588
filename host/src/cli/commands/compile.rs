//! `cocoon compile`: compiles a component into the cache of code.

use clap::{Args, ValueHint};
use cocoon::component::Location;

use crate::cli::code_args::CodeArgs;
use crate::cli::component_args::RegistryArgs;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::values::location;

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// Component or core module: a file or `oci://REFERENCE`
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Location,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
}

impl Compile {
    /// Compiles the component and prints the path of its code. In a folder that `--code-cache`
    /// names and that is missing, all users can read it.
    #[cfg(feature = "compiler")]
    pub(crate) async fn run(self) -> Result<(), Failure> {
        use std::io;

        use clap::error::ErrorKind;
        use cocoon::component::{Kept, compile_into_cache};

        use crate::cli::code_args::show_compiling;
        use crate::cli::output::Output;
        use crate::cli::paths::shown;

        let cache = self.code.cache().ok_or_else(|| {
            let text = "expected a folder for compiled code, got none; use --code-cache DIR";
            clap::Error::raw(ErrorKind::MissingRequiredArgument, text)
        })?;
        let cache = match self.code.code_cache {
            Some(_) => cache.readable_by_all(),
            None => cache,
        };
        let folder = shown(cache.folder());
        let engine = self
            .code
            .engine_for_programs(&self.limits.limits, 1, false)?;
        let engine = engine.with_code_cache(Some(cache));
        let source = self
            .registries
            .source(Some(&self.component), &self.limits.limits)
            .await?;
        let compiling = show_compiling(&engine, compile_into_cache(&engine, &source));
        let path = match compiling.await? {
            Kept::Found(path) | Kept::Written(path) => path,
            Kept::No(reason) => {
                return Err(Failure::Io {
                    what: format!("cannot keep the code in {folder}"),
                    error: io::Error::other(reason),
                });
            }
        };
        let mut output = Output::stdout();
        output
            .write(format!("{}\n", shown(&path)).as_bytes())
            .await?;
        output.finish().await
    }

    /// Refuses to compile.
    #[cfg(not(feature = "compiler"))]
    #[expect(clippy::unused_async, reason = "it is async where there is a compiler")]
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let what = self.component.name();
        Err(cocoon::component::ComponentError::NoCompiler(what).into())
    }
}
