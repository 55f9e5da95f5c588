//! The certainty of a number, and the count of checks behind it.

use crate::natural::miss_exponent::miss_exponent;

/// Certainty of the products of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// A bound on the rounding errors proves every product exact.
    Proved,
    /// Some products were checked modulo a random prime; all others are proved.
    Verified(Verification),
}

/// Checks of products modulo a random prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Number of products that were checked.
    pub products: u32,
    /// Number of these that were wrong and computed again, with proof.
    pub repeated: u32,
    /// All checks together miss a wrong product with a probability of at most 2^−this.
    pub miss_exponent: u32,
}

/// Counts of the products that were checked on the way to a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// Number of products.
    pub(crate) products: u64,
    /// Number of products that were computed again.
    pub(crate) repeated: u64,
    /// Number of digits of all products.
    pub(crate) digits: u64,
}

impl Checks {
    /// Counts a product of `digits` digits.
    pub(crate) fn count(&mut self, digits: u64) {
        self.products += 1;
        self.digits += digits;
    }

    /// Adds counts from another sandbox.
    pub(crate) fn add(&mut self, other: Self) {
        self.products = self.products.saturating_add(other.products);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.digits = self.digits.saturating_add(other.digits);
    }

    /// Returns the counts since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            products: self.products.saturating_sub(earlier.products),
            repeated: self.repeated.saturating_sub(earlier.repeated),
            digits: self.digits.saturating_sub(earlier.digits),
        }
    }

    /// Returns the certainty of a number with these checks.
    pub(crate) fn grade(self) -> Grade {
        if self.products == 0 {
            return Grade::Proved;
        }
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Grade::Verified(Verification {
            products: narrow(self.products),
            repeated: narrow(self.repeated),
            // Probabilities are proportional to the digits and add up.
            miss_exponent: miss_exponent(self.digits, 1),
        })
    }
}
