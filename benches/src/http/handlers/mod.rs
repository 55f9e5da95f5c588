//! Handlers of `wasi:http`: the same components under `cocoon serve` and under `wasmtime serve`.
//!
//! The Rust component is built. Those of Python and JavaScript are found in `examples/handlers`,
//! where the commands of its README put them.

pub(super) mod echo;
mod neighbours;
pub(super) mod plot;
pub(super) mod report;
mod speed;

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::Measured;
use super::server::Programs;
use super::speed::Speed;
use super::tail::permille_ms;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/handlers");

/// Names of servers. The first of each comparison is the one that ratios are of.
pub(super) const COCOON: &str = "cocoon serve FILE";
pub(super) const REUSE: &str = "with reuse = 1000";

/// All figures of handlers; an error gives the reason why a comparison is missing.
pub(super) struct Handlers {
    /// By language.
    pub(super) speeds: Vec<(&'static str, Measured<Vec<Speed>>)>,
    pub(super) neighbours: Measured<neighbours::Neighbours>,
    pub(super) echo: Measured<Vec<echo::Echo>>,
}

pub(super) async fn measure(
    programs: &Programs,
    rounds: u64,
    seconds: u64,
    tail_seconds: u64,
) -> anyhow::Result<Handlers> {
    let component = programs.handler.as_ref().map_err(|why| anyhow!("{why}"))?;
    let why = |error: anyhow::Error| {
        let why = format!("{error:#}");
        println!("  {why}");
        why
    };
    let rust = speed::rust(programs, component, rounds, seconds).await;
    let javascript = speed::javascript(programs, rounds, seconds).await;
    let python = speed::python(programs, rounds, seconds).await;
    let neighbours = neighbours::measure(programs, component, tail_seconds).await;
    let echo = echo::measure(programs, component, rounds).await;
    Ok(Handlers {
        speeds: vec![
            ("Rust", rust.map_err(why)),
            ("JavaScript", javascript.map_err(why)),
            ("Python", python.map_err(why)),
        ],
        neighbours: neighbours.map_err(why),
        echo: echo.map_err(why),
    })
}

/// A component of `examples/handlers`.
fn example(language: &str, component: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(EXAMPLES).join(language).join(component);
    if path.is_file() {
        return Ok(path);
    }
    Err(anyhow!(
        "expected examples/handlers/{language}/{component}, got none; examples/README.md has the \
         commands that build it"
    ))
}
