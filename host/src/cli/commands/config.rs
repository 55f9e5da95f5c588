//! `cocoon config`: prints the settings of a command on this machine, and the source of each.
//!
//! The output is a configuration that sets the same values. Defaults are comments: as values they
//! would persist after the program's defaults change, and could conflict with other values.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, ValueHint};
use cocoon::limits::{Limit, Limits};
use cocoon::machine::{InForce, Machine};
use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "compiler")]
use super::config_routes;
use super::lines;
use crate::cli::config::{self, Settings};
use crate::cli::failure::Failure;
use crate::cli::limits;
use crate::cli::message::one_line;
use crate::cli::paths::shown;

/// The default command.
const USUAL: &str = "serve";
/// Flags with secrets, as `NAME=VALUE`.
const SECRET: &[&str] = &["env"];

/// The last column at which comments are aligned.
const COLUMN_MAX: usize = 60;

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Print a JSON object for each setting instead of TOML
    #[arg(long)]
    json: bool,
    /// Command, and its flags that change settings [default: serve]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    shown: Vec<OsString>,
}

/// A setting and its source.
#[derive(Serialize)]
struct Row<'a> {
    command: &'a str,
    key: &'a str,
    /// `null` if nothing is set, or if a note replaces the value.
    value: Value,
    /// Text in place of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The value in force, in the limit's unit, where the machine allows less.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<u64>,
    /// The reason of the value in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The limit of this key. `None` for other settings.
    #[serde(skip)]
    limit: Option<Limit>,
}

impl Config {
    pub(crate) fn run(mut self, mut settings: Settings, cli: Command) -> Result<(), Failure> {
        // `--json` is a flag of `config`, never of the command after it.
        let before = self.shown.len();
        self.shown.retain(|argument| argument != "--json");
        self.json |= self.shown.len() < before;
        if self.shown.first().is_none_or(|first| is_flag(first)) {
            self.shown.insert(0, USUAL.into());
        }
        self.shown.insert(0, "cocoon".into());
        // Positional arguments of a command are not settings, and are optional here.
        let cli = cli.mut_subcommands(|command| {
            command.mut_args(|arg| {
                let positional = arg.get_long().is_none() && arg.get_short().is_none();
                if positional { arg.required(false) } else { arg }
            })
        });
        let matches = settings.parse(&cli, &self.shown)?;
        let Some((name, matches)) = matches.subcommand() else {
            return Ok(());
        };
        let Some(command) = config::configurable(&cli).find(|command| command.get_name() == name)
        else {
            let names: Vec<_> = config::configurable(&cli).map(Command::get_name).collect();
            return Err(Failure::Usage(cli.clone().error(
                clap::error::ErrorKind::InvalidSubcommand,
                format!(
                    "expected a command with settings ({}), got `{name}`",
                    names.join(", ")
                ),
            )));
        };
        let mut rows: Vec<_> = config::settable(command)
            .map(|(key, arg)| row(&settings, name, key, arg, matches))
            .collect();
        add_in_force(&mut rows, &limits::of(name, matches));
        let text = if self.json {
            let mut text = Vec::new();
            for row in &rows {
                text.extend(lines::json_line(row)?);
            }
            #[cfg(feature = "compiler")]
            if name == USUAL {
                text.extend(config_routes::json_lines(&settings)?);
            }
            text
        } else {
            #[cfg_attr(
                not(feature = "compiler"),
                expect(unused_mut, reason = "without a compiler, there are no routes")
            )]
            let mut text = toml(name, &rows);
            #[cfg(feature = "compiler")]
            if name == USUAL {
                text.push_str(&config_routes::toml(&settings, literal));
            }
            text.into_bytes()
        };
        super::man::print(&text)
    }
}

fn is_flag(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

/// Returns the row of one flag of the command.
fn row<'a>(
    settings: &Settings,
    command: &'a str,
    key: &'a str,
    arg: &Arg,
    matches: &ArgMatches,
) -> Row<'a> {
    let id = arg.get_id().as_str();
    let mut row = Row {
        command,
        key,
        value: Value::Null,
        note: None,
        source: "default",
        variable: None,
        file: None,
        line: None,
        in_force: None,
        reason: None,
        limit: None,
    };
    match (matches.value_source(id), settings.of(command, id)) {
        (Some(ValueSource::CommandLine), _) => row.source = "flag",
        (Some(ValueSource::EnvVariable), _) => {
            row.source = "variable";
            row.variable = arg.get_env().map(|name| shown(Path::new(name)));
        }
        (_, Some(setting)) => {
            row.source = "file";
            row.file = Some(settings.file());
            row.line = Some(setting.line);
        }
        (_, None) => {}
    }
    let texts: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        row.value = matches.get_flag(id).into();
    } else if row.source == "default" && texts.is_empty() {
        (row.value, row.note) = default_in_help(key, arg);
    } else if let Some(address) = shown_address(id, matches) {
        row.value = address.into();
    } else if SECRET.contains(&id) {
        let names = texts.iter().map(|text| {
            let text = shown(Path::new(text));
            text.split_once('=').unwrap_or((&text, "")).0.to_owned()
        });
        let names: Vec<_> = names.collect();
        row.note = Some(format!("{} (values not shown)", names.join(", ")));
    } else if let Some(texts) = texts
        .iter()
        .map(|text| text.to_str())
        .collect::<Option<Vec<_>>>()
    {
        row.value = value(arg, &texts);
    } else {
        let texts: Vec<_> = texts.iter().map(|text| shown(Path::new(text))).collect();
        row.note = Some(format!("{} (not UTF-8)", texts.join(", ")));
    }
    row
}

/// The address of a queue without its password.
#[cfg(feature = "queue")]
fn shown_address(id: &str, matches: &ArgMatches) -> Option<String> {
    let address = matches.try_get_one::<cocoon::queue::Address>(id);
    address.ok().flatten().map(ToString::to_string)
}

#[cfg(not(feature = "queue"))]
fn shown_address(_: &str, _: &ArgMatches) -> Option<String> {
    None
}

/// Adds the values in force on this machine.
fn add_in_force(rows: &mut [Row<'_>], limits: &Limits) {
    for InForce {
        limit,
        value,
        reason,
    } in Machine::detect().in_force(limits)
    {
        if let Some(row) = rows.iter_mut().find(|row| row.key == limit.spec().flag) {
            row.in_force = Some(value);
            row.reason = Some(reason);
            row.limit = Some(limit);
        }
    }
}

/// Returns the default that only the help has: a value, or text.
fn default_in_help(key: &str, arg: &Arg) -> (Value, Option<String>) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = help
        .split_once("[default: ")
        .and_then(|(_, rest)| rest.split_once(']'));
    match default {
        // The parser of a path accepts any text.
        Some((default, _))
            if arg.get_value_hint() == ValueHint::Unknown
                && config::check(key, arg, default).is_ok() =>
        {
            (value(arg, &[default]), None)
        }
        Some((default, _)) => (Value::Null, Some(default.to_owned())),
        None => (Value::Null, Some("not set".to_owned())),
    }
}

/// Returns a value in the form of a configuration.
fn value(arg: &Arg, texts: &[&str]) -> Value {
    match (arg.get_action(), texts) {
        (ArgAction::Set, [text]) => scalar(text),
        (_, texts) => texts.iter().map(|text| scalar(text)).collect(),
    }
}

/// Returns a number if it has the same text in a configuration.
fn scalar(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

/// Formats the rows as a table of a configuration.
fn toml(command: &str, rows: &[Row<'_>]) -> String {
    let columns: Vec<_> = rows
        .iter()
        .map(|row| {
            let key = row.key;
            match (&row.note, row.source) {
                (Some(note), _) => (format!("# {key}: {}", one_line(note)), row.from()),
                (None, "default") => (format!("# {key} = {}", literal(&row.value)), row.from()),
                (None, _) => (format!("{key} = {}", literal(&row.value)), row.from()),
            }
        })
        .collect();
    let width = columns
        .iter()
        .map(|(what, _)| what.chars().count())
        .filter(|width| *width <= COLUMN_MAX)
        .max()
        .unwrap_or_default();
    // Writing to a string never fails.
    let mut text = format!("[{command}]\n");
    for (what, from) in columns {
        let _ = writeln!(text, "{what:width$}  # {from}");
    }
    text
}

impl Row<'_> {
    /// The source as text.
    fn from(&self) -> String {
        let from = match (&self.variable, &self.file, self.line) {
            (Some(variable), ..) => variable.clone(),
            (None, Some(file), Some(line)) => one_line(&format!("{file}:{line}")),
            _ => self.source.to_owned(),
        };
        match (self.limit, self.in_force, &self.reason) {
            (Some(limit), Some(value), Some(reason)) => {
                let value = limit.format(value);
                format!("{from}; in force: {value}, {reason}")
            }
            _ => from,
        }
    }
}

/// Formats a value in TOML. TOML escapes strings as JSON does, and one character more.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(literal).collect();
            format!("[{}]", values.join(", "))
        }
        value => value.to_string().replace('\u{7f}', "\\u007F"),
    }
}
