//! The file of a configuration: what it may say, and where it is wrong.
//!
//! All of it is checked whichever command runs, so that a mistake is found when
//! it is made.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::{Setting, configurable, exclude, settable};
use crate::cli::failure;

/// No configuration is longer.
const BYTES_MAX: u64 = 64 << 10;

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {file}: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("{file} is longer than {} KiB; a configuration must be shorter", BYTES_MAX >> 10)]
    TooLong { file: String },
    #[error("{file}:{line}: {what}")]
    Wrong {
        file: String,
        line: usize,
        what: String,
    },
}

/// What is wrong, and in which line.
type Wrong = (String, usize);

/// What the file at `path` says of the flags of `commands`.
pub(super) fn read(path: &Path, commands: &Command) -> Result<Vec<Setting>, ConfigError> {
    let file = path.display().to_string();
    let text = match read_text(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(ConfigError::TooLong { file }),
        Err(error) => return Err(ConfigError::Unreadable { file, error }),
    };
    let lines = Lines(&text);
    settings(&lines, commands).map_err(|(what, line)| ConfigError::Wrong { file, line, what })
}

/// The text of a file, which knows its lines.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, span: &Range<usize>) -> usize {
        let before = self.0.as_bytes().iter().take(span.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// The text of a file, unless it is too long.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    File::open(path)?
        .take(BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    Ok((text.len() as u64 <= BYTES_MAX).then_some(text))
}

fn settings(lines: &Lines<'_>, commands: &Command) -> Result<Vec<Setting>, Wrong> {
    let table = DeTable::parse(lines.0).map_err(|error| {
        let span = error.span().unwrap_or_default();
        (error.message().to_owned(), lines.of(&span))
    })?;
    let table = table.into_inner();
    let mut settings = Vec::new();
    // Tables first: what is said of one command weighs more than what is said of all.
    for (name, value) in &table {
        let Some(of_one) = value.get_ref().as_table() else {
            continue;
        };
        let command =
            configurable(commands).find(|command| command.get_name() == name.get_ref().as_ref());
        let Some(command) = command else {
            let what = no_command(commands, name.get_ref());
            return Err((what, lines.of(&name.span())));
        };
        for (key, value) in of_one {
            if !add(&mut settings, command, key, value, lines)? {
                let what = no_key(commands, Some(command), key.get_ref());
                return Err((what, lines.of(&key.span())));
            }
        }
    }
    for (key, value) in &table {
        if value.get_ref().is_table() {
            continue;
        }
        let mut known = false;
        for command in configurable(commands) {
            known |= add(&mut settings, command, key, value, lines)?;
        }
        if !known {
            let what = no_key(commands, None, key.get_ref());
            return Err((what, lines.of(&key.span())));
        }
    }
    for command in configurable(commands) {
        contradictions(&settings, command)?;
    }
    Ok(settings)
}

/// Adds what `key` says of `command`, unless that is said already, or returns
/// false if the command has no such flag.
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
    let said = settings
        .iter()
        .any(|setting| setting.command == name && setting.id == id);
    if !said {
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

/// A value of the file as it would be typed.
fn values(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(on)) => Ok(vec![on.to_string()]),
        (ArgAction::SetTrue, _) => Err(format!(
            "`{key}` is on or off; write `{key} = true` or `{key} = false`"
        )),
        (ArgAction::Append, DeValue::Array(list)) => list
            .iter()
            .map(|value| one(key, arg, value.get_ref()))
            .collect(),
        _ => Ok(vec![one(key, arg, value)?]),
    }
}

fn one(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    let (text, written) = match value {
        DeValue::String(text) => (text.to_string(), true),
        DeValue::Integer(number) => (decimal(number), true),
        DeValue::Float(number) => (number.as_str().to_owned(), false),
        DeValue::Boolean(on) => (on.to_string(), false),
        DeValue::Datetime(time) => (time.to_string(), false),
        DeValue::Array(_) | DeValue::Table(_) => {
            return Err(format!(
                "`{key}` has one value; write `{key} = \"{}\"`",
                arg.get_value_names()
                    .and_then(<[_]>::first)
                    .map_or("VALUE", |name| name.as_str())
            ));
        }
    };
    check(key, arg, &text)?;
    if written {
        Ok(text)
    } else {
        Err(format!("`{key}` is a text; write `{key} = \"{text}\"`"))
    }
}

/// A number without its base and underscores.
fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}

/// Whether `text` is a value of `arg`, or else what its parser says.
pub(crate) fn check(key: &str, arg: &Arg, text: &str) -> Result<(), String> {
    // The argument alone, without those that it needs or excludes.
    let alone = Arg::new("value")
        .long("value")
        .value_parser(arg.get_value_parser().clone());
    let parsed = Command::new("")
        .no_binary_name(true)
        .arg(alone)
        .try_get_matches_from([format!("--value={text}")]);
    match parsed {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = match error.source() {
                Some(why) => why.to_string(),
                None => failure::wrong(&error),
            };
            Err(format!("`{text}` is no value of `{key}`: {why}"))
        }
    }
}

/// Two settings of one command of which only one can be meant.
fn contradictions(settings: &[Setting], command: &Command) -> Result<(), Wrong> {
    let of_it: Vec<_> = settings
        .iter()
        .filter(|setting| setting.command == command.get_name() && setting.values != ["false"])
        .collect();
    for (at, one) in of_it.iter().enumerate() {
        for other in &of_it[at + 1..] {
            if exclude(command, &one.id, &other.id) {
                let what = format!(
                    "`{}` (line {}) and `{}` (line {}) exclude each other for `{}`; leave one out",
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

fn no_command(commands: &Command, name: &str) -> String {
    let names: Vec<_> = configurable(commands).map(Command::get_name).collect();
    format!(
        "`[{name}]` is no command that has settings; those are {}",
        names.join(", ")
    )
}

fn no_key(commands: &Command, command: Option<&Command>, key: &str) -> String {
    let of = command.map_or_else(
        || "any command".to_owned(),
        |command| format!("`{}`", command.get_name()),
    );
    let among: Vec<_> = match command {
        Some(command) => vec![command],
        None => configurable(commands).collect(),
    };
    let meant = among
        .into_iter()
        .find_map(|command| similar(commands, command, key));
    match meant {
        Some(meant) => format!("`{key}` is no flag of {of}; did you mean `{meant}`?"),
        None => format!("`{key}` is no flag of {of}; `cocoon config` shows what can be set"),
    }
}

/// The flag that clap would have meant.
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
