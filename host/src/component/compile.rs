//! A component that is compiled and linked, ready to be instantiated.
//!
//! It lives as long as somebody wants sandboxes of it; each sandbox maps its
//! memory image copy-on-write.

mod digest;
mod files;
#[cfg(feature = "compiler")]
mod footprint;
mod grants;
mod inspect;
mod location;
mod lookup;
mod reference;
#[cfg(feature = "registry")]
mod registry;
mod state;
mod streams;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use wasmtime::Store;
use wasmtime::component::{Component as Compiled, InstancePre};

use crate::engine::{Engine, one_line};
use crate::limits::Limit;
#[cfg(feature = "compiler")]
use crate::limits::{INSTANCE_FREE_BYTES, PROGRAM_BYTES};
#[cfg(feature = "compiler")]
use footprint::Footprint;

/// Memory that the compiler takes for each byte of a component's functions: with two
/// processors and 0.87 MB of them, a container with three quarters of it, and what the
/// program keeps, was now and then too small.
#[cfg(feature = "compiler")]
const COMPILER_BYTES: u64 = 64;

pub use digest::Digest;
pub(crate) use files::Folders;
pub use grants::{Dir, Grants};
pub use inspect::{Inspection, Interface, Precompiled, inspect};
pub use location::{Location, Registries};
pub use reference::{Reference, ReferenceError};
#[cfg(feature = "registry")]
pub use registry::RegistryError;
pub(crate) use state::MemoryCap;
pub use state::State;

/// What a component is expected to export, and how to reach it: the bindings
/// of a WIT world.
pub trait World: Send + Sync + 'static {
    /// The exports, looked up once for all sandboxes.
    type Pre: Send + Sync + 'static;
    /// The exports of one instance.
    type Exports: Send + Sync + 'static;

    /// Looks the exports up.
    ///
    /// # Errors
    ///
    /// Where the component lacks one, or it has another type.
    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<Self::Pre>;

    /// Makes one instance.
    ///
    /// # Errors
    ///
    /// Where there is no slot for it, or its start function traps.
    fn instantiate(
        pre: &Self::Pre,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self::Exports>> + Send;
}

/// Implements [`World`] for the types that `wasmtime::component::bindgen!` made.
#[macro_export]
macro_rules! world {
    ($(#[$doc:meta])* $name:ident, $pre:ty, $exports:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::component::World for $name {
            type Pre = $pre;
            type Exports = $exports;

            fn prepare(
                pre: ::wasmtime::component::InstancePre<$crate::component::State>,
            ) -> ::wasmtime::Result<Self::Pre> {
                <$pre>::new(pre)
            }

            async fn instantiate(
                pre: &Self::Pre,
                store: &mut ::wasmtime::Store<$crate::component::State>,
            ) -> ::wasmtime::Result<Self::Exports> {
                pre.instantiate_async(store).await
            }
        }
    };
}

/// Where the bytes of a component come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file: binary, not text.
    File(PathBuf),
    /// Bytes that somebody else has read, or pulled from a registry.
    Bytes(Bytes),
    /// A component that is part of this program, and the code that the build made of it.
    Bundled {
        /// The component, compressed by gzip; nothing where there is no compiler.
        gzip: &'static [u8],
        /// Its SHA-256, in hexadecimal digits.
        digest: &'static str,
        /// Its precompiled code.
        code: &'static [u8],
    },
}

impl Source {
    /// What tells this component from every other: the first 16 hexadecimal
    /// digits of its SHA-256.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub async fn digest(&self) -> Result<String, ComponentError> {
        let digest = match self {
            Self::Bundled { digest, .. } => (*digest).to_owned(),
            Self::Bytes(wasm) => Digest::of(wasm).hex(),
            Self::File(path) => {
                let wasm = tokio::fs::read(path).await;
                let wasm = wasm.map_err(|error| ComponentError::Unreadable {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                Digest::of(&wasm).hex()
            }
        };
        Ok(digest.chars().take(16).collect())
    }
}

/// Why a component cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is over the limit.
    #[error("{} is larger than the limit of {} ({}); --{} raises it", .path.display(), Limit::ComponentSize,
        Limit::ComponentSize.format(*.value), Limit::ComponentSize.spec().flag)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        value: u64,
    },
    /// The registry does not hand it out.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It is in a registry.
    #[cfg(not(feature = "registry"))]
    #[error(
        "this build of cocoon has no registries; the image's default target and any other build have them"
    )]
    NoRegistries,
    /// The bytes are something else.
    #[error("this is not a component but {0}")]
    NotAComponent(&'static str),
    /// There is no compiler in this build.
    #[error(
        "{0} has to be compiled, and this build of cocoon has no compiler; the image's default \
         target and any other build have one"
    )]
    NoCompiler(String),
    /// The bytes do not compile.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The compiler would take more memory than there is.
    #[error("compiling the component takes about {}, and there are {} in all; a larger machine, or \
        container, has more", Limit::TotalMemory.format(*.needed), Limit::TotalMemory.format(*.bytes))]
    CompileMemory {
        /// Bytes of memory that the program and its compiler take.
        needed: u64,
        /// Bytes that there are.
        bytes: u64,
    },
    /// It took too long.
    #[error("compiling the component takes longer than {}; --{} raises this limit",
        Limit::CompileTime.format(*.value), Limit::CompileTime.spec().flag)]
    CompileTime {
        /// The limit in milliseconds.
        value: u64,
    },
    /// It imports what nothing here can give it.
    #[error(
        "the component imports {0}, which no sandbox is given; WASI 0.2 without wasi:http is what there is"
    )]
    Import(String),
    /// It does not fit the world.
    #[error("the component does not fit: {0}")]
    Link(String),
    /// A granted folder cannot be opened.
    #[error("cannot grant {}: {reason}", .path.display())]
    Dir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// A compiled and linked component of world `W`.
pub struct Component<W: World> {
    engine: Engine,
    pre: W::Pre,
    sandboxes: u32,
    memory_image_bytes: u64,
    instance_bytes: u64,
    folders: Folders,
}

/// A component that is compiled, and the engine that has room for it.
struct Loaded {
    engine: Engine,
    compiled: Compiled,
    /// Instance data of one sandbox that counts as its memory.
    instance_bytes: u64,
    /// Linear memories of one sandbox beside those of its modules.
    heaps: u32,
}

impl<W: World> Component<W> {
    /// Compiles a component, or loads its precompiled code, and links it.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is no component, imports what `grants` cannot
    /// give, lacks an export of `W`, or needs more than a sandbox has.
    pub async fn load(
        engine: &Engine,
        source: &Source,
        grants: &Grants,
    ) -> Result<Self, ComponentError> {
        let loaded = compile(engine, source).await?;
        let patience = Duration::from_millis(engine.limits().get(Limit::CompileTime));
        let folders = Folders::open(&grants.dirs, patience).await?;
        Self::link(loaded, grants, folders)
    }

    /// A component that is granted nothing, of `code` that the build made, or `None`
    /// where that cannot be loaded.
    pub(crate) fn of_code(engine: &Engine, code: &'static [u8]) -> Option<Self> {
        let compiled = load_precompiled(engine, code);
        let linked = compiled.and_then(|compiled| {
            let loaded = Loaded::of_code(engine, compiled);
            let linked = Self::link(loaded, &Grants::default(), Folders::default());
            linked.map_err(|error| error.to_string())
        });
        linked
            .inspect_err(|reason| tracing::debug!(reason, "there is no shorter component"))
            .ok()
    }

    fn link(loaded: Loaded, grants: &Grants, folders: Folders) -> Result<Self, ComponentError> {
        let sandboxes = loaded.sandboxes()?;
        let Loaded {
            engine,
            compiled,
            instance_bytes,
            ..
        } = loaded;
        let memory_image_bytes = inspect::memory_image_bytes(&compiled);
        let pre = grants
            .linker(&compiled)?
            .instantiate_pre(&compiled)
            .and_then(W::prepare)
            .map_err(|error| ComponentError::Link(one_line(&error)))?;
        Ok(Self {
            engine,
            pre,
            sandboxes,
            memory_image_bytes,
            instance_bytes,
            folders,
        })
    }

    /// The engine that it was compiled for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many sandboxes of it can exist at once.
    pub fn sandboxes(&self) -> u32 {
        self.sandboxes
    }

    /// The largest initial memory of one of its instances, in bytes.
    pub fn memory_image_bytes(&self) -> u64 {
        self.memory_image_bytes
    }

    pub(crate) fn pre(&self) -> &W::Pre {
        &self.pre
    }

    /// The granted folders.
    pub(crate) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// A cap of `cap_bytes` for one sandbox, under which its instance data is.
    pub(crate) fn memory_cap(&self, cap_bytes: u64) -> MemoryCap {
        MemoryCap::new(
            cap_bytes,
            self.instance_bytes,
            self.engine.table_elements_max(),
        )
    }
}

impl Loaded {
    /// A component of code that the build made, whose instance data is small.
    fn of_code(engine: &Engine, compiled: Compiled) -> Self {
        Self {
            engine: engine.clone(),
            compiled,
            instance_bytes: 0,
            heaps: 0,
        }
    }

    /// How many sandboxes the engine has slots for.
    fn sandboxes(&self) -> Result<u32, ComponentError> {
        let Some(needs) = self.compiled.resources_required() else {
            return Err(ComponentError::Link(
                "it instantiates modules that it imports, and nothing can be known of those"
                    .to_owned(),
            ));
        };
        let memories = needs.num_memories.saturating_add(self.heaps);
        match self.engine.sandboxes_of(memories, needs.num_tables) {
            0 => Err(ComponentError::Link(format!(
                "it has {memories} memories and {} tables, for which this machine has no room",
                needs.num_tables
            ))),
            sandboxes => Ok(sandboxes),
        }
    }
}

async fn compile(engine: &Engine, source: &Source) -> Result<Loaded, ComponentError> {
    if let Source::Bundled { code, .. } = source {
        match load_precompiled(engine, code) {
            Ok(compiled) => return Ok(Loaded::of_code(engine, compiled)),
            Err(reason) if cfg!(feature = "compiler") => {
                tracing::debug!(reason, "the component is compiled anew");
            }
            Err(reason) => {
                return Err(ComponentError::NoCompiler(format!(
                    "the component that is built in, whose code cannot be used here ({reason}),"
                )));
            }
        }
    }
    let value = engine.limits().get(Limit::CompileTime);
    let (engine, source) = (engine.clone(), source.clone());
    // The file may be a pipe that nobody writes to: reading it takes its time too.
    let compiling = tokio::task::spawn_blocking(move || match source {
        Source::Bundled { gzip, .. } => {
            let wasm = unpacked(gzip);
            let wasm = wasm.map_err(|error| ComponentError::Invalid(error.to_string()))?;
            from_binary(&engine, &wasm)
        }
        Source::Bytes(wasm) => {
            recognise(&wasm).map_err(ComponentError::NotAComponent)?;
            from_binary(&engine, &wasm)
        }
        Source::File(path) => {
            let wasm = read_file(&path, engine.limits().get(Limit::ComponentSize))?;
            from_binary(&engine, &wasm)
        }
    });
    match tokio::time::timeout(Duration::from_millis(value), compiling).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(join)) => Err(ComponentError::Invalid(join.to_string())),
        Err(_) => Err(ComponentError::CompileTime { value }),
    }
}

/// Compiles a component for the slots of `engine`, or for memory that is allocated on demand
/// where it fits none of them.
#[cfg(feature = "compiler")]
fn from_binary(engine: &Engine, wasm: &[u8]) -> Result<Loaded, ComponentError> {
    let footprint = Footprint::of(wasm);
    let bytes = engine.memory_bytes();
    let needed = PROGRAM_BYTES.saturating_add(COMPILER_BYTES.saturating_mul(footprint.code_bytes));
    if needed > bytes {
        let needed = needed.next_multiple_of(1 << 20);
        return Err(ComponentError::CompileMemory { needed, bytes });
    }
    let invalid = |error: wasmtime::Error| ComponentError::Invalid(one_line(&error));
    let code = engine.wasmtime().precompile_component(wasm);
    let code = code.map_err(invalid)?;
    let loaded = |engine: &Engine, compiled| Loaded {
        engine: engine.clone(),
        compiled,
        instance_bytes: footprint.instance_bytes.saturating_sub(INSTANCE_FREE_BYTES),
        heaps: footprint.collects.into(),
    };
    let pooled = deserialize(engine, &code).map(|compiled| loaded(engine, compiled));
    match pooled {
        Ok(pooled) if pooled.sandboxes().is_ok() => Ok(pooled),
        unfit => {
            let reason = unfit.err().map(|error| one_line(&error));
            tracing::debug!(
                reason,
                "the component fits no slot; its memory is allocated on demand"
            );
            let engine = engine.on_demand();
            let engine = engine.map_err(|error| ComponentError::Link(error.to_string()))?;
            let compiled = deserialize(&engine, &code).map_err(invalid)?;
            Ok(loaded(&engine, compiled))
        }
    }
}

#[cfg(not(feature = "compiler"))]
fn from_binary(_: &Engine, _: &[u8]) -> Result<Loaded, ComponentError> {
    Err(ComponentError::NoCompiler("this component".to_owned()))
}

/// What the build packed.
pub(crate) fn unpacked(gzip: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a component's file.
fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, ComponentError> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| ComponentError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(ComponentError::TooLarge {
            path: path.to_owned(),
            value: most,
        });
    }
    recognise(&bytes).map_err(ComponentError::NotAComponent)?;
    Ok(bytes)
}

/// Tells what bytes are that are no component.
fn recognise(bytes: &[u8]) -> Result<(), &'static str> {
    // A magic number, then a version and a layer: 1 and 0 for a core module, 13
    // and 1 for a component.
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => Err(
            "a core module; `wasm-tools component new`, or the target wasm32-wasip2, makes a component",
        ),
        [] => Err("an empty file"),
        _ if bytes.starts_with(b"\x7fELF") => Err("native code; build it for wasm32-wasip2"),
        _ => Err("some other file; a component starts with `\\0asm`"),
    }
}

/// Loads code that the build of this program made, if it fits this engine and
/// this processor.
pub(crate) fn load_precompiled(engine: &Engine, code: &'static [u8]) -> Result<Compiled, String> {
    if !engine.takes_precompiled() {
        return Err("the engine has no reserved memory".to_owned());
    }
    deserialize(engine, code).map_err(|error| one_line(&error))
}

/// Loads native code that this program made: its build, or itself just now.
#[expect(unsafe_code, reason = "loading native code; see the safety comment")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Compiled> {
    // SAFETY: the code is part of this program's own binary, plain or packed, where only
    // this program's build put it, with the same version of Wasmtime; or this very process
    // has compiled it, and nothing else had hands on it. Wasmtime itself checks version,
    // settings and processor features before it accepts it.
    unsafe { Compiled::deserialize(engine.wasmtime(), code) }
}
