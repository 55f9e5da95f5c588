//! The random numbers of a deterministic sandbox, and its clock.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use wasmtime_wasi::WasiCtxBuilder;

use super::virtual_clock::VirtualClock;

/// The numbers from which everything random in a sandbox follows.
///
/// Two sandboxes of one program with the same numbers, arguments, variables and input compute the
/// same bytes, if an engine of [`Engine::deterministic`](crate::engine::Engine::deterministic)
/// runs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Determinism {
    /// The seed of all instances.
    pub seed: u64,
    /// The number of this instance.
    pub instance: u64,
}

/// A stream of random numbers. No two streams depend on each other.
#[derive(Clone, Copy)]
enum Stream {
    Secure,
    Insecure,
    HashSeed,
}

impl Determinism {
    /// Replaces randomness in `wasi`, and its clocks by `clock`.
    pub(super) fn apply(self, clock: &VirtualClock, wasi: &mut WasiCtxBuilder) {
        let mut hash_seed = [0; 16];
        self.numbers(Stream::HashSeed).fill_bytes(&mut hash_seed);
        wasi.secure_random(self.numbers(Stream::Secure))
            .insecure_random(self.numbers(Stream::Insecure))
            .insecure_random_seed(u128::from_le_bytes(hash_seed))
            .wall_clock(clock.clone())
            .monotonic_clock(clock.clone());
    }

    /// The key of the cipher is the numbers themselves, so no two instances share a stream.
    fn numbers(self, stream: Stream) -> ChaCha20Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&self.instance.to_le_bytes());
        key[16] = stream as u8;
        ChaCha20Rng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_instance_and_stream_has_its_own_numbers() {
        let mut seen = std::collections::BTreeSet::new();
        for (seed, instance) in [(0, 1), (1, 0), (1, 1), (u64::MAX, 1)] {
            for stream in [Stream::Secure, Stream::Insecure, Stream::HashSeed] {
                let numbers = || Determinism { seed, instance }.numbers(stream).next_u64();
                assert_eq!(numbers(), numbers());
                assert!(seen.insert(numbers()), "{seed} {instance}");
            }
        }
    }
}
