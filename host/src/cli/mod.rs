//! The command line.
//!
//! A command is a future. Ctrl-C drops the future with its sandboxes, channels and unfinished
//! files.

mod announce;
mod arguments;
mod commands;
mod component_args;
mod config;
mod denied;
mod failure;
mod limits;
mod log;
mod message;
mod output;
mod paths;
mod program;
mod runtime;
mod signals;
mod stdout;
mod trace;
mod usage;
mod values;

pub(crate) use program::main;
