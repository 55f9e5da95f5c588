//! `factor` of the uutils, which prints the prime factors of its arguments: a program from
//! crates.io, whose `main` is this line too. Its authors did not write it for Cocoon.

uucore::bin!(uu_factor);
