//! Requests per second of one component under several servers, by wrk.

use std::path::Path;

use anyhow::{Context as _, ensure};

use super::super::client::Client;
use super::super::server::{Programs, Server, WASMTIME_HANDLER_TUNING};
use super::super::speed::{NATIVE, Speed, WASMTIME, compare, path};
use super::{COCOON, REUSE, example};
use crate::ANSWER;

/// Requests that one sandbox answers.
const REUSE_REQUESTS: u64 = 1000;

/// Servers in the order of the report.
struct Servers(Vec<(&'static str, Server)>);

impl Servers {
    /// The handler under Cocoon, and under Wasmtime if there is one.
    fn of(
        programs: &Programs,
        component: &Path,
        cocoon_flags: &[&str],
        wasmtime_flags: &[&str],
    ) -> anyhow::Result<Self> {
        let cocoon = Server::cocoon_handler(&programs.cocoon, component, cocoon_flags)?;
        let mut servers = vec![(COCOON, cocoon)];
        if let Ok((wasmtime, ..)) = &programs.wasmtime {
            let flags = [&WASMTIME_HANDLER_TUNING, wasmtime_flags].concat();
            let server = Server::wasmtime_with(wasmtime, component, &flags)?;
            servers.push((WASMTIME, server));
        }
        Ok(Self(servers))
    }

    /// Asserts that all answer with a body that `is_right`, and measures them.
    async fn measure(
        self,
        path: &str,
        is_right: impl Fn(&[u8]) -> bool,
        rounds: u64,
        seconds: u64,
    ) -> anyhow::Result<Vec<Speed>> {
        for (name, server) in &self.0 {
            let mut client = Client::connect(server.address).await?;
            let body = client.body(path).await.context(*name)?;
            ensure!(is_right(&body), "{name} answers with {body:?}");
        }
        compare(&self.0, path, rounds, seconds)
    }
}

/// The handler of `benches/proxy`, and a native one.
pub(super) async fn rust(
    programs: &Programs,
    component: &Path,
    rounds: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Speed>> {
    let mut servers = Servers::of(programs, component, &[], &[])?;
    servers.0.push((NATIVE, Server::native()?));
    let is_right = |body: &[u8]| body == ANSWER.as_bytes();
    servers.measure(&path(), is_right, rounds, seconds).await
}

/// The proxy in front of the native handler.
pub(super) async fn javascript(
    programs: &Programs,
    rounds: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Speed>> {
    let component = example("javascript", "proxy.wasm")?;
    let upstream = Server::native()?;
    let host = upstream.address.to_string();
    let variable = format!("UPSTREAM=http://{host}");
    let cocoon_flags = ["--env", &*variable, "--allow-http", &*host];
    let wasmtime_flags = ["--env", &*variable];
    let servers = Servers::of(programs, &component, &cocoon_flags, &wasmtime_flags)?;
    let is_right = |body: &[u8]| body == ANSWER.as_bytes();
    servers.measure(&path(), is_right, rounds, seconds).await
}

/// The renderer, fresh, and with a sandbox for many requests.
pub(super) async fn python(
    programs: &Programs,
    rounds: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Speed>> {
    let component = example("python", "page.wasm")?;
    let mut servers = Servers::of(programs, &component, &[], &[])?;
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("cocoon.toml");
    let route = format!(
        "[[serve.route]]\npath = \"/\"\ncomponent = {:?}\nreuse = {REUSE_REQUESTS}\n",
        component.display().to_string()
    );
    std::fs::write(&configuration, route)?;
    let reuse = Server::cocoon_routes(&programs.cocoon, &configuration)?;
    servers.0.push((REUSE, reuse));
    let is_right = |body: &[u8]| body.starts_with(b"<h1>Markdown</h1>");
    servers.measure("/", is_right, rounds, seconds).await
}
