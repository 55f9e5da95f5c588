//! Products of short numbers, limb by limb in double precision, where every
//! intermediate is an integer below 2^53.
#![expect(clippy::cast_precision_loss, reason = "bases are below 2^20")]

use alloc::vec;
use alloc::vec::Vec;

use crate::carry::{self, COEFFICIENT_MAX, ROW_PAIRS};
use crate::natural::{Natural, PLACES_MAX, base};
use crate::pair::Pair;

/// The shorter operand is at most so many limbs long where limbs are multiplied
/// one by one. In a sandbox, operands of 100 limbs took 2.6 µs so and 3.4 µs by
/// transforms whose roots were there, those of 200 limbs 7.9 and 6.7 µs; making the
/// roots takes some 6 µs more.
pub const DIRECT_LIMBS_MAX: usize = 192;

/// The longer operand is at most so many limbs long there: its rows take some four times as
/// much memory as its limbs, which is little only while they are few.
const DIRECT_LONG_LIMBS_MAX: usize = 1024;

/// Limbs of the shorter operand that are multiplied at once, each by a row.
const ROWS: usize = 2 * ROW_PAIRS;

// So many products of two limbs, each below its base, are summed up and carried
// exactly.
const _: () = {
    let product = base(PLACES_MAX) as f64 * base(PLACES_MAX) as f64;
    assert!(DIRECT_LIMBS_MAX as f64 * product < COEFFICIENT_MAX);
};

/// Whether transforms would take longer, or more memory would be taken than is worth
/// while.
pub(crate) fn is_worth_while(long: &Natural, short: &Natural) -> bool {
    short.limbs().len() <= DIRECT_LIMBS_MAX
        && long.limbs().len() <= DIRECT_LONG_LIMBS_MAX
        && long.places() == short.places()
}

/// The product, limb by limb.
pub(crate) fn product(long: &Natural, short: &Natural) -> Natural {
    let mut rows = Rows::new(long, short, 1.0);
    for (block, limbs) in short.limbs().chunks(ROWS).enumerate() {
        rows.add(block, 0, limbs);
    }
    rows.product(long.places())
}

/// The square, limb by limb: two different limbs make two equal products.
pub(crate) fn square(number: &Natural) -> Natural {
    let mut rows = Rows::new(number, number, 2.0);
    for (block, limbs) in number.limbs().chunks(ROWS).enumerate() {
        // By each other as they are, and by all above twice; by those below they were
        // multiplied before.
        rows.set(block, limbs, 1.0);
        rows.add(block, block, limbs);
        rows.set(block, limbs, 0.0);
    }
    rows.product(number.places())
}

/// [`ROWS`] places, from the least significant.
type Block = [Pair; ROW_PAIRS];

/// Sums of products of two limbs each, some rows at a time.
struct Rows {
    /// The limbs of the longer operand, with a block of zeros on either side.
    factors: Vec<Block>,
    /// One for each place of the product.
    sums: Vec<Block>,
}

impl Rows {
    fn new(long: &Natural, short: &Natural, scale: f64) -> Self {
        let zeros = [Pair::both(0.0); ROW_PAIRS];
        let blocks = |number: &Natural| number.limbs().len().div_ceil(ROWS);
        let mut factors = Vec::with_capacity(blocks(long) + 2);
        factors.push(zeros);
        factors.extend(long.limbs().chunks(ROWS).map(|limbs| block(limbs, scale)));
        factors.push(zeros);
        Self {
            factors,
            sums: vec![zeros; blocks(long) + blocks(short)],
        }
    }

    /// Makes limbs times `scale` the factors of a block.
    fn set(&mut self, index: usize, limbs: &[i32], scale: f64) {
        self.factors[index + 1] = block(limbs, scale);
    }

    /// Adds the products of the limbs of one block and all factors from another on.
    fn add(&mut self, index: usize, from: usize, limbs: &[i32]) {
        let mut scales = [Pair::both(0.0); ROWS];
        for (scale, &limb) in scales.iter_mut().zip(limbs) {
            *scale = Pair::both(f64::from(limb));
        }
        let [s0, s1, s2, s3, s4, s5, s6, s7] = scales;
        let factors = self.factors[from..].array_windows();
        let sums = self.sums[index + from..].iter_mut();
        // A block is long enough that what is the same for all of them may be fetched
        // anew for each.
        for (sums, [below, factors]) in sums.zip(factors) {
            let [e0, e1, e2, e3] = *below;
            let [e4, e5, e6, e7] = *factors;
            // The same from one limb below.
            let [o1, o2, o3] = [e0.between(e1), e1.between(e2), e2.between(e3)];
            let o4 = e3.between(e4);
            let [o5, o6, o7] = [e4.between(e5), e5.between(e6), e6.between(e7)];
            // Two coefficients take s0 times two factors, s1 times those one below,
            // and so on.
            let sum = |sum: Pair, [e0, e1, e2, e3]: [Pair; 4], [o0, o1, o2, o3]: [Pair; 4]| {
                let low = o3.times_plus(s1, e3.times_plus(s0, sum));
                let low = o2.times_plus(s3, e2.times_plus(s2, low));
                let high = o1.times_plus(s5, e1.times(s4));
                let high = o0.times_plus(s7, e0.times_plus(s6, high));
                low.plus(high)
            };
            *sums = [
                sum(sums[0], [e1, e2, e3, e4], [o1, o2, o3, o4]),
                sum(sums[1], [e2, e3, e4, e5], [o2, o3, o4, o5]),
                sum(sums[2], [e3, e4, e5, e6], [o3, o4, o5, o6]),
                sum(sums[3], [e4, e5, e6, e7], [o4, o5, o6, o7]),
            ];
        }
    }

    fn product(self, places: u32) -> Natural {
        let base = base(places);
        let (mut limbs, rest) = carry::limbs_of_row(self.sums.into_iter(), base);
        let end = limbs.len();
        carry::add(&mut limbs, end, rest, base);
        Natural::from_limbs(places, limbs)
    }
}

/// Up to [`ROWS`] limbs times `scale`, and zeros.
fn block(limbs: &[i32], scale: f64) -> Block {
    let mut pairs = [[0; 2]; ROW_PAIRS];
    pairs.as_flattened_mut()[..limbs.len()].copy_from_slice(limbs);
    let scale = Pair::both(scale);
    pairs.map(|[first, second]| Pair::from_integers(first, second).times(scale))
}
