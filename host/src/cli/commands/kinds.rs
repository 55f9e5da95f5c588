//! `cocoon kinds`: prints each kind of factorial of one number.

use clap::Args;
use cocoon::worlds::factorial::{ONE_OF_EACH_KIND, Request};

use super::lines;
use crate::cli::component_args::FactorialArgs;
use crate::cli::failure::Failure;
use crate::cli::trace;
use crate::cli::values::number;

#[derive(Debug, Args)]
pub(crate) struct Kinds {
    /// Number whose factorials are printed
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[command(flatten)]
    common: FactorialArgs,
}

impl Kinds {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        trace::instances(ONE_OF_EACH_KIND.len() as u64);
        let factorial = self.common.load(ONE_OF_EACH_KIND.len() as u64).await?;
        let n = self.n;
        let requests = ONE_OF_EACH_KIND.map(|kind| Request::decimal(kind, n));
        // Fails before the first line if any line exceeds a limit.
        for request in requests {
            drop(factorial.admit(request).await?);
        }
        lines::print(&factorial, requests.into_iter(), self.common.json).await
    }
}
