//! `factor` of the uutils, which prints the prime factors of its arguments: a program from
//! crates.io that its authors did not write for Cocoon. Its `main` is this line as well.

uucore::bin!(uu_factor);
