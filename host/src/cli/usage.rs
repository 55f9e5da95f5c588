//! Errors of arguments and variables, completed with what clap leaves out: the variable that a
//! value is from, the value that is not UTF-8, and the command for a component.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error};

use super::arguments::CommandLine;
use super::message::wrong;
use super::paths::shown;

/// `error`, which `command` returned for `arguments`, with what clap leaves out.
pub(super) fn explain(error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let message = match error.kind() {
        ErrorKind::InvalidUtf8 => not_utf8(command, arguments),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            component(command, arguments).or_else(|| variable(&error, command, arguments))
        }
        ErrorKind::InvalidSubcommand => component(command, arguments),
        ErrorKind::UnknownArgument => {
            component(command, arguments).or_else(|| flag_of_component(&error, command, arguments))
        }
        _ => None,
    };
    match message {
        Some(message) => Error::raw(ErrorKind::ValueValidation, message),
        None => error,
    }
}

/// The message for a component in place of a subcommand or of N.
fn component(command: &Command, arguments: &[OsString]) -> Option<String> {
    let line = CommandLine::of(command, arguments);
    let expected = match line.subcommand {
        None => "a command".to_owned(),
        Some(command) => {
            let mut positionals = command.get_positionals();
            positionals.next().filter(|arg| arg.get_id() == "n")?;
            format!("an integer from 0 to {} for N", u64::MAX)
        }
    };
    let name = line.component()?;
    Some(format!(
        "expected {expected}, got the component `{name}`; use `cocoon exec {name}` to run it"
    ))
}

/// The message for an unknown flag after the component that `exec` runs.
fn flag_of_component(error: &Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let line = CommandLine::of(command, arguments);
    let is_exec = line.subcommand?.get_name() == "exec";
    let flag = error.get(ContextKind::InvalidArg)?.to_string();
    let is_misspelt = error.get(ContextKind::SuggestedArg).is_some();
    (is_exec && line.operand.is_some() && !is_misspelt).then(|| {
        format!("unexpected argument '{flag}' found; use `-- {flag}` to pass it to the component")
    })
}

/// The message for a value from a variable.
fn variable(error: &Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let wrong_arg = error.get(ContextKind::InvalidArg)?.to_string();
    let command = built(command);
    let mut all = command
        .get_arguments()
        .chain(command.get_subcommands().flat_map(Command::get_arguments));
    let arg = all.find(|arg| arg.get_env().is_some() && arg.to_string() == wrong_arg)?;
    let (name, long) = (arg.get_env()?, arg.get_long()?);
    let flag = format!("--{long}");
    let typed = |argument: &OsString| {
        let rest = argument.as_encoded_bytes().strip_prefix(flag.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
    };
    let own = CommandLine::of(&command, arguments).own;
    if env::var_os(name).is_none() || own.iter().any(typed) {
        return None;
    }
    Some(format!("{}: {}", name.display(), wrong(error)))
}

/// The message for a value that must be UTF-8 and is not. clap does not name the value.
fn not_utf8(command: &Command, arguments: &[OsString]) -> Option<String> {
    // Every value is accepted here, UTF-8 or not, and parsed later.
    let matches = accept_all(command.clone())
        .mut_subcommands(accept_all)
        .try_get_matches_from(arguments)
        .ok()?;
    let command = built(command);
    let of_subcommand = matches
        .subcommand()
        .and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    of_subcommand
        .into_iter()
        .chain([(&command, &matches)])
        .find_map(|(command, matches)| {
            command
                .get_arguments()
                .find_map(|arg| not_utf8_of(arg, matches))
        })
}

/// `command` with its arguments completed, so that clap can name them.
fn built(command: &Command) -> Command {
    let mut command = command.clone();
    command.build();
    command
}

fn not_utf8_of(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = arg.get_id().as_str();
    let mut values = matches.try_get_raw(id).ok().flatten()?;
    let value = values.find(|value| value.to_str().is_none() && must_be_utf8(arg, value))?;
    let variable = match matches.value_source(id) {
        Some(ValueSource::EnvVariable) => arg.get_env(),
        _ => None,
    };
    let from = variable.map_or_else(String::new, |name| format!("{}: ", name.display()));
    Some(format!(
        "{from}expected UTF-8 for '{arg}', got `{}`",
        shown(Path::new(value))
    ))
}

fn accept_all(command: Command) -> Command {
    command.mut_args(|arg| {
        if arg.get_action().takes_values() {
            arg.value_parser(OsStringValueParser::new())
        } else {
            arg
        }
    })
}

fn must_be_utf8(arg: &Arg, value: &OsStr) -> bool {
    let parsed = parse_alone(arg, value);
    parsed.is_err_and(|error| error.kind() == ErrorKind::InvalidUtf8)
}

/// Parses `value` as `arg` does, without the arguments that `arg` requires or excludes.
pub(super) fn parse_alone(arg: &Arg, value: &OsStr) -> Result<(), Error> {
    let alone = Arg::new("value")
        .long("value")
        .value_parser(arg.get_value_parser().clone());
    let mut argument = OsString::from("--value=");
    argument.push(value);
    Command::new("")
        .no_binary_name(true)
        .arg(alone)
        .try_get_matches_from([argument])
        .map(|_| ())
}
