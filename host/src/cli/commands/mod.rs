//! One file for each subcommand.

pub(crate) mod call;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod compute;
pub(crate) mod config;
#[cfg(feature = "compiler")]
mod config_routes;
pub(crate) mod exec;
mod exec_grants;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod kinds;
pub(crate) mod man;
#[cfg(feature = "queue")]
pub(crate) mod queue;
#[cfg(feature = "queue")]
mod queue_args;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod verify;
#[cfg(feature = "queue")]
pub(crate) mod worker;

mod lines;
