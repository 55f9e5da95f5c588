//! Answering HTTP requests by components of `wasi:http`, each in a sandbox of its own.
//!
//! A request is answered on the thread of its connection, as long as the sandbox computes for less
//! than two ticks. Most handlers have ended with the head of their answer, which is one piece then.
//! Others go on as a task, which ends at the deadline, or when the client disconnects before the
//! end of the answer. A task that computes for longer goes on among the long jobs.

mod answer;
mod endpoint;
mod exchange;
mod kept;
mod lines;
mod p3;
mod p3_body;
mod places;
mod request_body;
mod response_body;
mod run;
mod turns;
mod world;

pub use endpoint::Endpoint;
pub use kept::Kept;
pub use places::{Places, Settings};
pub use request_body::RequestBody;
pub use response_body::ResponseBody;
pub use world::Handler;
