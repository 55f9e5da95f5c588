//! The arguments that name a component.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use cocoon::component::{Location, Registries, Source};
use cocoon::limits::Limits;
use cocoon::worlds::factorial::{BUNDLED, Factorial};

use super::code_args::{CodeArgs, show_compiling};
use super::failure::Failure;
use super::limits::{Commands, LimitArgs};
use super::trace;
use super::values::location;

/// Arguments of all commands that compute factorials.
#[derive(Debug, Args)]
pub(crate) struct FactorialArgs {
    /// Component of the factorial world: a file or `oci://REFERENCE` [default: the built-in one]
    #[arg(long, value_name = "FILE", env = "COCOON_COMPONENT", value_parser = location(), value_hint = ValueHint::FilePath)]
    pub(crate) component: Option<Location>,
    /// Print a JSON object for each result instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
    #[command(flatten)]
    pub(crate) code: CodeArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs<Commands>,
}

/// Arguments for registries.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct RegistryArgs {
    /// Cache components from registries in DIR [default: cocoon in `$XDG_CACHE_HOME` or in ~/.cache]
    #[arg(
        long,
        value_name = "DIR",
        env = "COCOON_COMPONENT_CACHE",
        hide_env_values = true
    )]
    component_cache: Option<PathBuf>,
    /// Connect to registries on other machines without TLS; a registry on this machine never needs it
    #[arg(long)]
    plain_http: bool,
}

impl RegistryArgs {
    /// Reads the component at its location, or the built-in one.
    pub(crate) async fn source(
        &self,
        component: Option<&Location>,
        limits: &Limits,
    ) -> Result<Source, Failure> {
        let registries = Registries {
            plain_http: self.plain_http,
            cache: self.component_cache.clone(),
        };
        let (name, source) = match component {
            Some(component) => {
                let source = component.source(limits, &registries).await?;
                (component.name(), source)
            }
            None => ("built-in".to_owned(), BUNDLED),
        };
        trace::component(&name, &source, limits).await;
        Ok(source)
    }
}

impl FactorialArgs {
    /// Loads the component into an engine for up to `sandboxes`.
    pub(crate) async fn load(&self, sandboxes: u64) -> Result<Factorial, Failure> {
        let engine = self.code.engine(&self.limits.limits, sandboxes)?;
        let component = self.component.as_ref();
        let source = self
            .registries
            .source(component, &self.limits.limits)
            .await?;
        Ok(show_compiling(&engine, Factorial::load(&engine, &source)).await?)
    }
}
