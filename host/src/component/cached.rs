//! Compiled code by way of the cache: found there, or compiled and kept there.

use std::hash::{Hash as _, Hasher};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::core_module::into_component;
use super::engines::{Engines, calls};
use super::native_code::{Code, CompiledComponent, load, native_code};
use super::{ComponentError, Source};
use crate::code_cache::{CodeCache, Key};
use crate::engine::Engine;
use crate::limits::Limit;

/// The version of the way from a component to its code: raise it when the same bytes are compiled
/// in another way, such as with another adapter.
const VERSION: &[u8] = b"cocoon 2";

/// The place of a component's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The cache had it.
    Found(PathBuf),
    /// It was compiled, and the cache has it now.
    Written(PathBuf),
    /// It was compiled, and the cache does not have it, for this reason.
    No(String),
}

/// Loads the code of a component from the cache, or compiles it and keeps its code there.
pub(super) fn load_or_compile(
    engine: &Engine,
    source: &Source,
) -> Result<(CompiledComponent, Kept), ComponentError> {
    let engines = Engines::new(engine);
    let most = engine.limits().bytes(Limit::ComponentSize);
    let Some(cache) = engine.code_cache() else {
        let wasm = source.read(most)?;
        let _compiling = engine.start_compiling();
        let (_, _, compiled) = compile(&engines, &wasm)?;
        return Ok((compiled, Kept::No("there is no cache".to_owned())));
    };
    let seen = source.file_digest(most, cache);
    if let Some(digest) = seen
        && let Some(found) = find(&engines, cache, &digest)
    {
        return Ok(found);
    }
    // The digest of what is compiled: the file may change at any time.
    let wasm = source.read(most)?;
    let digest = Sha256::digest(&wasm).into();
    if seen != Some(digest)
        && let Some(found) = find(&engines, cache, &digest)
    {
        return Ok(found);
    }
    // One process compiles, and the others wait for its code: a hundred that start at once would
    // use up memory, and each would take a hundred times as long.
    let patience = engine.limits().duration(Limit::CompileTime);
    let _compiling = engine.start_compiling();
    let _lock = cache.lock(key(engine, &digest), patience);
    if let Some(found) = find(&engines, cache, &digest) {
        return Ok(found);
    }
    let (made_for, code, mut compiled) = compile(&engines, &wasm)?;
    let bytes_max = engine.limits().bytes(Limit::CodeCache);
    let key = key(made_for, &digest);
    let kept = match cache.keep(key, compiled.facts(), &code, bytes_max) {
        Ok(path) => {
            compiled.key = Some(key);
            Kept::Written(path)
        }
        Err(error) => {
            tracing::debug!(folder = %cache.folder().display(), %error, "code not cached");
            Kept::No(error.to_string())
        }
    };
    Ok((compiled, kept))
}

/// Loads code from the cache. That of the optimizing compiler is better wherever it is.
fn find(
    engines: &Engines<'_>,
    cache: &CodeCache,
    digest: &[u8; 32],
) -> Option<(CompiledComponent, Kept)> {
    let find = |engine: &Engine| {
        let key = key(engine, digest);
        let entry = cache.find(key)?;
        match load(engine, Code::Entry(&entry), entry.facts) {
            Ok(mut compiled) => {
                compiled.key = Some(key);
                Some((compiled, Kept::Found(entry.path)))
            }
            Err(error) => {
                tracing::debug!(entry = %entry.path.display(), %error, "cached code unusable");
                None
            }
        }
    };
    let first = engines.first().iter().find_map(find);
    first.or_else(|| engines.other().ok()?.iter().find_map(find))
}

/// Compiles with the baseline compiler if that is asked for and able to, and with the optimizing
/// one otherwise. Returns the engine that it was compiled for.
fn compile<'a>(
    engines: &'a Engines<'_>,
    wasm: &[u8],
) -> Result<(&'a Engine, Vec<u8>, CompiledComponent), ComponentError> {
    let wasm = &*into_component(wasm)?;
    let mut failed = None;
    for engine in engines.of(calls(wasm))?.iter().rev() {
        let compiled = native_code(engine, wasm).and_then(|(code, facts)| {
            let compiled = load(engine, Code::Bytes(&code), facts)?;
            Ok((engine, code, compiled))
        });
        match compiled {
            Err(error) => {
                tracing::debug!(%error, "component not compiled");
                failed = Some(error);
            }
            compiled => return compiled,
        }
    }
    Err(failed.unwrap_or_else(|| ComponentError::NoCompiler("the component".to_owned())))
}

/// The key of a component's code for `engine`: the component, the compiler with its
/// version, the engine's settings and the processor.
fn key(engine: &Engine, digest: &[u8; 32]) -> Key {
    let mut sha = Sha(Sha256::new());
    sha.write(VERSION);
    sha.write(digest);
    engine
        .wasmtime()
        .precompile_compatibility_hash()
        .hash(&mut sha);
    Key(sha.0.finalize().into())
}

/// SHA-256 as a hasher: one of 64 bits could have the same result for two engines.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
