//! Flags and environment variables of the limits, made from their table.

use std::marker::PhantomData;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use cocoon::limits::{Limit, Limits, Scope, TOTAL_MEMORY_PERCENT, Unit};
use cocoon::machine::{InForce, Machine};

/// Default limits of a group of commands.
pub(crate) trait Defaults: 'static {
    const LIMITS: Limits;
    /// The commands whose limits have a flag.
    const SCOPE: Scope = Scope::Jobs;
    /// The text of the help for a default that depends on the component.
    const SANDBOX_MEMORY: Option<&'static str>;
}

/// Commands whose component promises its need of memory.
#[derive(Debug)]
pub(crate) struct Commands;

impl Defaults for Commands {
    const LIMITS: Limits = Limits::COMMANDS;
    const SANDBOX_MEMORY: Option<&'static str> =
        Some("the promise of the component, at most 4 GiB");
}

/// Commands whose component makes no promise.
#[derive(Debug)]
pub(crate) struct Promiseless;

impl Defaults for Promiseless {
    const LIMITS: Limits = Limits::EXEC;
    const SANDBOX_MEMORY: Option<&'static str> = None;
}

/// `exec`, whose component makes no promise.
#[derive(Debug)]
pub(crate) struct Batch;

impl Defaults for Batch {
    const LIMITS: Limits = Limits::EXEC;
    const SCOPE: Scope = Scope::Batch;
    const SANDBOX_MEMORY: Option<&'static str> = None;
}

/// The worker of a queue.
#[cfg(feature = "queue")]
#[derive(Debug)]
pub(crate) struct Worker;

#[cfg(feature = "queue")]
impl Defaults for Worker {
    const LIMITS: Limits = Limits::EXEC;
    const SCOPE: Scope = Scope::Worker;
    const SANDBOX_MEMORY: Option<&'static str> = None;
}

/// The service, whose clients are not trusted.
#[derive(Debug)]
pub(crate) struct Service;

impl Defaults for Service {
    const LIMITS: Limits = Limits::SERVE;
    const SCOPE: Scope = Scope::Service;
    const SANDBOX_MEMORY: Option<&'static str> =
        Some("the promise of the component, at most 256 MiB");
}

/// The limits of a command, with a flag for each.
#[derive(Debug)]
pub(crate) struct LimitArgs<D> {
    pub(crate) limits: Limits,
    /// The limits that a flag, a variable or the configuration set.
    pub(crate) given: Vec<Limit>,
    defaults: PhantomData<D>,
}

impl<D: Defaults> Args for LimitArgs<D> {
    fn augment_args(command: Command) -> Command {
        Limit::in_scope(D::SCOPE).fold(command.next_help_heading("Limits"), |command, limit| {
            let spec = limit.spec();
            let default = match limit {
                Limit::TotalMemory => format!("{TOTAL_MEMORY_PERCENT}%"),
                Limit::SandboxMemory if D::SANDBOX_MEMORY.is_some() => {
                    D::SANDBOX_MEMORY.unwrap_or_default().to_owned()
                }
                _ => limit.format(D::LIMITS.get(limit)),
            };
            let name = match spec.unit {
                Unit::Bytes => "SIZE",
                Unit::Milliseconds => "TIME",
                Unit::Count => "COUNT",
            };
            command.arg(
                Arg::new(spec.flag)
                    .long(spec.flag)
                    .env(spec.env)
                    .hide_env_values(true)
                    .value_name(name)
                    .value_parser(move |text: &str| parse(limit, text))
                    .help(format!("{} [default: {default}]", spec.help)),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<D: Defaults> FromArgMatches for LimitArgs<D> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut limits = D::LIMITS;
        let mut given = Vec::new();
        for limit in Limit::in_scope(D::SCOPE) {
            let flag = limit.spec().flag;
            if let Some(&value) = matches.get_one::<u64>(flag) {
                limits = limits.with(limit, value);
                given.push((limit, matches.value_source(flag)));
            }
        }
        contradictions(&limits, &given)?;
        Ok(Self {
            limits,
            given: given.into_iter().map(|(limit, _)| limit).collect(),
            defaults: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<D> LimitArgs<D> {
    /// The limits, with `value` for `limit` unless the user set it.
    #[cfg(feature = "compiler")]
    pub(crate) fn or_default(&self, limit: Limit, value: u64) -> Limits {
        if self.given.contains(&limit) {
            return self.limits.clone();
        }
        self.limits.clone().with(limit, value)
    }

    /// Warns of limits that the user set and the machine lowers. Lowered defaults are usual, and
    /// `cocoon config` shows them.
    pub(crate) fn warn_of_lowered(&self, machine: &Machine) {
        for InForce {
            limit,
            value,
            reason,
        } in machine.in_force(&self.limits)
        {
            if self.given.contains(&limit) {
                tracing::warn!(
                    limit = limit.spec().flag,
                    given = limit.format(self.limits.get(limit)),
                    in_force = limit.format(value),
                    reason,
                    "limit lowered"
                );
            }
        }
    }
}

/// Returns the limits of `command` in `matches`; its defaults where it has no limits.
pub(crate) fn of(command: &str, matches: &ArgMatches) -> Limits {
    let defaults = match command {
        "serve" => Limits::SERVE,
        "exec" | "worker" => Limits::EXEC,
        _ => Limits::COMMANDS,
    };
    Limit::ALL.into_iter().fold(defaults, |limits, limit| {
        match matches.try_get_one(limit.spec().flag) {
            Ok(Some(&value)) => limits.with(limit, value),
            Ok(None) | Err(_) => limits,
        }
    })
}

/// Refuses limits that contradict each other.
fn contradictions(limits: &Limits, given: &[(Limit, Option<ValueSource>)]) -> Result<(), Error> {
    let was_given = |limit| given.iter().any(|(other, _)| *other == limit);
    let (one, all) = (Limit::SandboxMemory, Limit::TotalMemory);
    if was_given(one) && was_given(all) && limits.get(one) > limits.get(all) {
        return Err(Error::raw(
            ErrorKind::ArgumentConflict,
            format!(
                "expected --{} ({}) to be at most --{} ({})",
                one.spec().flag,
                one.format(limits.get(one)),
                all.spec().flag,
                all.format(limits.get(all)),
            ),
        ));
    }
    Ok(())
}

/// Parses the value of a limit. The total memory may be a share of the machine's memory.
fn parse(limit: Limit, text: &str) -> Result<u64, String> {
    match (limit, text.strip_suffix('%')) {
        (Limit::TotalMemory, Some(percent)) => match percent.parse() {
            Ok(percent @ 1..=100) => Ok(Machine::detect().share_bytes(percent)),
            _ => Err(format!(
                "expected a share from 1% to 100%, such as 70%, got `{text}`"
            )),
        },
        _ => limit.parse(text),
    }
}
