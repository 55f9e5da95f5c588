//! Configuration from a file.
//!
//! Keys are long flags. Values become the defaults of these flags, so that flags and environment
//! variables take precedence, and clap parses all values alike. The file is read before the
//! arguments are parsed, and only if a flag or a variable names it.

mod decimal;
mod file;
#[cfg(feature = "compiler")]
mod routes;
mod variables;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};

pub(crate) use super::arguments::configurable;
use super::paths::shown;
use super::usage::explain;
pub(crate) use file::{ConfigError, check};
#[cfg(feature = "compiler")]
pub(crate) use routes::RouteSettings;
pub(crate) use variables::report_unknown;

/// The variable that names the file.
pub(crate) const VARIABLE: &str = "COCOON_CONFIG";
const FLAG: &str = "--config";

/// A build without a compiler has no routes.
#[cfg(not(feature = "compiler"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RouteSettings {}

/// The file's value for one flag of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    command: String,
    id: String,
    /// The long flag.
    pub(crate) key: String,
    /// The values; `true` or `false` for a flag without a value. clap requires static defaults.
    values: Vec<&'static str>,
    /// The line of the key, counted from 1.
    pub(crate) line: usize,
}

/// All values of the file.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "routes are no settings of flags")]
pub(crate) struct Settings {
    file: PathBuf,
    settings: Vec<Setting>,
    routes: Vec<RouteSettings>,
}

impl Settings {
    /// Reads the file that this program's `own` arguments or the environment name, if any.
    pub(crate) fn load(command: &Command, own: &[OsString]) -> Result<Self, ConfigError> {
        let Some(file) = config_path(own) else {
            return Ok(Self::default());
        };
        Self::read(file, command)
    }

    fn read(file: PathBuf, command: &Command) -> Result<Self, ConfigError> {
        let file::Contents { settings, routes } = file::read(&file, command)?;
        Ok(Self {
            file,
            settings,
            routes,
        })
    }

    /// The routes of `cocoon serve`.
    pub(crate) fn routes(&self) -> &[RouteSettings] {
        &self.routes
    }

    /// Reads the same file again when it is called.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    #[cfg(feature = "compiler")]
    pub(crate) fn reload(
        &self,
        commands: fn() -> Command,
    ) -> impl FnOnce() -> Result<Self, ConfigError> + Send + use<> {
        let file = self.file.clone();
        move || Self::read(file, &commands())
    }

    /// The keys of `command` whose values differ from those of `other`.
    #[cfg(feature = "compiler")]
    pub(crate) fn changes(&self, other: &Self, command: &str) -> Vec<&str> {
        let differs = |one: &Setting, others: &Self| {
            let mut others = others.settings.iter();
            one.command == command
                && !others.any(|other| {
                    (&other.command, &other.id, &other.values)
                        == (&one.command, &one.id, &one.values)
                })
        };
        let own = self.settings.iter().filter(|one| differs(one, other));
        own.map(|one| &*one.key).collect()
    }

    /// The path of the file, as the flag or variable names it.
    pub(crate) fn file(&self) -> String {
        shown(&self.file)
    }

    /// The file's value for an argument of a command.
    pub(crate) fn of(&self, command: &str, id: &str) -> Option<&Setting> {
        let find = |command| {
            self.settings
                .iter()
                .find(|setting| setting.command == command && setting.id == id)
        };
        // `health` probes the service that the same file configures.
        find(command).or_else(|| (command == "health").then(|| find("serve"))?)
    }

    /// Parses `arguments`, with the file's values as defaults.
    pub(crate) fn parse(
        &mut self,
        command: &Command,
        arguments: &[OsString],
    ) -> Result<ArgMatches, Error> {
        self.parse_configured(command.clone(), arguments)
            .map_err(|error| explain(error, command, arguments))
    }

    fn parse_configured(
        &mut self,
        command: Command,
        arguments: &[OsString],
    ) -> Result<ArgMatches, Error> {
        if self.settings.is_empty() {
            return command.try_get_matches_from(arguments);
        }
        let matches = self
            .configure(command.clone())
            .try_get_matches_from(arguments)?;
        // In clap, defaults conflict with nothing. Values of the file that conflict with a flag
        // or variable are dropped here.
        let Some((name, given)) = matches.subcommand() else {
            return Ok(matches);
        };
        let Some(command_of_it) = command.find_subcommand(name) else {
            return Ok(matches);
        };
        let before = self.settings.len();
        self.settings.retain(|setting| {
            setting.command != name
                || typed(given, &setting.id)
                || !command_of_it.get_arguments().any(|other| {
                    typed(given, other.get_id().as_str())
                        && exclude(command_of_it, &setting.id, other.get_id().as_str())
                })
        });
        if self.settings.len() == before {
            return Ok(matches);
        }
        self.configure(command).try_get_matches_from(arguments)
    }

    /// Returns `command` with the file's values as defaults.
    fn configure(&self, command: Command) -> Command {
        command.mut_subcommands(|command| {
            let name = command.get_name().to_owned();
            command.mut_args(|arg| match self.of(&name, arg.get_id().as_str()) {
                Some(setting) => setting.make_default(arg),
                None => arg,
            })
        })
    }
}

impl Setting {
    fn make_default(&self, arg: Arg) -> Arg {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values = self.values.join(", ");
        let arg = arg
            .help(format!("{help} [configured: {values}]"))
            .hide_default_value(true)
            .default_values(&self.values);
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            // `--flag=false` resets a flag that the file sets.
            arg.action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(BoolishValueParser::new())
                .hide_possible_values(true)
                .value_name("BOOL")
        } else {
            arg
        }
    }
}

/// Returns the flags of a command that a file can set, with their long names.
pub(crate) fn settable(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command.get_arguments().filter_map(|arg| {
        let known = matches!(
            arg.get_action(),
            ArgAction::Set | ArgAction::Append | ArgAction::SetTrue
        );
        arg.get_long().filter(|_| known).map(|long| (long, arg))
    })
}

/// Whether the value of the argument is from a flag or a variable.
fn typed(matches: &ArgMatches, id: &str) -> bool {
    matches!(
        matches.value_source(id),
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    )
}

/// Whether two arguments of a command conflict, by the declaration of either.
fn exclude(command: &Command, one: &str, other: &str) -> bool {
    let says = |one: &str, other: &str| {
        command
            .get_arguments()
            .filter(|arg| arg.get_id() == one)
            .flat_map(|arg| command.get_arg_conflicts_with(arg))
            .any(|excluded| excluded.get_id() == other)
    };
    says(one, other) || says(other, one)
}

/// Returns the file of `--config`, or else of the variable. A flag without a value is an error of
/// the later parse.
fn config_path(own: &[OsString]) -> Option<PathBuf> {
    let mut own = own.iter();
    while let Some(argument) = own.next() {
        let value = if argument == FLAG {
            own.next().map(OsString::as_os_str)
        } else {
            let text = argument.as_bytes().strip_prefix(FLAG.as_bytes());
            match text.and_then(|text| text.strip_prefix(b"=")) {
                Some(value) => Some(OsStr::from_bytes(value)),
                None => continue,
            }
        };
        return value.filter(|value| !value.is_empty()).map(PathBuf::from);
    }
    std::env::var_os(VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
