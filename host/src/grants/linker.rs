//! The linker of a component's WASI imports.
//!
//! Every interface of WASI is linked if it is imported, whether granted or not. One that is not
//! granted holds nothing (no folder, no variable), or its calls fail as it defines (sockets,
//! `wasi:http`).

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{I32Exit, WasiView as _};

use super::GrantError;
use super::cli_calls::{CliCalls, HasCli};
use super::clocks::{Clocks, HasClocks};
use super::files::{Files, HasFiles};
use super::lookup::{HasLookups, Lookups};
use super::sockets::{HasSockets, Sockets};
use super::state::State;
use super::streams::{HasStreams, Streams};
use crate::engine::one_line;

/// The interface by which core modules of preview 1 exit.
pub(crate) const EXIT: &str = "cocoon:preview1/exit";
/// Its function, which takes the whole exit code.
pub(crate) const EXIT_FUNCTION: &str = "proc-exit";

/// Whether `import`, as in `wasi:cli/stdout@0.2.0`, names an interface that is linked.
fn is_linked(import: &str) -> bool {
    if import == EXIT {
        return true;
    }
    let Some((package, _)) = import.split_once('/') else {
        return false;
    };
    let version = import.rsplit_once('@').map_or("", |(_, version)| version);
    let is_p2 = version.starts_with("0.2.");
    match package {
        "wasi:cli" | "wasi:filesystem" | "wasi:clocks" | "wasi:random" | "wasi:sockets" => {
            is_p2 || is_p3(import)
        }
        "wasi:io" => is_p2,
        #[cfg(feature = "service")]
        "wasi:http" => {
            let is_handler = import.contains("/incoming-handler@") || import.contains("/handler@");
            (is_p2 || is_p3(import)) && !is_handler
        }
        _ => false,
    }
}

/// Whether an import is of WASI 0.3.
fn is_p3(import: &str) -> bool {
    let version = import.rsplit_once('@').map_or("", |(_, version)| version);
    version.starts_with("0.3.")
}

/// A linker for the imports of `component`. The state of each sandbox decides what is granted.
///
/// # Errors
///
/// [`GrantError::Import`] for an import of another kind.
pub(crate) fn linker(component: &Component) -> Result<Linker<State>, GrantError> {
    let mut linker = Linker::new(component.engine());
    // A function of ours takes the place of Wasmtime's.
    linker.allow_shadowing(true);
    link(&mut linker, component).map_err(|error| GrantError::Link(one_line(&error)))?;
    let engine = component.engine();
    let ty = component.component_type();
    let items = |import: ComponentItem| match import {
        ComponentItem::ComponentInstance(interface) => {
            interface.exports(engine).map(|(_, item)| item.ty).collect()
        }
        other => vec![other],
    };
    let mut resources = Vec::new();
    for (name, import) in ty.imports(engine) {
        let mut items = items(import.ty).into_iter();
        if is_linked(name) {
            resources.extend(items.filter_map(|item| match item {
                ComponentItem::Resource(resource) => Some(resource),
                _ => None,
            }));
            continue;
        }
        // An interface of types, and of resources of other interfaces, needs no implementation.
        let is_types = items.all(|item| match item {
            ComponentItem::Type(_) => true,
            ComponentItem::Resource(resource) => resources.contains(&resource),
            _ => false,
        });
        if !is_types {
            return Err(GrantError::Import {
                import: name.to_owned(),
            });
        }
    }
    Ok(linker)
}

fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    let ty = component.component_type();
    let imported: Vec<_> = ty.imports(engine).collect();
    let wants = |package: &str| imported.iter().any(|(name, _)| name.starts_with(package));
    link_io(linker)?;
    if wants("wasi:cli/") {
        link_cli(linker)?;
    }
    if wants(EXIT) {
        linker.instance(EXIT)?.func_wrap(
            EXIT_FUNCTION,
            |_, (code,): (u32,)| -> wasmtime::Result<()> {
                Err(I32Exit(code.cast_signed()).into())
            },
        )?;
    }
    if wants("wasi:filesystem/") {
        filesystem::types::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
        filesystem::preopens::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
    }
    // The types of the file system name those of the wall clock.
    if wants("wasi:clocks/") || wants("wasi:filesystem/") {
        clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
        clocks::monotonic_clock::add_to_linker::<_, HasClocks>(linker, |state| Clocks(state))?;
    }
    if wants("wasi:random/") {
        random::random::add_to_linker::<_, WasiRandom>(linker, |s| s.ctx().ctx.random())?;
        random::insecure::add_to_linker::<_, WasiRandom>(linker, |s| s.ctx().ctx.random())?;
        random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |s| s.ctx().ctx.random())?;
    }
    if wants("wasi:sockets/") {
        link_sockets(linker)?;
    }
    #[cfg(feature = "service")]
    if wants("wasi:http/") {
        super::http::link(linker)?;
    }
    let imports_p3 = |package: &str| {
        let of = |name: &str| name.starts_with(package) && is_p3(name);
        imported.iter().any(|(name, _)| of(name))
    };
    super::p3::link(linker, imports_p3)?;
    Ok(())
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

fn link_io(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<_, HasIo>(linker, |state| &mut state.resources)?;
    io::poll::add_to_linker::<_, HasIo>(linker, |state| &mut state.resources)?;
    io::streams::add_to_linker::<_, HasStreams>(linker, |state| Streams::of(state))
}

fn link_cli(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    cli::exit::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::environment::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::stdin::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::stdout::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::stderr::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::terminal_input::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::terminal_output::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::terminal_stdin::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::terminal_stdout::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))?;
    cli::terminal_stderr::add_to_linker::<_, HasCli>(linker, |state| CliCalls(state))
}

fn link_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, HasLookups>(linker, |state| Lookups(state))?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, HasSockets>(linker, |state| Sockets(state))?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, HasSockets>(linker, |state| Sockets(state))
}
