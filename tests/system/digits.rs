//! Factorials digit for digit: from the compiled component, in one sandbox and in several,
//! against the hashes of GMP's results (`factorials.sha256`) and against residues computed by a
//! simple loop.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Receiver, channel};
use cocoon::fanout::{FanOut, Width};
use cocoon::limits::{Limit, Limits};
use cocoon::worlds::factorial::{Factorial, Request};
use sha2::{Digest as _, Sha256};

use crate::harness::{FEW, factorial_of, honest};

/// Limits with memory for all parts of the longest factorial at once.
const ROOMY: Limits = FEW.with(Limit::TotalMemory, 3 << 30);

/// A timeout that no computation here reaches.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Each n with the hash of its factorial's digits, in ascending order.
fn table() -> Vec<(u64, &'static str)> {
    let lines = include_str!("factorials.sha256").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (n, hash) = line.split_once(' ').expect("two words");
            (n.parse().expect("a number"), hash)
        })
        .collect()
}

/// Folds all bytes of a channel.
async fn fold_digits<T>(
    mut digits: Receiver<Bytes>,
    start: T,
    fold: impl Fn(T, &[u8]) -> T,
) -> Result<T, RunError> {
    let mut value = start;
    while let Some(chunk) = digits.recv().await? {
        value = fold(value, &chunk);
    }
    Ok(value)
}

/// Folds the digits of a request that runs in up to `sandboxes` sandboxes.
async fn fold_answer<T>(
    factorial: &Factorial,
    request: Request,
    sandboxes: u32,
    start: T,
    fold: impl Fn(T, &[u8]) -> T,
) -> T {
    let work = FanOut::prepare(factorial, request, Width::UpTo(sandboxes)).await;
    let work = work.unwrap_or_else(|error| panic!("{request:?} by {sandboxes}: {error}"));
    let (sender, receiver) = channel();
    let both = async {
        tokio::join!(
            work.send_to(sender, None),
            fold_digits(receiver, start, fold)
        )
    };
    let (outcome, value) = tokio::time::timeout(TIMEOUT, both).await.expect("an end");
    outcome
        .and(value)
        .unwrap_or_else(|error| panic!("{request:?} by {sandboxes}: {error}"))
}

async fn hash(factorial: &Factorial, n: u64, sandboxes: u32) -> String {
    let hash = Sha256::new();
    let hash = fold_answer(
        factorial,
        factorial_of(n),
        sandboxes,
        hash,
        |hash, chunk| hash.chain_update(chunk),
    )
    .await;
    let words: Vec<_> = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    words.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factorials_have_the_digits_of_gmp() {
    let factorial = honest(&ROOMY).await;
    let table = table();
    assert!(table.len() >= 45, "only {}", table.len());
    for (n, expected) in table {
        let widths: &[u32] = match n {
            0..=1_000_000 => &[1, 2, 3],
            1_000_001..=3_000_000 => &[1, 2],
            _ => &[2],
        };
        for &sandboxes in widths {
            let found = hash(&factorial, n, sandboxes).await;
            assert_eq!(found, expected, "{n}! by {sandboxes}");
        }
    }
}

/// Primes above every n in this file.
const PRIMES: [u64; 4] = [998_244_353, 2_147_483_647, 4_294_967_291, (1 << 59) - 55];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_factorials_have_the_residues_of_a_simple_loop() {
    let factorial = honest(&ROOMY).await;
    let seed = RandomState::new().hash_one(0);
    let mut random = fastrand::Rng::with_seed(seed);
    for index in 0..10 {
        // Some of them are short.
        let n = random.u64(0..=2_000_000 >> (index % 4));
        let sandboxes = random.u32(1..=4);
        let proved = random.bool();
        let request = factorial_of(n);
        let request = if proved { request.proved() } else { request };
        let found = fold_answer(
            &factorial,
            request,
            sandboxes,
            [0_u64; 4],
            |residues, chunk| {
                let mut residues = residues;
                for (residue, prime) in residues.iter_mut().zip(PRIMES) {
                    *residue = chunk.iter().fold(*residue, |residue, digit| {
                        // Below 10 · 2^59 + 10, so it fits.
                        (residue * 10 + u64::from(digit - b'0')) % prime
                    });
                }
                residues
            },
        )
        .await;
        let expected = PRIMES.map(|prime| {
            let prime = u128::from(prime);
            let product = (1..=u128::from(n)).fold(1, |product, factor| product * factor % prime);
            u64::try_from(product).expect("below the prime")
        });
        assert_eq!(
            found, expected,
            "{n}! by {sandboxes}, proved {proved}, seed {seed}"
        );
    }
}
