//! `cocoon inspect`: prints the imports, exports and needs of a component.

use std::fmt::Write as _;

use clap::{Args, ValueHint};
use cocoon::component::{Inspection, Interface, Location, PrecompiledCode, inspect};
use cocoon::text::counted;
use cocoon::worlds::factorial::BUNDLED_FOR;

use crate::cli::code_args::engine;
use crate::cli::component_args::RegistryArgs;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::output::Output;
use crate::cli::values::location;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Component: a file or `oci://REFERENCE` [default: the built-in one]
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Option<Location>,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
}

impl Inspect {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let engine = engine(&self.limits.limits, 1)?;
        let component = self.component.as_ref();
        let source = self
            .registries
            .source(component, &self.limits.limits)
            .await?;
        let inspection = inspect(&engine, &source).await?;
        let mut output = Output::stdout();
        output.write(text(&inspection).as_bytes()).await?;
        output.finish().await
    }
}

fn text(it: &Inspection) -> String {
    let mut text = String::new();
    list(&mut text, "imports", &it.imports);
    list(&mut text, "exports", &it.exports);
    let precompiled = match &it.precompiled {
        PrecompiledCode::None => "no, compiled at load".to_owned(),
        PrecompiledCode::Usable => format!("yes, for {BUNDLED_FOR}"),
        PrecompiledCode::Unusable(reason) => {
            format!("for {BUNDLED_FOR}, compiled at load on this machine: {reason}")
        }
    };
    // Writing to a string never fails.
    let _ = write!(
        text,
        "memory image: {} KiB, mapped copy-on-write into each sandbox\n\
         needs:        {}, {}\n\
         native code:  {} KiB\n\
         precompiled:  {precompiled}\n",
        it.memory_image_bytes >> 10,
        counted(it.memories, "memory", "memories"),
        counted(it.tables, "table", "tables"),
        it.code_bytes.div_ceil(1 << 10),
    );
    text
}

fn list(text: &mut String, title: &str, interfaces: &[Interface]) {
    let _ = writeln!(text, "{title}:");
    for Interface { name, functions } in interfaces {
        let _ = match functions.as_slice() {
            [] => writeln!(text, "  {name}"),
            functions => writeln!(text, "  {name}: {}", functions.join(", ")),
        };
    }
}
