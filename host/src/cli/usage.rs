//! Errors of arguments and variables, completed with the source that clap leaves out:
//! the variable that gave a value, and the value that is not UTF-8.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error};

use super::message::wrong;
use super::paths::shown;

/// `error`, which `command` returned for `arguments`, with its source.
pub(super) fn explain(error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let source = match error.kind() {
        ErrorKind::InvalidUtf8 => not_utf8,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => variable,
        _ => return error,
    };
    let message = source(&error, command, arguments);
    match message {
        Some(message) => Error::raw(ErrorKind::ValueValidation, message),
        None => error,
    }
}

/// The message for a value that a variable gave.
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
    if env::var_os(name).is_none() || ours(arguments).any(typed) {
        return None;
    }
    Some(format!("{}: {}", name.display(), wrong(error)))
}

/// The message for a value that must be UTF-8 and is not. clap does not name it.
fn not_utf8(_: &Error, command: &Command, arguments: &[OsString]) -> Option<String> {
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

/// `command` with all that it needs to name its arguments.
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

/// Parses `value` as `arg` does, without the arguments that it needs or excludes.
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

/// The arguments of this program, without those of a component behind `--`.
pub(super) fn ours(arguments: &[OsString]) -> impl Iterator<Item = &OsString> {
    arguments.iter().take_while(|argument| *argument != "--")
}
