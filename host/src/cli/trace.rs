//! The trace of a command: a root span for the command, and one for each of its instances.

use std::fs;

use cocoon::component::Source;
use cocoon::limits::{COMMAND_INSTANCES_TRACED, Limit, Limits};
use cocoon::span::record;
use cocoon::telemetry::{continue_command, is_exported, leave_out};
use tracing::Span;
use tracing::field::Empty;

use super::failure::Failure;
use super::message::one_line;

/// Starts the root span of the command `name`, in the trace that the environment names.
pub(super) fn command(name: &'static str) -> Span {
    let span = tracing::debug_span!(
        "command",
        otel.name = format!("cocoon {name}"),
        cocoon.command = name,
        cocoon.component = Empty,
        cocoon.digest = Empty,
        cocoon.instances = Empty,
        cocoon.instances_left_out = Empty,
        cocoon.outcome = Empty,
        process.exit.code = Empty,
        error.type = Empty,
        otel.status_description = Empty,
    );
    continue_command(&span);
    span
}

/// Records the component of the current command.
pub(super) async fn component(name: &str, source: &Source, limits: &Limits) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("cocoon.component", name);
    // A pipe can be read once.
    let most = limits.bytes(Limit::ComponentSize);
    let is_read_twice = match source {
        Source::File(path) => fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= most),
        Source::Bytes(_) | Source::Bundled(_) => true,
    };
    if is_read_twice && let Ok(digest) = source.digest(most).await {
        span.record("cocoon.digest", digest);
    }
}

/// Records the number of instances of the current command, and reports the number of those
/// without a span.
pub(super) fn instances(count: u64) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("cocoon.instances", count.cast_signed());
    let left_out = count.saturating_sub(COMMAND_INSTANCES_TRACED);
    if left_out > 0 && is_exported(&span) {
        span.record("cocoon.instances_left_out", left_out.cast_signed());
        tracing::warn!(
            exported = COMMAND_INSTANCES_TRACED,
            left_out,
            "spans of instances left out"
        );
    }
}

/// Starts the span of the instance `number`, counted from 1.
pub(super) fn instance(number: u64) -> Span {
    let span = tracing::debug_span!(
        "instance",
        cocoon.instance = number.cast_signed(),
        cocoon.exit = Empty,
        error.type = Empty,
        otel.status_description = Empty,
    );
    if number > COMMAND_INSTANCES_TRACED {
        leave_out(&span);
    }
    span
}

/// Records the outcome of the command.
pub(super) fn outcome(span: &Span, result: &Result<(), Failure>) {
    if span.is_disabled() {
        return;
    }
    let (outcome, code) = match result {
        Ok(()) => ("done", 0),
        Err(failure) => (failure.name(), failure.exit_code()),
    };
    span.record("cocoon.outcome", outcome);
    span.record("process.exit.code", i64::from(code));
    if let Err(failure) = result
        && code != 0
    {
        record(span, outcome, one_line(&failure.to_string()));
    }
}
