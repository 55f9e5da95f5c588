//! Warnings of environment variables with the prefix of this program that no command reads.
//! Without them, a misspelt variable would have no effect and no message.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, Command};
use tracing::warn;

use crate::cli::log::LOG_VARIABLE;
use crate::cli::paths::shown;

const PREFIX: &str = "COCOON_";

/// The most unknown variables that are named; the rest is counted.
const NAMED_MAX: usize = 16;

/// Logs each variable with the prefix that no command reads.
pub(crate) fn report_unknown(commands: &Command) {
    let known: BTreeSet<_> = variables(commands)
        .chain([OsStr::new(LOG_VARIABLE)])
        .collect();
    let unknown = env::vars_os().filter(|(name, value)| {
        let ours = name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        ours && !known.contains(name.as_os_str()) && !is_service_link(name, value)
    });
    let unknown: BTreeSet<OsString> = unknown.map(|(name, _)| name).collect();
    for name in unknown.iter().take(NAMED_MAX) {
        let variable = shown(Path::new(name));
        let nearest = nearest(&known, name);
        warn!(variable, nearest, "unknown variable");
    }
    if unknown.len() > NAMED_MAX {
        warn!(more = unknown.len() - NAMED_MAX, "unknown variables");
    }
}

/// The variables of all arguments.
fn variables(commands: &Command) -> impl Iterator<Item = &OsStr> {
    let of_all = commands.get_subcommands().flat_map(Command::get_arguments);
    commands
        .get_arguments()
        .chain(of_all)
        .filter_map(Arg::get_env)
}

/// Returns the known variable that is most similar to `name`, or `None` if none is similar.
fn nearest<'a>(known: &BTreeSet<&'a OsStr>, name: &OsStr) -> Option<&'a str> {
    /// The least Jaro similarity, from 0 to 1. clap suggests flags from 0.7.
    const LIKENESS_MIN: f64 = 0.8;
    let of_name = |name: &'a OsStr| name.to_str()?.strip_prefix(PREFIX);
    let wrong = name.to_str()?.strip_prefix(PREFIX)?;
    let likeness = |known: &str| strsim::jaro(known, wrong);
    let names = known
        .iter()
        .filter_map(|name| Some((likeness(of_name(name)?), name.to_str()?)));
    let (most, nearest) = names.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (most >= LIKENESS_MIN).then_some(nearest)
}

/// Whether the kubelet sets such a variable in all pods of a namespace, for a Service `cocoon` or
/// `cocoon-…`.
fn is_service_link(name: &OsStr, value: &OsStr) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let Some(name) = name.to_str() else {
        return false;
    };
    // NAME_SERVICE_HOST, NAME_SERVICE_PORT, and NAME_SERVICE_PORT_HTTP for a named port.
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    // NAME_PORT=tcp://10.0.0.1:8080
    if name.ends_with("_PORT") && value.to_str().is_some_and(|value| value.contains("://")) {
        return true;
    }
    // NAME_PORT_8080_TCP, and the same with _ADDR, _PORT or _PROTO.
    name.match_indices("_PORT_").any(|(at, word)| {
        let mut rest = name[at + word.len()..].split('_');
        let number = rest
            .next()
            .is_some_and(|number| number.parse::<u16>().is_ok());
        let protocol = rest
            .next()
            .is_some_and(|protocol| PROTOCOLS.contains(&protocol));
        let part = rest
            .next()
            .is_none_or(|part| ["ADDR", "PORT", "PROTO"].contains(&part));
        number && protocol && part && rest.next().is_none()
    })
}
