//! The command line before it is parsed: its subcommand, and the end of this program's own
//! arguments.
//!
//! The configuration file and the format of the log must be known before clap parses the
//! arguments, and a flag of the component must not name them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, Command};

use super::paths::shown;

/// Commands that run no sandbox and have no settings.
const WITHOUT: [&str; 4] = ["config", "completions", "man", "help"];

/// Returns the commands that have settings.
pub(crate) fn configurable(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| !WITHOUT.contains(&command.get_name()))
}

/// The parts of a command line.
pub(super) struct CommandLine<'a> {
    /// The arguments of this program, without those of a component, which follow `--` or start
    /// with the second positional argument of `exec`.
    pub(super) own: &'a [OsString],
    /// The subcommand; of `cocoon config COMMAND` it is COMMAND. `None` where none is found.
    pub(super) subcommand: Option<&'a Command>,
    /// The first positional argument of the subcommand, or one that names no subcommand.
    pub(super) operand: Option<&'a OsStr>,
}

impl<'a> CommandLine<'a> {
    /// Splits `arguments`, of which the first is the program's name, as `root` parses them.
    pub(super) fn of(root: &'a Command, arguments: &'a [OsString]) -> Self {
        let mut line = Self {
            own: arguments,
            subcommand: None,
            operand: None,
        };
        let mut rest = arguments.iter().enumerate().skip(1);
        while let Some((index, argument)) = rest.next() {
            let is_flag = argument.as_encoded_bytes().starts_with(b"-") && argument != "-";
            if argument == "--" || (!is_flag && line.starts_component()) {
                line.own = &arguments[..index];
                break;
            } else if is_flag {
                if line.takes_next(root, argument) {
                    rest.next();
                }
            } else if let Some(subcommand) = line.find_subcommand(root, argument) {
                line.subcommand = Some(subcommand);
            } else {
                line.operand.get_or_insert(argument);
            }
        }
        line
    }

    /// The command that prints the help of the subcommand.
    pub(super) fn help(&self) -> String {
        match self.subcommand {
            Some(command) => format!("cocoon {} --help", command.get_name()),
            None => "cocoon --help".to_owned(),
        }
    }

    /// The operand as text, if its name is that of a component.
    pub(super) fn component(&self) -> Option<String> {
        let text = shown(Path::new(self.operand?));
        let is_component = text.starts_with("oci://")
            || [".wasm", ".wat"]
                .iter()
                .any(|suffix| text.ends_with(suffix));
        is_component.then_some(text)
    }

    /// Whether the next positional argument is the component's.
    fn starts_component(&self) -> bool {
        let takes_rest =
            |arg: &Arg| arg.is_trailing_var_arg_set() && !arg.is_allow_hyphen_values_set();
        self.operand.is_some()
            && self
                .subcommand
                .is_some_and(|command| command.get_positionals().any(takes_rest))
    }

    fn find_subcommand(&self, root: &'a Command, name: &OsStr) -> Option<&'a Command> {
        match self.subcommand {
            _ if self.operand.is_some() => None,
            None => root.find_subcommand(name),
            Some(command) if command.get_name() == "config" => {
                configurable(root).find(|command| name == command.get_name())
            }
            Some(_) => None,
        }
    }

    /// Whether the value of `flag` is the next argument.
    fn takes_next(&self, root: &Command, flag: &OsStr) -> bool {
        let takes_value = |is_it: &dyn Fn(&Arg) -> bool| {
            let own = self.subcommand.into_iter().flat_map(Command::get_arguments);
            let mut all = own.chain(root.get_arguments());
            all.any(|arg| is_it(arg) && arg.get_action().takes_values())
        };
        let text = flag.to_string_lossy();
        if let Some(long) = text.strip_prefix("--") {
            return takes_value(&|arg| arg.get_long() == Some(long));
        }
        // The value of the last flag in a cluster such as `-in` may follow it at once: `-in5`.
        let mut shorts = text[1..].chars();
        while let Some(short) = shorts.next() {
            if takes_value(&|arg| arg.get_short() == Some(short)) {
                return shorts.as_str().is_empty();
            }
        }
        false
    }
}
