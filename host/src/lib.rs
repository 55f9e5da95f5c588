//! Cocoon runs WebAssembly components as coroutines: each job in a sandbox of
//! its own, thousands of them in one process, talking through ordered channels.
//!
//! The layers, each leaning only on those before it:
//! [`limits`] and [`machine`], [`RunError`], [`meter`], [`engine`], [`component`],
//! [`deadline`] and [`pool`], [`sandbox`], [`channel`], and then the two worlds that come with
//! the library: [`command`] runs any `wasi:cli/run` component, [`factorial`] the
//! bundled one. [`fanout`] has several sandboxes at work on one number.
//! [`telemetry`] tells what they do.
//!
//! ```
//! use cocoon::engine::Engine;
//! use cocoon::factorial::{BUNDLED, Factorial, Kind, Request};
//! use cocoon::limits::Limits;
//! use cocoon::machine::Machine;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
//! let factorial = Factorial::load(&engine, &BUNDLED).await?;
//! let request = Request::decimal(Kind::Factorial, 10);
//! assert_eq!(factorial.admit(request).await?.compute().await?, "3628800");
//! # Ok(())
//! # }
//! ```

mod blocking;
pub mod channel;
pub mod command;
pub mod component;
pub mod deadline;
pub mod engine;
mod error;
pub mod factorial;
pub mod fanout;
pub mod http;
mod json;
pub mod limits;
pub mod machine;
pub mod meter;
pub mod pool;
pub mod sandbox;
mod shards;
pub mod span;
mod tally;
pub mod telemetry;

pub use error::RunError;
