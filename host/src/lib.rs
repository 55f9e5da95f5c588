//! Cocoon runs WebAssembly components as coroutines: each job in a sandbox of
//! its own, thousands of them in one process, connected by ordered channels.
//!
//! The layers, each using only those before it:
//! [`limits`], [`machine`], [`RunError`], [`metrics`], `code_cache`, [`engine`], [`grants`], [`component`],
//! [`deadline`], [`pool`], [`sandbox`], [`channel`], and [`worlds`]: programs of `wasi:cli`,
//! and the bundled factorials. [`fanout`] computes one number in several sandboxes.
//! [`telemetry`] exports traces, metrics and logs, [`http`] is the service, and `queue` has batches over Redis.
//!
//! All features are on by default. With `default-features = false` the crate is the sandboxes
//! alone, without `json`, the factorials, `fanout`, `telemetry` and `http`:
//!
//! - `compiler` compiles components at run time. Without it only precompiled code runs.
//! - `registry` pulls components from OCI registries.
//! - `bundled` has the bundled component, `worlds::factorial` and `fanout`.
//! - `service` has `http` and `telemetry`.
//! - `queue` has batches over Redis, with `service`.
//! - `cli` is the binary, with `bundled` and `service`.
//!
//! ```
//! # #[cfg(not(feature = "bundled"))]
//! # fn main() {}
//! # #[cfg(feature = "bundled")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cocoon::engine::Engine;
//! use cocoon::limits::Limits;
//! use cocoon::machine::Machine;
//! use cocoon::worlds::factorial::{BUNDLED, Factorial, Kind, Request};
//!
//! let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
//! let factorial = Factorial::load(&engine, &BUNDLED).await?;
//! let request = Request::decimal(Kind::Factorial, 10);
//! assert_eq!(factorial.admit(request).await?.compute().await?, "3628800");
//! # Ok(())
//! # }
//! ```

// In the order of the layers, which `tests/system/layers.rs` checks. Blank lines keep rustfmt
// from sorting them.
pub mod limits;

pub mod machine;

mod error;

#[cfg(any(feature = "registry", feature = "service"))]
#[cfg_attr(
    not(all(feature = "registry", feature = "service", feature = "bundled")),
    allow(dead_code, reason = "each of them uses a part")
)]
pub mod json;

pub mod text;

pub mod span;

#[cfg(feature = "service")]
#[cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "handlers alone have tasks")
)]
pub mod tasks;

mod blocking;

pub mod metrics;

#[cfg(any(feature = "compiler", feature = "registry"))]
#[cfg_attr(
    not(feature = "compiler"),
    allow(
        dead_code,
        unused_imports,
        reason = "the cache of registries has the same home"
    )
)]
pub mod code_cache;

#[cfg_attr(
    not(all(feature = "bundled", feature = "compiler")),
    allow(
        dead_code,
        reason = "the bundled component and the compiler make further engines"
    )
)]
pub mod engine;

pub mod grants;

pub mod component;

pub mod deadline;

pub mod pool;

#[cfg(all(feature = "service", feature = "compiler"))]
pub mod shares;

pub mod sandbox;

pub mod channel;

pub mod worlds;

#[cfg(feature = "bundled")]
pub mod fanout;

#[cfg(feature = "service")]
pub mod telemetry;

#[cfg(feature = "service")]
pub mod http;

#[cfg(feature = "queue")]
pub mod queue;

pub use error::RunError;
