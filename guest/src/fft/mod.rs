//! The fast Fourier transform that multiplies long numbers, in double precision.
//!
//! [`simd`] and [`complex`] are the arithmetic, [`double_double`] and [`roots`] the
//! roots of unity, [`shape`] the lengths, [`twiddles`], [`butterfly`] and
//! [`odd_radix`] the steps. [`transform`] puts the steps together, and
//! [`error_bound`] bounds the rounding errors of all of them.

pub(crate) mod simd;

pub(crate) mod complex;

mod double_double;

pub(crate) mod roots;

pub(crate) mod shape;

pub(crate) mod twiddles;

mod butterfly;

mod odd_radix;

pub(crate) mod transform;

pub(crate) mod error_bound;
