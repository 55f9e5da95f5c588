//! The server: sockets, threads, draining, access, compression, observation, problems, health
//! and metrics. It knows no routes but its own.
//!
//! A request lives until the socket has the last byte of its answer. A client that closes its
//! connection drops the request's future, which frees its sandbox at the next tick.

mod accept;
mod access;
mod access_log;
mod activity;
mod admin;
mod attributes;
mod body_writer;
mod codings;
mod conditional;
mod drive;
mod field;
#[cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "handlers alone have such routes")
)]
mod found_route;
mod guests;
mod gzip;
mod health;
mod layers;
mod length;
mod metrics;
mod observe;
mod page_file;
mod places;
mod problem;
mod protocol;
mod refusals;
mod representation;
mod request_body;
mod serve;
mod socket;
mod state;
mod threads;

pub(crate) use accept::{is_charset_utf8, negotiate};
pub use access::{Access, AccessError};
pub use admin::Admin;
#[cfg(feature = "queue")]
pub use admin::worker_state;
pub(crate) use body_writer::{BodyWriter, stream_body};
pub(crate) use codings::{Codings, EVENT_STREAM};
pub(crate) use conditional::ClientCopy;
pub(crate) use field::{Item, weighted};
#[cfg(feature = "compiler")]
pub(crate) use found_route::{FindRoute, FoundRoute};
pub(crate) use health::ADMIN_PATHS;
#[cfg(feature = "compiler")]
pub(crate) use health::ROUTES_PATH;
pub use layers::Probes;
#[cfg(feature = "compiler")]
pub(crate) use layers::finish_fallback;
pub(crate) use layers::{finish, probes};
pub(crate) use length::Length;
#[cfg(test)]
pub(crate) use page_file::POLICY;
pub(crate) use page_file::{PageFile, page_routes};
pub(crate) use problem::too_old;
pub use problem::{PROBLEM_JSON, Problem};
pub(crate) use protocol::{Errors, awaits_continue};
pub(crate) use refusals::{
    BodyRefusals, CommonRefusals, JobRefusals, TooOld, add_refusals, text_header, without_body,
};
pub(crate) use representation::{Representation, StaticContent, weak_tag};
pub use serve::{End, serve};
pub use state::ServerState;
