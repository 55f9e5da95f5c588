//! `cocoon inspect`: prints the kind, world, imports, exports and needs of a component or core
//! module.

use std::fmt::Write as _;

use clap::{Args, ValueHint};
use cocoon::component::{Flag, Inspection, Interface, Location, PrecompiledCode, inspect};
use cocoon::text::{counted, one_line};
use cocoon::worlds::factorial::BUNDLED_FOR;
use serde_json::{Value, json};

use crate::cli::code_args::engine;
use crate::cli::component_args::RegistryArgs;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::output::Output;
use crate::cli::values::location;

/// The most characters of a name: modules choose their names.
const NAME_CHARS: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Component or core module: a file or `oci://REFERENCE` [default: the built-in one]
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Option<Location>,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
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
        let text = if self.json {
            format!("{}\n", object(&inspection))
        } else {
            text(&inspection)
        };
        let mut output = Output::stdout();
        output.write(text.as_bytes()).await?;
        output.finish().await
    }
}

fn text(it: &Inspection) -> String {
    let mut text = String::new();
    let (role, format) = (it.role.name(), it.format.name());
    let world = it.world.as_deref().unwrap_or("of no world of WASI");
    let precompiled = match &it.precompiled {
        PrecompiledCode::None => "no, compiled at load".to_owned(),
        PrecompiledCode::Usable => format!("yes, for {BUNDLED_FOR}"),
        PrecompiledCode::Unusable(reason) => {
            format!("for {BUNDLED_FOR}, compiled at load on this machine: {reason}")
        }
    };
    // Writing to a string never fails.
    let _ = writeln!(text, "kind:         {role}, {format}");
    let _ = writeln!(text, "world:        {world}");
    if let Some(fault) = &it.fault {
        let _ = writeln!(text, "fault:        {fault}");
    }
    list(&mut text, "imports", &it.imports);
    list(&mut text, "exports", &it.exports);
    let _ = write!(
        text,
        "grants:       {}\n\
         size:         {} KiB, {} KiB of them functions\n\
         memory image: {} KiB, mapped copy-on-write into each sandbox\n\
         needs:        {}, {}\n\
         precompiled:  {precompiled}\n",
        grants(&it.flags),
        it.size_bytes.div_ceil(1 << 10),
        it.code_bytes.div_ceil(1 << 10),
        it.memory_image_bytes >> 10,
        counted(it.memories, "memory", "memories"),
        counted(it.tables, "table", "tables"),
    );
    text
}

fn grants(flags: &[Flag]) -> String {
    let granted = flags.iter().map(|Flag { flag, grants }| match flag {
        Some(flag) => format!("{flag} for {grants}"),
        None => format!("no flag for {grants}"),
    });
    let granted = granted.collect::<Vec<_>>().join(", ");
    if granted.is_empty() {
        "it needs none".to_owned()
    } else {
        format!("it may need {granted}")
    }
}

fn list(text: &mut String, title: &str, interfaces: &[Interface]) {
    let _ = writeln!(text, "{title}:");
    let shown = |name: &String| one_line(name, NAME_CHARS);
    for Interface { name, functions } in interfaces {
        let functions: Vec<_> = functions.iter().map(shown).collect();
        let _ = match functions.as_slice() {
            [] => writeln!(text, "  {}", shown(name)),
            functions => writeln!(text, "  {}: {}", shown(name), functions.join(", ")),
        };
    }
}

fn object(it: &Inspection) -> Value {
    let interfaces = |interfaces: &[Interface]| -> Value {
        let object = |it: &Interface| json!({ "name": it.name, "functions": it.functions });
        interfaces.iter().map(object).collect()
    };
    let flags: Value = it
        .flags
        .iter()
        .map(|it| json!({ "flag": it.flag, "grants": it.grants }))
        .collect();
    json!({
        "format": it.format.name(),
        "role": it.role.name(),
        "world": it.world,
        "fault": it.fault,
        "imports": interfaces(&it.imports),
        "exports": interfaces(&it.exports),
        "flags": flags,
        "size_bytes": it.size_bytes,
        "code_bytes": it.code_bytes,
        "memory_image_bytes": it.memory_image_bytes,
        "memories": it.memories,
        "tables": it.tables,
        "precompiled": it.precompiled == PrecompiledCode::Usable,
    })
}
