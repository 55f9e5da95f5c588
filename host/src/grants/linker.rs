//! What a component may reach of the world outside its sandbox, and the linker
//! that gives it that and no more.
//!
//! Nothing is granted unless a flag says so. Every WASI interface that a
//! program needs to start is linked if it is imported, but holds nothing: no
//! folder, no variable. What cannot be empty (clocks, randomness, sockets) is
//! linked as functions that stop the sandbox and name the flag that grants them.

use std::path::PathBuf;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{WasiCtxBuilder, WasiView as _};

use super::ComponentError;
use super::files::{Files, HasFiles};
use super::lookup::{HasLookups, Lookups};
use super::state::State;
use super::streams::{HasStreams, Streams};
use crate::error::RunError;
use crate::limits::{Limit, Limits};

/// The version under which the WASI bindings stand in the linker.
const WASI: &str = "0.2.12";

/// A folder that a component may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// The folder on this machine.
    pub host: PathBuf,
    /// Its path as the component sees it.
    pub guest: String,
    /// Whether the component may change anything in it.
    pub writable: bool,
}

/// What a component may reach. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders.
    pub dirs: Vec<Dir>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Sockets and name look-up.
    pub network: bool,
    /// The wall clock, the monotonic clock and timers.
    pub clocks: bool,
    /// Secure and insecure randomness.
    pub randomness: bool,
}

/// A group of WASI interfaces that one flag grants.
#[derive(Clone, Copy)]
enum Group {
    Io,
    Cli,
    Filesystem,
    Clocks,
    Random,
    Sockets,
}

impl Group {
    /// The group of the interface that `import` names, as in
    /// `wasi:cli/stdout@0.2.0`.
    fn of(import: &str) -> Option<Self> {
        let (package, _) = import.split_once('/')?;
        let version = import.rsplit_once('@').map_or("", |(_, version)| version);
        if !version.starts_with("0.2.") {
            return None;
        }
        match package {
            "wasi:io" => Some(Self::Io),
            "wasi:cli" => Some(Self::Cli),
            "wasi:filesystem" => Some(Self::Filesystem),
            "wasi:clocks" => Some(Self::Clocks),
            "wasi:random" => Some(Self::Random),
            "wasi:sockets" => Some(Self::Sockets),
            _ => None,
        }
    }

    /// The flag that grants the group, if it needs one.
    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Io | Self::Cli | Self::Filesystem => None,
            Self::Clocks => Some("--clocks"),
            Self::Random => Some("--randomness"),
            Self::Sockets => Some("--network"),
        }
    }
}

impl Grants {
    fn has(&self, group: Group) -> bool {
        match group {
            Group::Io | Group::Cli | Group::Filesystem => true,
            Group::Clocks => self.clocks,
            Group::Random => self.randomness,
            Group::Sockets => self.network,
        }
    }

    /// A linker with what `component` imports, as far as it is granted.
    pub(super) fn linker(&self, component: &Component) -> Result<Linker<State>, ComponentError> {
        let mut linker = Linker::new(component.engine());
        // A stub takes the place of a function that was linked before it.
        linker.allow_shadowing(true);
        self.link(&mut linker, component)
            .map_err(|error| ComponentError::Link(crate::engine::one_line(&error)))?;
        let ty = component.component_type();
        for (name, import) in ty.imports(component.engine()) {
            // What an interface only names needs nobody to give it.
            let needs_nothing = match &import.ty {
                ComponentItem::ComponentInstance(interface) => interface
                    .exports(component.engine())
                    .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))),
                _ => false,
            };
            if Group::of(name).is_none() && !needs_nothing {
                return Err(ComponentError::Import(name.to_owned()));
            }
        }
        Ok(linker)
    }

    fn link(&self, linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
        let engine = component.engine();
        let ty = component.component_type();
        let imported: Vec<_> = ty.imports(engine).collect();
        let wants = |package: &str| imported.iter().any(|(name, _)| name.starts_with(package));
        link_io(linker)?;
        if wants("wasi:cli/") {
            link_cli(linker)?;
        }
        if wants("wasi:filesystem/") {
            filesystem::types::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
            filesystem::preopens::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
        }
        // The types of the file system name those of the wall clock.
        if wants("wasi:clocks/") || wants("wasi:filesystem/") {
            clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
            clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
        }
        if wants("wasi:random/") {
            random::random::add_to_linker::<_, WasiRandom>(linker, |s| s.ctx().ctx.random())?;
            random::insecure::add_to_linker::<_, WasiRandom>(linker, |s| s.ctx().ctx.random())?;
            random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |s| {
                s.ctx().ctx.random()
            })?;
        }
        if wants("wasi:sockets/") {
            link_sockets(linker)?;
        }
        for (name, import) in &imported {
            let Some(group) = Group::of(name) else {
                continue;
            };
            let (false, Some(flag)) = (self.has(group), group.flag()) else {
                continue;
            };
            let ComponentItem::ComponentInstance(interface) = &import.ty else {
                continue;
            };
            let path = name.split('@').next().unwrap_or(name);
            // Programs seed their hash maps with this; it is a constant then.
            if path == "wasi:random/insecure-seed" {
                continue;
            }
            let mut stubs = linker.instance(&format!("{path}@{WASI}"))?;
            for (function, item) in interface.exports(engine) {
                if !matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                    continue;
                }
                let import = format!("{path}.{function}");
                stubs.func_new(function, move |_, _, _, _| {
                    Err(RunError::NotGranted {
                        import: import.clone(),
                        flag,
                    }
                    .into())
                })?;
            }
        }
        Ok(())
    }

    /// Puts what is granted into the WASI state of one sandbox under `limits`. Its folders
    /// are the component's.
    pub(crate) fn apply(&self, wasi: &mut WasiCtxBuilder, limits: &Limits) {
        wasi.envs(&self.env);
        wasi.max_random_size(limits.get(Limit::HostCall));
        wasi.insecure_random_seed(0);
        if self.randomness {
            wasi.insecure_random_seed(fresh_seed());
        }
        if self.network {
            wasi.inherit_network()
                .allow_tcp(true)
                .allow_udp(true)
                .allow_ip_name_lookup(true);
        }
    }
}

/// A seed that differs from run to run; the standard library draws it from the
/// kernel.
fn fresh_seed() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    let draw = || u128::from(RandomState::new().hash_one(0));
    draw() << 64 | draw()
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

fn link_io(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<_, HasIo>(linker, |state| state.ctx().table)?;
    io::poll::add_to_linker::<_, HasIo>(linker, |state| state.ctx().table)?;
    io::streams::add_to_linker::<_, HasStreams>(linker, |state| Streams::of(state))
}

fn link_cli(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)
}

fn link_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, HasLookups>(linker, |state| Lookups(state))?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, State::sockets)
}
