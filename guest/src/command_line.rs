//! The command line of the component as a program of its own.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::request::{Format, Kind, Request};

/// What `--help` prints, and in short what follows an error.
pub const USAGE: &str = "usage: factorial [run [N] | compute N [--kind K] [--format F] [--proved] | \
                         info N [--kind K] | kinds N | --help]";

/// The rest of what `--help` prints.
pub const HELP: &str = "
Exact factorials and their relatives.

  run [N]      the factorials 1! to N!, one a line (N is 10 unless given)
  compute N    the number, all its digits
  info N       digits, zeros at the end, first digits and memory, without the number
  kinds N      the number of each kind, one a line

  --kind K     factorial, double, multi:K, subfactorial, primorial, superfactorial,
               hyperfactorial or alternating
  --format F   decimal, or scientific:D with D significant digits (1 to 1000)
  --proved     every product proved exact, where a check modulo a random prime is faster
";

/// N of `run` where none is given.
const RUN_DEFAULT: u64 = 10;

/// What the program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print 1! to n!, one a line.
    Run(u64),
    /// Print one number.
    Compute(Request),
    /// Print what is known without computing.
    Info(Kind, u64),
    /// Print the number of each kind.
    Kinds(u64),
    /// Print the help.
    Help,
}

/// Reads the arguments, the program's name not among them.
///
/// # Errors
///
/// [`Error::Invalid`] with one line that says what was wrong.
///
/// ```
/// use factorial::command_line::{Command, parse};
/// assert_eq!(parse([]), Ok(Command::Run(10)));
/// ```
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, Error> {
    let mut words = Vec::new();
    let mut kind = None;
    let mut format = None;
    let mut proved = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(Command::Help);
        }
        if !argument.starts_with('-') {
            words.push(argument);
            continue;
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            value
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| wrong(name, "needs a value"))
        };
        match name {
            "--proved" => proved = true,
            "--kind" => kind = Some(Kind::parse(&value()?)?),
            "--format" => format = Some(Format::parse(&value()?)?),
            _ => return Err(wrong(name, "is not an option")),
        }
    }
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_else(|| String::from("run"));
    let n = words.next().map(|word| argument(&word)).transpose()?;
    if let Some(word) = words.next() {
        return Err(wrong(&word, "is one argument too many"));
    }
    let needed = || n.ok_or_else(|| wrong(&name, "needs a number N"));
    let command = match name.as_str() {
        "run" => Command::Run(n.unwrap_or(RUN_DEFAULT)),
        "compute" => Command::Compute(Request {
            kind: kind.unwrap_or(Kind::Factorial),
            n: needed()?,
            format: format.unwrap_or(Format::Decimal),
            proved,
        }),
        "info" => Command::Info(kind.unwrap_or(Kind::Factorial), needed()?),
        "kinds" => Command::Kinds(needed()?),
        "help" => Command::Help,
        _ => return Err(wrong(&name, "is not a command")),
    };
    match command {
        Command::Run(_) | Command::Kinds(_) if kind.is_some() => {
            Err(wrong(&name, "takes no --kind"))
        }
        Command::Run(_) | Command::Kinds(_) | Command::Info(..) if format.is_some() => {
            Err(wrong(&name, "takes no --format"))
        }
        Command::Run(_) | Command::Kinds(_) | Command::Info(..) if proved => {
            Err(wrong(&name, "takes no --proved"))
        }
        _ => Ok(command),
    }
}

fn argument(word: &str) -> Result<u64, Error> {
    word.parse()
        .map_err(|_| wrong(word, "is not a whole number from 0 to 18446744073709551615"))
}

/// Longest part of an argument that an error repeats, in characters.
const QUOTED_MAX: usize = 60;

fn wrong(what: &str, why: &str) -> Error {
    let mut text = String::from("\"");
    text.extend(what.chars().take(QUOTED_MAX).flat_map(char::escape_default));
    if what.chars().nth(QUOTED_MAX).is_some() {
        text.push('…');
    }
    text.push_str("\" ");
    text.push_str(why);
    Error::Invalid(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Error> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn commands_are_read() {
        let request = |kind, n, format| {
            Ok(Command::Compute(Request {
                kind,
                n,
                format,
                proved: false,
            }))
        };
        assert_eq!(
            parsed("compute --proved 5"),
            Ok(Command::Compute(Request {
                proved: true,
                ..Request::decimal(Kind::Factorial, 5)
            }))
        );
        assert_eq!(parsed(""), Ok(Command::Run(10)));
        assert_eq!(parsed("run"), Ok(Command::Run(10)));
        assert_eq!(parsed("run 3"), Ok(Command::Run(3)));
        assert_eq!(
            parsed("compute 5"),
            request(Kind::Factorial, 5, Format::Decimal)
        );
        for line in [
            "compute 5 --kind double --format scientific:3",
            "compute --kind=double 5 --format=scientific:3",
            "--format scientific:3 --kind=multi:2 compute 5",
        ] {
            assert_eq!(
                parsed(line),
                request(Kind::Multifactorial(2), 5, Format::Scientific(3))
            );
        }
        assert_eq!(
            parsed("info 7 --kind primorial"),
            Ok(Command::Info(Kind::Primorial, 7))
        );
        assert_eq!(parsed("kinds 7"), Ok(Command::Kinds(7)));
        assert_eq!(parsed("compute --help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for line in [
            "walk",
            "compute",
            "info",
            "kinds",
            "compute x",
            "compute -5",
            "compute 18446744073709551616",
            "compute 5 6",
            "compute 5 --kind",
            "compute 5 --kind tetration",
            "compute 5 --format",
            "compute 5 --wrong 3",
            "run 5 --kind double",
            "run 5 --proved",
            "info 5 --format decimal",
        ] {
            let error = parsed(line).expect_err(line);
            assert!(!error.text().contains('\n'));
        }
    }
}
