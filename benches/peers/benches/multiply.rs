//! The kernel by size: products of random decimal numbers, by the guest's own arithmetic,
//! num-bigint and malachite, each in its own radix.
//!
//! ```console
//! $ cd benches/peers && cargo bench --bench multiply -- balanced
//! ```
//!
//! Operands are built in advance and are the same for all libraries. The timed region includes
//! the product, the allocation of its memory and a small box; it excludes deallocation.

use std::cell::RefCell;

use factorial::mul::Multiplier;
use factorial::natural::Natural as Number;
use std::any::Any;

use divan::Bencher;
use malachite::Natural;
use malachite::base::num::arithmetic::traits::Square as _;
use malachite::base::num::conversion::traits::FromStringBase as _;
use num_bigint::BigUint;

/// Digits of the longer operand.
const DIGITS: [usize; 6] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// num-bigint takes seconds for a product of the largest size.
const DIGITS_NUM_BIGINT: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// One product that is ready to be computed any number of times.
type Product = Box<dyn Fn() -> Box<dyn Any>>;
/// Prepares the product of two decimal numbers, or a square if both are equal.
type Library = fn(&str, &str) -> Product;

fn main() {
    divan::main();
}

/// The guest's kernel, compiled natively. Only this function knows its interface. Products
/// share twiddle factors, as in a long computation.
fn ours(a: &str, b: &str) -> Product {
    let number = |digits| Number::from_decimal(digits).unwrap_or_else(Number::zero);
    let (a, square, b) = (number(a), a == b, number(b));
    let multiplier = RefCell::new(Multiplier::verified(1));
    if square {
        Box::new(move || Box::new(multiplier.borrow_mut().square(&a)))
    } else {
        Box::new(move || Box::new(multiplier.borrow_mut().multiply(&a, &b)))
    }
}

fn malachite(a: &str, b: &str) -> Product {
    let (a, square, b) = (natural(a), a == b, natural(b));
    if square {
        Box::new(move || Box::new((&a).square()))
    } else {
        Box::new(move || Box::new(&a * &b))
    }
}

fn num_bigint(a: &str, b: &str) -> Product {
    let (a, square, b) = (big_uint(a), a == b, big_uint(b));
    if square {
        Box::new(move || Box::new(a.pow(2)))
    } else {
        Box::new(move || Box::new(&a * &b))
    }
}

fn natural(digits: &str) -> Natural {
    Natural::from_string_base(10, digits).unwrap_or_default()
}

/// Parses by way of malachite, which is faster for long numbers.
fn big_uint(digits: &str) -> BigUint {
    let limbs = natural(digits).to_limbs_asc();
    BigUint::from_bytes_le(
        &limbs
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect::<Vec<_>>(),
    )
}

/// A pseudorandom number of this many digits, determined by the seed.
fn random(digits: usize, seed: u64) -> String {
    // Marsaglia's xorshift is random enough here.
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..8 {
        next();
    }
    (0..digits)
        .map(|at| match (at, next()) {
            (0, random) => char::from(b'1' + (random >> 32) as u8 % 9),
            (_, random) => char::from(b'0' + (random >> 32) as u8 % 10),
        })
        .collect()
}

/// Times products of `digits` digits by `digits` / `shorter`.
fn run(bencher: Bencher, library: Library, digits: usize, shorter: usize) {
    let product = library(&random(digits, 1), &random(digits / shorter, 2));
    bencher.bench_local(|| product());
}

fn run_square(bencher: Bencher, library: Library, digits: usize) {
    let digits = random(digits, 1);
    let product = library(&digits, &digits);
    bencher.bench_local(|| product());
}

macro_rules! libraries {
    ($run:expr) => {
        use super::{Bencher, DIGITS, DIGITS_NUM_BIGINT, Library};

        #[divan::bench(args = DIGITS, max_time = 2)]
        fn ours(bencher: Bencher, digits: usize) {
            let run: fn(Bencher, Library, usize) = $run;
            run(bencher, super::ours, digits);
        }

        #[divan::bench(args = DIGITS, max_time = 2)]
        fn malachite(bencher: Bencher, digits: usize) {
            let run: fn(Bencher, Library, usize) = $run;
            run(bencher, super::malachite, digits);
        }

        #[divan::bench(args = DIGITS_NUM_BIGINT, max_time = 2)]
        fn num_bigint(bencher: Bencher, digits: usize) {
            let run: fn(Bencher, Library, usize) = $run;
            run(bencher, super::num_bigint, digits);
        }
    };
}

/// Both operands of the same length.
mod balanced {
    libraries!(|bencher, library, digits| super::run(bencher, library, digits, 1));
}

/// One operand sixteen times as long as the other.
mod one_to_sixteen {
    libraries!(|bencher, library, digits| super::run(bencher, library, digits, 16));
}

/// A number multiplied by itself.
mod square {
    libraries!(super::run_square);
}
