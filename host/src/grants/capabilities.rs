//! The capabilities that flags grant to a component.

use wasmtime_wasi::WasiCtxBuilder;

use super::Dir;
use crate::limits::{Limit, Limits};

/// The capabilities of a component. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders.
    pub dirs: Vec<Dir>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Sockets and name look-up.
    pub network: bool,
    /// The wall clock, the monotonic clock and timers.
    pub clocks: bool,
    /// Secure and insecure randomness.
    pub randomness: bool,
}

impl Grants {
    /// Adds variables, randomness and network to the WASI state of one sandbox under `limits`.
    /// The component has the folders.
    pub(crate) fn apply(&self, wasi: &mut WasiCtxBuilder, limits: &Limits) {
        wasi.envs(&self.env);
        wasi.max_random_size(limits.bytes(Limit::HostCall));
        wasi.insecure_random_seed(0);
        if self.randomness {
            wasi.insecure_random_seed(fresh_seed());
        }
        if self.network {
            wasi.inherit_network()
                .allow_tcp(true)
                .allow_udp(true)
                .allow_ip_name_lookup(true);
        }
    }
}

/// A seed that differs from run to run; the standard library draws it from the
/// kernel.
fn fresh_seed() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    let draw = || u128::from(RandomState::new().hash_one(0));
    draw() << 64 | draw()
}
