//! `cocoon info`: prints facts of a number without computing it.

use clap::Args;
use cocoon::worlds::factorial::{FactsRecord, KINDS, Kind};

use super::lines;
use crate::cli::component_args::FactorialArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::trace;
use crate::cli::values::number;

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// Number whose factorial is described
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Kind of factorial: {KINDS}"))]
    kind: Kind,
    #[command(flatten)]
    common: FactorialArgs,
}

impl Info {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        trace::instances(1);
        let factorial = self.common.load(1).await?;
        let facts = factorial.info(self.kind, self.n).await?;
        let mut output = Output::stdout();
        if self.common.json {
            let record = FactsRecord::new(self.kind, self.n, facts);
            output.write(&lines::json_line(&record)?).await?;
        } else {
            let unknown = || "unknown before the computation".to_owned();
            let text = format!(
                "digits:         {}\ntrailing zeros: {}\nleading digits: {}\nmemory:         {}\n",
                facts.digits,
                facts
                    .trailing_zeros
                    .map_or_else(unknown, |zeros| zeros.to_string()),
                facts.leading_digits.unwrap_or_else(unknown),
                facts.peak_bytes.map_or_else(
                    || "more than the 4 GiB of a component".to_owned(),
                    |bytes| format!("{bytes} bytes")
                ),
            );
            output.write(text.as_bytes()).await?;
        }
        output.finish().await
    }
}
