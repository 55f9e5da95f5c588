//! Reading and checking of configuration files, with errors that name the line.
//!
//! Every command checks the whole file, so that an error in the settings of another command is
//! found at once.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use cocoon::limits::CONFIG_BYTES_MAX;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::decimal::decimal;
#[cfg(feature = "compiler")]
use super::routes;
use super::{RouteSettings, Setting, configurable, exclude, settable};
use crate::cli::message::wrong;
use crate::cli::paths::shown;
use crate::cli::usage::parse_alone;

/// The error of a file that is not a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {file}: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("expected a configuration of at most {} KiB, got more in {file}", CONFIG_BYTES_MAX >> 10)]
    TooLong { file: String },
    #[error("{file}:{line}: {what}")]
    Wrong {
        file: String,
        line: usize,
        what: String,
    },
}

/// A message, and its line.
type Wrong = (String, usize);

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) settings: Vec<Setting>,
    pub(super) routes: Vec<RouteSettings>,
}

/// The table and the key of the routes.
const ROUTES: (&str, &str) = ("serve", "route");

/// Reads the settings in the file at `path` for the flags of `commands`, and the routes.
pub(super) fn read(path: &Path, commands: &Command) -> Result<Contents, ConfigError> {
    let file = shown(path);
    let text = match read_text(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(ConfigError::TooLong { file }),
        Err(error) => return Err(ConfigError::Unreadable { file, error }),
    };
    let lines = Lines(&text);
    let base = path.parent().unwrap_or(Path::new(""));
    contents(&lines, commands, base).map_err(|(what, line)| ConfigError::Wrong { file, line, what })
}

/// The text of a file, which maps positions to lines.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, span: &Range<usize>) -> usize {
        let before = self.0.as_bytes().iter().take(span.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Reads a file. `None` means that it is too long.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    File::open(path)?
        .take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    Ok((text.len() as u64 <= CONFIG_BYTES_MAX).then_some(text))
}

fn contents(lines: &Lines<'_>, commands: &Command, base: &Path) -> Result<Contents, Wrong> {
    let table = DeTable::parse(lines.0).map_err(|error| {
        let span = error.span().unwrap_or_default();
        (error.message().to_owned(), lines.of(&span))
    })?;
    let table = table.into_inner();
    let mut settings = Vec::new();
    let mut routes = Vec::new();
    // Tables first: a value for one command takes precedence over a value for all.
    for (name, value) in &table {
        let Some(of_one) = value.get_ref().as_table() else {
            continue;
        };
        let command =
            configurable(commands).find(|command| command.get_name() == name.get_ref().as_ref());
        let Some(command) = command else {
            let what = unknown_table(commands, name.get_ref());
            return Err((what, lines.of(&name.span())));
        };
        for (key, value) in of_one {
            if (command.get_name(), &**key.get_ref()) == ROUTES {
                routes = parse_routes(value, base, lines)?;
            } else if !add(&mut settings, command, key, value, lines)? {
                let what = unknown_key(commands, Some(command), key.get_ref());
                return Err((what, lines.of(&key.span())));
            }
        }
    }
    for (key, value) in &table {
        if value.get_ref().is_table() {
            continue;
        }
        let mut known = false;
        let mut wrong = None;
        for command in configurable(commands) {
            match add(&mut settings, command, key, value, lines) {
                Ok(has_flag) => known |= has_flag,
                // `queue` is a limit of some commands and an address of others.
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        if !known {
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
            let what = unknown_key(commands, None, key.get_ref());
            return Err((what, lines.of(&key.span())));
        }
    }
    for command in configurable(commands) {
        contradictions(&settings, command)?;
    }
    Ok(Contents { settings, routes })
}

#[cfg(feature = "compiler")]
fn parse_routes(
    value: &Spanned<DeValue<'_>>,
    base: &Path,
    lines: &Lines<'_>,
) -> Result<Vec<RouteSettings>, Wrong> {
    routes::parse(value, base, |span| lines.of(span))
        .map_err(|(what, span)| (what, lines.of(&span)))
}

#[cfg(not(feature = "compiler"))]
fn parse_routes(
    value: &Spanned<DeValue<'_>>,
    _: &Path,
    lines: &Lines<'_>,
) -> Result<Vec<RouteSettings>, Wrong> {
    let what = "expected no routes, since this build of cocoon has no compiler, got `route`";
    Err((what.to_owned(), lines.of(&value.span())))
}

/// Adds the value of `key` for `command` unless it is set, and returns whether the command has
/// such a flag.
fn add(
    settings: &mut Vec<Setting>,
    command: &Command,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    lines: &Lines<'_>,
) -> Result<bool, Wrong> {
    let Some((key_of_it, arg)) = settable(command).find(|(long, _)| long == key.get_ref()) else {
        return Ok(false);
    };
    let values =
        values(key_of_it, arg, value.get_ref()).map_err(|what| (what, lines.of(&value.span())))?;
    let (name, id) = (command.get_name(), arg.get_id().as_str());
    let set = settings
        .iter()
        .any(|setting| setting.command == name && setting.id == id);
    if !set {
        settings.push(Setting {
            command: name.to_owned(),
            id: id.to_owned(),
            key: key_of_it.to_owned(),
            values: values
                .into_iter()
                .map(|text| &*String::leak(text))
                .collect(),
            line: lines.of(&key.span()),
        });
    }
    Ok(true)
}

/// Returns the values as they are typed after the flag.
fn values(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(on)) => Ok(vec![on.to_string()]),
        (ArgAction::SetTrue, _) => Err(format!(
            "expected true or false for `{key}`, got another value; use `{key} = true` or `{key} = false`"
        )),
        (ArgAction::Append, DeValue::Array(list)) => list
            .iter()
            .map(|value| one(key, arg, value.get_ref()))
            .collect(),
        _ => Ok(vec![one(key, arg, value)?]),
    }
}

fn one(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    let (text, quoted) = match value {
        DeValue::String(text) => (text.to_string(), true),
        DeValue::Integer(number) => (decimal(number), true),
        DeValue::Float(number) => (number.as_str().to_owned(), false),
        DeValue::Boolean(on) => (on.to_string(), false),
        DeValue::Datetime(time) => (time.to_string(), false),
        DeValue::Array(_) | DeValue::Table(_) => {
            let name = arg.get_value_names().and_then(<[_]>::first);
            let name = name.map_or("VALUE", |name| name.as_str());
            return Err(match arg.get_action() {
                ArgAction::Append => {
                    format!(
                        "expected strings for `{key}`, got another value; use `{key} = [\"{name}\", …]`"
                    )
                }
                _ => {
                    format!("expected one value for `{key}`, got several; use `{key} = \"{name}\"`")
                }
            });
        }
    };
    check(key, arg, &text)?;
    if quoted {
        Ok(text)
    } else {
        let written = match arg.get_action() {
            // One of several strings in an array.
            ArgAction::Append => format!("\"{text}\""),
            _ => format!("`{key} = \"{text}\"`"),
        };
        Err(format!(
            "expected a string for `{key}`, got `{text}` without quotes; use {written}"
        ))
    }
}

/// Checks that `text` is a value of `arg`.
///
/// # Errors
///
/// The message of its parser.
pub(crate) fn check(key: &str, arg: &Arg, text: &str) -> Result<(), String> {
    parse_alone(arg, text.as_ref()).map_err(|error| match error.source() {
        Some(why) => format!("invalid value `{text}` for `{key}`: {why}"),
        None if text.is_empty() => format!("expected a value for `{key}`, got an empty string"),
        None => format!("invalid value `{text}` for `{key}`: {}", wrong(&error)),
    })
}

/// Checks that no two settings of one command conflict.
fn contradictions(settings: &[Setting], command: &Command) -> Result<(), Wrong> {
    let of_it: Vec<_> = settings
        .iter()
        .filter(|setting| setting.command == command.get_name() && setting.values != ["false"])
        .collect();
    for (at, one) in of_it.iter().enumerate() {
        for other in &of_it[at + 1..] {
            if exclude(command, &one.id, &other.id) {
                let what = format!(
                    "expected one of `{}` (line {}) and `{}` (line {}) for `{}`, got both; remove one",
                    one.key,
                    one.line,
                    other.key,
                    other.line,
                    command.get_name()
                );
                return Err((what, one.line.max(other.line)));
            }
        }
    }
    Ok(())
}

fn unknown_table(commands: &Command, name: &str) -> String {
    let names: Vec<_> = configurable(commands).map(Command::get_name).collect();
    format!(
        "expected a key or the table of a command ({}), got `[{name}]`",
        names.join(", ")
    )
}

fn unknown_key(commands: &Command, command: Option<&Command>, key: &str) -> String {
    let among: Vec<_> = match command {
        Some(command) => vec![command],
        None => configurable(commands).collect(),
    };
    let meant = among
        .into_iter()
        .find_map(|command| similar(commands, command, key));
    let (of, help) = match command.map(Command::get_name) {
        Some(name) => (format!("`{name}`"), name),
        None => ("any command".to_owned(), "COMMAND"),
    };
    let advice = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        // `cocoon config` would refuse this file, too, and cannot list the flags.
        None => format!("see `cocoon {help} --help`"),
    };
    format!("expected a long flag of {of}, got `{key}`; {advice}")
}

/// Returns the flag of `command` that clap suggests for `key`.
fn similar(commands: &Command, command: &Command, key: &str) -> Option<String> {
    let arguments = ["cocoon", command.get_name(), &format!("--{key}")].map(str::to_owned);
    let error = commands.clone().try_get_matches_from(arguments).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => {
            let flag = flag.trim_start_matches('-');
            settable(command)
                .any(|(long, _)| long == flag)
                .then(|| flag.to_owned())
        }
        _ => None,
    }
}
