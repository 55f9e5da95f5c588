//! The arguments that name a queue.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueHint};
use cocoon::queue::Address;

use crate::cli::failure::Failure;

/// Arguments of all commands that use a queue.
#[derive(Debug, Args)]
#[command(next_help_heading = "Queue")]
pub(super) struct QueueArgs {
    /// Queue in Redis: `redis://[USER@]HOST[:PORT][/DB][#NAME]`, `rediss://…` with TLS, or `redis+unix:///PATH[#NAME]`; NAME separates queues of one database [default of NAME: cocoon]
    #[arg(
        long,
        value_name = "URL",
        env = "COCOON_QUEUE_URL",
        hide_env_values = true
    )]
    queue: Option<Address>,
    /// Read the password of Redis from the first line of FILE
    #[arg(
        long,
        value_name = "FILE",
        env = "COCOON_QUEUE_PASSWORD_FILE",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    queue_password_file: Option<PathBuf>,
}

impl QueueArgs {
    /// The address with its password. `None` if there is no queue.
    pub(super) fn address(&self) -> Result<Option<Address>, Failure> {
        let Some(address) = &self.queue else {
            return Ok(None);
        };
        Ok(Some(match &self.queue_password_file {
            Some(file) => address.clone().with_password_file(file)?,
            None => address.clone(),
        }))
    }

    /// As [`QueueArgs::address`], for commands that need a queue.
    pub(super) fn required(&self) -> Result<Address, Failure> {
        self.address()?.ok_or_else(|| {
            let error = "expected --queue URL or COCOON_QUEUE_URL, got neither";
            clap::Error::raw(ErrorKind::MissingRequiredArgument, error).into()
        })
    }
}
