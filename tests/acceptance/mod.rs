//! Acceptance tests: the promises of the README, one file for each way to run Cocoon.
//!
//! Each file runs a real artifact in the way that the README shows: the component on stock
//! Wasmtime, the host binary, the image, and the service behind the ports of its manifests.
//! `pages` runs the commands of README and `docs/`.

mod binary;
mod component;
mod image;
mod pages;
mod service;

/// The output of each artifact without arguments.
const TEN: &str = "1! = 1\n2! = 2\n3! = 6\n4! = 24\n5! = 120\n6! = 720\n7! = 5040\n8! = 40320\n\
                   9! = 362880\n10! = 3628800\n";

/// 20,000! and a newline, from `math.factorial(20000)` of `CPython` 3.11.
const SHA256_OF_20000: &str = "705e44978f9ab90a16420234844d40a9ee2292de099aa88fb1ab349731dadd08";
