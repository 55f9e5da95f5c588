//! Messages on one line.

use clap::error::{ContextKind, ErrorKind};
use cocoon::limits::MESSAGE_CHARS;

/// Returns the message of `error` without the usage and the hints that clap adds.
pub(crate) fn wrong(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string);
    // clap treats an empty value as a missing one.
    if error.kind() == ErrorKind::InvalidValue
        && let (Some(arg), Some("")) = (
            context(ContextKind::InvalidArg),
            context(ContextKind::InvalidValue).as_deref(),
        )
    {
        return format!("expected a value for '{arg}', got none or an empty string");
    }
    if error.kind() == ErrorKind::MissingRequiredArgument
        && let Some(missing) = context(ContextKind::InvalidArg)
    {
        return format!("expected {missing}, got none");
    }
    let text = error.render().to_string();
    // The message is the first paragraph.
    let end = ["\n\nUsage:", "\n\nFor more", "\n\n  tip:"]
        .into_iter()
        .filter_map(|rest| text.find(rest))
        .min();
    let wrong = one_line(&text[..end.unwrap_or(text.len())]);
    wrong.strip_prefix("error: ").unwrap_or(&wrong).to_owned()
}

/// Returns `text` on one line, cut to the length of a message.
pub(crate) fn one_line(text: &str) -> String {
    cocoon::text::one_line(text, MESSAGE_CHARS)
}
