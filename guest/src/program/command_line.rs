//! The command line of the program.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::request::error::push_quoted;
use crate::request::{Error, Format, Kind, Request};

/// First line of the help, which also follows an error.
pub const USAGE: &str = "usage: factorial [run [N] | compute N [--kind K] [--format F] [--proved] | \
                         info N [--kind K] | kinds N | --help]";

/// The help after its first line.
pub const HELP: &str = "
Exact factorials and related numbers.

  run [N]      print the factorials 1! to N!, one on each line (default 10)
  compute N    print all digits of the number
  info N       print digits, trailing zeros, leading digits and memory, without computing
  kinds N      print the number of each kind, one on each line

  --kind K     factorial, double, multi:K, subfactorial, primorial, superfactorial,
               hyperfactorial or alternating
  --format F   decimal, or scientific:D with D significant digits (1 to 1000)
  --proved     prove every product exact, even where a check modulo a random prime is faster
";

/// N of `run` by default.
const RUN_DEFAULT: u64 = 10;

/// A command of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Prints 1! to n!, one on each line.
    Run(u64),
    /// Prints one number.
    Compute(Request),
    /// Prints the properties of a number without computing it.
    Info(Kind, u64),
    /// Prints the number of each kind.
    Kinds(u64),
    /// Prints the help.
    Help,
}

/// Parses the arguments after the program's name.
///
/// # Errors
///
/// [`Error::Invalid`] with one line on the first wrong argument.
///
/// ```
/// use factorial::program::command_line::{Command, parse};
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
                .ok_or_else(|| unexpected_after("a value", name, "nothing"))
        };
        match name {
            "--proved" => proved = true,
            "--kind" => kind = Some(Kind::parse(&value()?)?),
            "--format" => format = Some(Format::parse(&value()?)?),
            _ => {
                return Err(Error::unexpected(
                    "the option --kind, --format, --proved or --help",
                    name,
                ));
            }
        }
    }
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_else(|| String::from("run"));
    let n = words.next().map(|word| parse_n(&word)).transpose()?;
    if let Some(word) = words.next() {
        return Err(Error::unexpected("one command and one number", &word));
    }
    let required = || n.ok_or_else(|| unexpected_after("a number N", &name, "nothing"));
    let command = match name.as_str() {
        "run" => Command::Run(n.unwrap_or(RUN_DEFAULT)),
        "compute" => Command::Compute(Request {
            kind: kind.unwrap_or(Kind::Factorial),
            n: required()?,
            format: format.unwrap_or(Format::Decimal),
            proved,
        }),
        "info" => Command::Info(kind.unwrap_or(Kind::Factorial), required()?),
        "kinds" => Command::Kinds(required()?),
        "help" => Command::Help,
        _ => {
            return Err(Error::unexpected(
                "the command run, compute, info, kinds or help",
                &name,
            ));
        }
    };
    match command {
        Command::Run(_) | Command::Kinds(_) if kind.is_some() => {
            Err(unexpected_after("no --kind", &name, "one"))
        }
        Command::Run(_) | Command::Kinds(_) | Command::Info(..) if format.is_some() => {
            Err(unexpected_after("no --format", &name, "one"))
        }
        Command::Run(_) | Command::Kinds(_) | Command::Info(..) if proved => {
            Err(unexpected_after("no --proved", &name, "one"))
        }
        _ => Ok(command),
    }
}

fn parse_n(word: &str) -> Result<u64, Error> {
    word.parse()
        .map_err(|_| Error::unexpected("an integer from 0 to 18446744073709551615", word))
}

/// Creates the error `expected … after "name", got …`.
fn unexpected_after(expected: &str, name: &str, found: &str) -> Error {
    let mut text = String::from("expected ");
    text.push_str(expected);
    text.push_str(" after ");
    push_quoted(&mut text, name);
    text.push_str(", got ");
    text.push_str(found);
    Error::Invalid(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Error> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn commands_are_parsed() {
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
    fn mistakes_are_reported_on_one_line() {
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
