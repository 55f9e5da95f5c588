//! WASI 0.3, which a component may import beside WASI 0.2.
//!
//! Wasmtime calls its implementation experimental. Files, name lookup and the creation of sockets
//! run under this program's own bounds here. Clocks, randomness, sockets and the streams of
//! standard input and output are Wasmtime's, over the same capabilities as those of WASI 0.2.

use wasmtime::component::Linker;
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p3::bindings::{clocks, filesystem};
use wasmtime_wasi::p3::{cli, random};

use super::clocks::{Clocks, HasClocks};
use super::files::{Files, HasFiles};
use super::p3_sockets;
use super::state::State;

/// Links the interfaces of the packages that `wants` selects.
pub(super) fn link(
    linker: &mut Linker<State>,
    wants: impl Fn(&str) -> bool,
) -> wasmtime::Result<()> {
    if wants("wasi:cli/") {
        cli::add_to_linker(linker)?;
    }
    // The types of the file system name those of the clocks.
    if wants("wasi:clocks/") || wants("wasi:filesystem/") || wants("wasi:sockets/") {
        clocks::types::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
        clocks::system_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
        clocks::monotonic_clock::add_to_linker::<_, HasClocks>(linker, |state| Clocks(state))?;
    }
    if wants("wasi:random/") {
        random::add_to_linker(linker)?;
    }
    if wants("wasi:filesystem/") {
        filesystem::types::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
        filesystem::preopens::add_to_linker::<_, HasFiles>(linker, |state| Files(state))?;
    }
    if wants("wasi:sockets/") {
        p3_sockets::link(linker)?;
    }
    #[cfg(feature = "service")]
    if wants("wasi:http/") {
        super::p3_http::link(linker)?;
    }
    Ok(())
}
