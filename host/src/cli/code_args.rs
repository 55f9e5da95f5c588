//! The arguments for compiled code, and the engine that runs it.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, ValueHint};
use cocoon::engine::{Compiler, Engine};
use cocoon::limits::{COMPILING_SHOWN, Limit, Limits};
use cocoon::machine::Machine;
use cocoon::worlds::command::need;

#[cfg(feature = "compiler")]
use super::announce;
use super::failure::Failure;

/// The value of `--code-cache` that turns the cache off.
pub(crate) const OFF: &str = "off";
const OPTIMIZING: &str = "optimizing";
const BASELINE: &str = "baseline";

/// Arguments for compiled code.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compiled code")]
pub(crate) struct CodeArgs {
    /// Keep compiled code in DIR, or nowhere with `off`; only root and this user may be able to write to DIR [default: cocoon/code in `$XDG_CACHE_HOME` or in ~/.cache]
    #[arg(
        long,
        value_name = "DIR",
        env = "COCOON_CODE_CACHE",
        hide_env_values = true,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) code_cache: Option<PathBuf>,
    /// Compiler of components: `optimizing`, or `baseline`, which compiles several times as fast for trying things out; its code is slower, and a second compiler is a second way out of the sandbox
    #[arg(
        long,
        default_value = OPTIMIZING,
        value_name = "COMPILER",
        env = "COCOON_COMPILER",
        hide_env_values = true,
        hide_possible_values = true,
        value_parser = compiler()
    )]
    compiler: Compiler,
}

fn compiler() -> impl TypedValueParser<Value = Compiler> {
    PossibleValuesParser::new([OPTIMIZING, BASELINE]).map(|name| match name.as_str() {
        BASELINE => Compiler::Baseline,
        _ => Compiler::Optimizing,
    })
}

impl CodeArgs {
    /// Makes an engine for up to `sandboxes` that compiles as the arguments say.
    pub(crate) fn engine(&self, limits: &Limits, sandboxes: u64) -> Result<Engine, Failure> {
        Ok(self.configure(engine(limits, sandboxes)?))
    }

    /// As [`CodeArgs::engine`], for programs, and with instructions that compute the same bits in
    /// each run if `is_deterministic`.
    pub(crate) fn engine_for_programs(
        &self,
        limits: &Limits,
        sandboxes: u64,
        is_deterministic: bool,
    ) -> Result<Engine, Failure> {
        let machine = Machine::detect();
        // Each program may use all of its memory. Places beyond that memory would stay empty, and
        // their own memory would be missing.
        let at_once = machine.total_memory_bytes(limits) / need(limits).bytes();
        let limits = places(limits, sandboxes.min(at_once));
        if !is_deterministic {
            return Ok(self.configure(Engine::for_programs(&limits, &machine)?));
        }
        if self.compiler == Compiler::Baseline {
            let error = "expected one of --deterministic and --compiler baseline, got both; the baseline compiler \
                 does not compute the same NaN bits in each run";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, error).into());
        }
        Ok(self.configure(Engine::deterministic(&limits, &machine)?))
    }

    /// Makes an engine for handlers, whose routes may need less memory than the limit.
    #[cfg(feature = "compiler")]
    pub(crate) fn engine_for_handlers(&self, limits: &Limits) -> Result<Engine, Failure> {
        Ok(self.configure(Engine::for_programs(limits, &Machine::detect())?))
    }

    fn configure(&self, engine: Engine) -> Engine {
        let engine = engine.with_compiler(self.compiler);
        #[cfg(feature = "compiler")]
        let engine = engine.with_code_cache(self.cache());
        engine
    }

    /// The cache, unless it is off.
    #[cfg(feature = "compiler")]
    pub(crate) fn cache(&self) -> Option<cocoon::code_cache::CodeCache> {
        use cocoon::code_cache::CodeCache;

        match &self.code_cache {
            Some(folder) if folder == Path::new(OFF) => None,
            Some(folder) => Some(CodeCache::new(folder.clone())),
            None => CodeCache::of_user(),
        }
    }
}

/// Makes an engine for up to `sandboxes`, without a cache of code. Each place costs three
/// microseconds at the start, for the layout of its stack, and the same at the end.
pub(crate) fn engine(limits: &Limits, sandboxes: u64) -> Result<Engine, Failure> {
    Ok(Engine::new(&places(limits, sandboxes), &Machine::detect())?)
}

/// `limits` with room for up to `sandboxes`.
fn places(limits: &Limits, sandboxes: u64) -> Limits {
    let sandboxes = limits.get(Limit::Sandboxes).min(sandboxes.max(1));
    limits.clone().with(Limit::Sandboxes, sandboxes)
}

/// Waits for `loading`. A terminal shows that it compiles, and for how long, once that takes
/// longer than [`COMPILING_SHOWN`].
#[cfg(feature = "compiler")]
pub(crate) async fn show_compiling<R>(engine: &Engine, loading: impl Future<Output = R>) -> R {
    use std::pin::pin;

    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    let compiling = engine.compiling();
    let since = || *compiling.borrow();
    let mut loading = pin!(loading);
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("cocoon: compiling the component, {msg}");
    let line = line.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    if line.is_hidden() || announce::is_json() {
        return loading.await;
    }
    loop {
        tokio::select! {
            biased;
            loaded = &mut loading => {
                line.finish_and_clear();
                return loaded;
            }
            () = tokio::time::sleep(COMPILING_SHOWN / 2) => {}
        }
        if let Some(time) = since().map(|since| since.elapsed())
            && time >= COMPILING_SHOWN
        {
            line.set_message(format!("{} s", time.as_secs()));
            line.tick();
        }
    }
}

#[cfg(not(feature = "compiler"))]
pub(crate) async fn show_compiling<R>(_: &Engine, loading: impl Future<Output = R>) -> R {
    loading.await
}
