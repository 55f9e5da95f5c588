//! `cocoon info`: what can be said of a number without computing it.

use clap::Args;
use cocoon::factorial::{Count, KINDS, Kind};
use serde::Serialize;

use super::lines;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{FactorialArgs, number};

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// The number whose factorial is meant
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Which factorial: {KINDS}"))]
    kind: Kind,
    #[command(flatten)]
    common: FactorialArgs,
}

#[derive(Serialize)]
struct Record {
    n: u64,
    kind: String,
    /// Exactly so many, where that is known.
    digits: Option<u64>,
    /// So many or fewer.
    digits_at_most: Option<u64>,
    trailing_zeros: Option<u64>,
    leading_digits: Option<String>,
    peak_bytes: Option<u64>,
}

impl Info {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let factorial = self.common.load().await?;
        let facts = factorial.info(self.kind, self.n).await?;
        let mut output = Output::stdout();
        if self.common.json {
            let record = Record {
                n: self.n,
                kind: self.kind.to_string(),
                digits: facts.digits.exact(),
                digits_at_most: match facts.digits {
                    Count::AtMost(most) => Some(most),
                    Count::Exact(_) | Count::Beyond => None,
                },
                trailing_zeros: facts.trailing_zeros,
                leading_digits: facts.leading_digits,
                peak_bytes: facts.peak_bytes,
            };
            output.write(&lines::json_line(&record)?).await?;
        } else {
            let unknown = || "unknown without the product".to_owned();
            let text = format!(
                "digits:         {}\ntrailing zeros: {}\nleading digits: {}\nmemory:         {}\n",
                facts.digits,
                facts
                    .trailing_zeros
                    .map_or_else(unknown, |zeros| zeros.to_string()),
                facts.leading_digits.unwrap_or_else(unknown),
                facts.peak_bytes.map_or_else(
                    || "more than the 4 GiB that a component can have".to_owned(),
                    |bytes| format!("{bytes} bytes")
                ),
            );
            output.write(text.as_bytes()).await?;
        }
        output.finish().await
    }
}
