//! `cocoon run`: prints 1! to N!.

use clap::Args;
use cocoon::worlds::factorial::{Kind, Request};

use super::lines;
use crate::cli::component_args::FactorialArgs;
use crate::cli::failure::Failure;
use crate::cli::trace;
use crate::cli::values::number;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Number of factorials
    #[arg(default_value_t = 10, allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[command(flatten)]
    common: FactorialArgs,
}

impl Run {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        trace::instances(self.n.max(1));
        let factorial = self.common.load(self.n).await?;
        // Fails before the first line if the largest number exceeds a limit.
        let last = Request::decimal(Kind::Factorial, self.n);
        drop(factorial.admit(last).await?);
        // `run 0` prints 0!, as the component does without this program.
        let numbers = if self.n == 0 { 0..=0 } else { 1..=self.n };
        let requests = numbers.map(|n| Request::decimal(Kind::Factorial, n));
        lines::print(&factorial, requests, self.common.json).await
    }
}
