//! The command line.
//!
//! A command is a future. Ctrl-C drops the future with its sandboxes, channels and unfinished
//! files.

mod announce;
mod arguments;
mod backtrace;
#[cfg_attr(
    not(feature = "compiler"),
    allow(
        dead_code,
        unused_imports,
        reason = "without a compiler, the arguments have no effect"
    )
)]
mod code_args;
mod commands;
mod component_args;
mod config;
mod denied;
mod dir_grant;
mod env_grant;
mod failure;
mod grant_values;
mod limits;
mod log;
mod message;
mod output;
mod output_folder;
mod paths;
mod program;
mod runtime;
mod signals;
mod stdout;
mod trace;
mod usage;
mod values;

pub(crate) use program::main;
