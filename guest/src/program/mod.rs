//! The component as a command line program: its arguments and its output.

pub mod command_line;

pub mod listing;
