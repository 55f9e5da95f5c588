//! Acceptance: what the README promises, by the way in that one comes.
//!
//! Each file drives the real artifact as somebody does who only reads the README: the
//! component on stock Wasmtime, the host binary, the image by an engine, and the
//! service behind the ports of its manifests.

mod binary;
mod component;
mod image;
mod pages;
mod service;

/// What every way in prints when it is told nothing.
const TEN: &str = "1! = 1\n2! = 2\n3! = 6\n4! = 24\n5! = 120\n6! = 720\n7! = 5040\n8! = 40320\n\
                   9! = 362880\n10! = 3628800\n";

/// 20,000! and a newline, from `math.factorial(20000)` of `CPython` 3.11.
const SHA256_OF_20000: &str = "705e44978f9ab90a16420234844d40a9ee2292de099aa88fb1ab349731dadd08";
