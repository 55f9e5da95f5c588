//! The way of a component into an engine: its precompiled code, code in the cache, or the compiler.

#[cfg(feature = "compiler")]
use super::cached::{Kept, load_or_compile};
use super::native_code::{CompiledComponent, load_precompiled};
use super::{ComponentError, Source};
use crate::engine::Engine;
use crate::limits::Limit;

/// Compiles a component, or loads its precompiled code.
///
/// # Errors
///
/// Where it cannot be read or compiled in time, or needs more memory than there is.
pub(super) async fn compile(
    engine: &Engine,
    source: &Source,
) -> Result<CompiledComponent, ComponentError> {
    if let Source::Bundled(bundled) = source {
        match load_precompiled(engine, bundled.code()) {
            Ok(component) => return Ok(CompiledComponent::of_code(engine, component)),
            Err(reason) if cfg!(feature = "compiler") => {
                tracing::debug!(reason, "precompiled code unusable");
            }
            Err(reason) => {
                return Err(ComponentError::NoCompiler(format!(
                    "the built-in component, whose native code does not run here ({reason})"
                )));
            }
        }
    }
    in_time(engine, source, from_source).await
}

/// Does `work` with a component on a thread for blocking calls, within the time for compiling.
async fn in_time<R: Send + 'static>(
    engine: &Engine,
    source: &Source,
    work: fn(&Engine, &Source) -> Result<R, ComponentError>,
) -> Result<R, ComponentError> {
    let limits = engine.limits();
    let patience = limits.duration(Limit::CompileTime);
    let value = limits.get(Limit::CompileTime);
    let (engine, source) = (engine.clone(), source.clone());
    // The file may be a pipe without a writer, so reading it counts as well.
    let working = tokio::task::spawn_blocking(move || work(&engine, &source));
    match tokio::time::timeout(patience, working).await {
        Ok(Ok(done)) => done,
        Ok(Err(join)) => Err(ComponentError::Invalid(join.to_string())),
        Err(_) => Err(ComponentError::CompileTime { value }),
    }
}

/// Loads the code of a component from the cache, or compiles it and keeps its code there.
#[cfg(feature = "compiler")]
fn from_source(engine: &Engine, source: &Source) -> Result<CompiledComponent, ComponentError> {
    load_or_compile(engine, source).map(|(compiled, _)| compiled)
}

#[cfg(not(feature = "compiler"))]
fn from_source(engine: &Engine, source: &Source) -> Result<CompiledComponent, ComponentError> {
    source.read(engine.limits().bytes(Limit::ComponentSize))?;
    Err(ComponentError::NoCompiler("the component".to_owned()))
}

/// Compiles `source` into the engine's cache, so that later loads find its code there.
///
/// # Errors
///
/// Where it cannot be read or compiled. [`Kept::No`] is no error.
#[cfg(feature = "compiler")]
pub async fn compile_into_cache(engine: &Engine, source: &Source) -> Result<Kept, ComponentError> {
    in_time(engine, source, load_or_compile)
        .await
        .map(|(_, kept)| kept)
}
