//! Products of long numbers.
//!
//! Short operands are multiplied limb by limb (`direct`), long ones by a floating-point
//! `transform`. There are two ways to be sure that rounding to the nearest integers
//! gives the product:
//!
//! - *proved*: `bound` shows, from the norms of these very operands, that no
//!   coefficient is off by a half;
//! - *verified*: limbs are as long as experience allows, and the product is
//!   compared with its operands modulo a random prime. A wrong product is made
//!   again, with proof.
#![expect(
    clippy::cast_precision_loss,
    reason = "lengths are below 2^32 and bases below 2^20"
)]

use alloc::vec;
use alloc::vec::Vec;

use crate::bound;
use crate::carry::{self, CARRY_LIMBS, COEFFICIENT_MAX, Carry};
use crate::checksum::Checksum;
use crate::direct;
use crate::halves::{self, Half, HalfProduct};
use crate::modular::{self, Modulus};
use crate::natural::{Natural, PLACES_MAX, PLACES_MIN, base};
use crate::pair::{Complex, Pair};
use crate::transform::{Other, Shape, Transform};
use crate::wire::Checks;

/// Most parts that the longer operand is divided into.
const PARTS_MAX: u64 = 64;

/// Rounding errors that are to be expected stay below this; see `expected`.
const EXPECTED_MAX: f64 = 0.3;

/// What `expected` multiplies by, as measured: the largest errors of random numbers
/// of 10^5 to 6 · 10^6 digits came to 0.8 to 1.0 of what it says.
const EXPECTED: f64 = 1e-30;

/// Digits of a limb from which on two rounds of carries leave limbs short.
pub(crate) const TWO_ROUNDS_PLACES_MIN: u32 = 5;

/// A coefficient that is farther from an integer shows that something is wrong.
const DISTANCE_MAX: f64 = 0.4;

/// How it was made sure that products are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// All are exact by a bound.
    Proved,
    /// Some were checked.
    Verified(Verification),
}

/// How products were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Products that were checked.
    pub products: u32,
    /// How many of them were wrong and made again, with proof.
    pub repeated: u32,
    /// A wrong number would have been missed with a probability of at most
    /// 2^−this.
    pub miss_exponent: u32,
}

/// Multiplies, and keeps what many products need: roots of unity, and room.
#[derive(Default)]
pub struct Multiplier {
    transform: Transform,
    one: Vec<Complex>,
    two: Vec<Complex>,
    /// What chooses the prime that products are checked by. `None` where all are
    /// to be proved.
    seed: Option<u64>,
    /// Residues modulo that prime, once they were needed.
    checksum: Option<Checksum>,
    checks: Checks,
    /// A limb of every checked product is made wrong by one.
    #[cfg(test)]
    fault: bool,
}

/// How rounding went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding {
    /// The largest distance from an integer.
    distance: f64,
    /// The largest coefficient.
    largest: f64,
}

impl Rounding {
    /// The largest coefficient.
    pub(crate) fn largest(self) -> f64 {
        self.largest
    }

    /// Whether nothing looks wrong.
    pub(crate) fn is_good(self) -> bool {
        self.distance < DISTANCE_MAX && self.largest < COEFFICIENT_MAX
    }
}

/// Brings coefficients to their size and rounds them, and keeps in mind how that
/// went.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    factor: Pair,
    distances: Range,
    coefficients: Range,
}

/// The least and the largest of some numbers, and 0. It takes less than their magnitudes
/// would.
#[derive(Clone, Copy)]
struct Range {
    least: Pair,
    largest: Pair,
}

impl Range {
    fn new() -> Self {
        Self {
            least: Pair::both(0.0),
            largest: Pair::both(0.0),
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "a few instructions in innermost loops"
    )]
    #[inline(always)]
    fn take(&mut self, numbers: Pair) {
        self.least = self.least.smaller(numbers);
        self.largest = self.largest.larger(numbers);
    }

    fn magnitude(self) -> f64 {
        let magnitudes = self.largest.larger(self.least.negated());
        magnitudes.first().max(magnitudes.second())
    }
}

impl Scale {
    pub(crate) fn new(factor: f64) -> Self {
        Self {
            factor: Pair::both(factor),
            distances: Range::new(),
            coefficients: Range::new(),
        }
    }

    /// Two coefficients as integers.
    #[expect(
        clippy::inline_always,
        reason = "a few instructions in innermost loops"
    )]
    #[inline(always)]
    pub(crate) fn integers(&mut self, coefficients: Pair) -> Pair {
        let scaled = coefficients.times(self.factor);
        let integers = scaled.nearest();
        self.distances.take(scaled.minus(integers));
        self.coefficients.take(integers);
        integers
    }

    pub(crate) fn rounding(self) -> Rounding {
        Rounding {
            distance: self.distances.magnitude(),
            largest: self.coefficients.magnitude(),
        }
    }
}

impl Multiplier {
    /// Products are proved.
    pub fn proved() -> Self {
        Self::default()
    }

    /// Long products are verified modulo a prime that `seed` chooses.
    pub fn verified(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..Self::default()
        }
    }

    /// Products are proved if `proved`, or else verified.
    pub fn new(proved: bool, seed: u64) -> Self {
        if proved {
            Self::proved()
        } else {
            Self::verified(seed)
        }
    }

    /// What the products so far are sure by.
    pub fn grade(&self) -> Grade {
        if self.checks.products == 0 {
            return Grade::Proved;
        }
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Grade::Verified(Verification {
            products: count(self.checks.products),
            repeated: count(self.checks.repeated),
            // Probabilities are in proportion to the digits, and add up.
            miss_exponent: modular::miss_exponent(self.checks.digits, 1),
        })
    }

    /// What was checked so far.
    pub(crate) fn checks(&self) -> Checks {
        self.checks
    }

    /// Takes over what was checked elsewhere.
    pub(crate) fn take_over(&mut self, checks: Checks) {
        self.checks.add(checks);
    }

    /// Counts a product of so many digits that is checked.
    pub(crate) fn count(&mut self, digits: u64) {
        self.checks.products += 1;
        self.checks.digits += digits;
    }

    /// one · two.
    pub fn product(&mut self, one: &Natural, two: &Natural) -> Natural {
        let (long, short) = if one.limbs().len() < two.limbs().len() {
            (two, one)
        } else {
            (one, two)
        };
        let short_limbs = short.limbs().len();
        if short_limbs == 0 {
            return Natural::zero();
        }
        if direct::is_worth_while(long, short) {
            return direct::product(long, short);
        }
        self.checked(|multiplier| multiplier.by_parts(long, short), long, short)
    }

    /// number².
    pub fn square(&mut self, number: &Natural) -> Natural {
        if direct::is_worth_while(number, number) {
            return direct::square(number);
        }
        self.checked(|multiplier| multiplier.squared(number), number, number)
    }

    /// What `multiply` makes of one · two, if it is that.
    fn checked(
        &mut self,
        multiply: impl Fn(&mut Self) -> Unchecked,
        one: &Natural,
        two: &Natural,
    ) -> Natural {
        let Unchecked {
            mut product,
            proved,
            good,
        } = multiply(self);
        let Some(seed) = self.seed.filter(|_| !proved) else {
            return product;
        };
        #[cfg(test)]
        self.add_fault(&mut product);
        self.count(product.limbs().len() as u64 * u64::from(product.places()));
        let checksum = self
            .checksum
            .get_or_insert_with(|| Checksum::new(Modulus::random(seed, 0)));
        let modulus = checksum.modulus();
        let residue = modulus.mul(checksum.of(one), checksum.of(two));
        if good && checksum.of(&product) == residue {
            product.set_residue(modulus, residue);
            return product;
        }
        self.checks.repeated += 1;
        self.seed = None;
        product = multiply(self).product;
        self.seed = Some(seed);
        product
    }

    /// The product by transforms, part by part of the longer operand.
    fn by_parts(&mut self, long: &Natural, short: &Natural) -> Unchecked {
        let mut places = long.places().min(short.places());
        while places > PLACES_MIN {
            let (long, short) = (long.length_in(places), short.length_in(places));
            let division = Division::new(long, short);
            let square = random_square(division.part_limbs as u64, short, places);
            if self.fits(division.shape, square) {
                break;
            }
            places -= 1;
        }
        loop {
            let (long_regrouped, short_regrouped) = (regroup(long, places), regroup(short, places));
            let long = long_regrouped.as_ref().unwrap_or(long);
            let short = short_regrouped.as_ref().unwrap_or(short);
            match self.try_by_parts(long, short) {
                Some(unchecked) => return unchecked,
                None => places -= 1,
            }
        }
    }

    /// The same, unless the limbs are too long for it.
    fn try_by_parts(&mut self, long: &Natural, short: &Natural) -> Option<Unchecked> {
        let places = long.places();
        let (long_limbs, short_limbs) = (long.limbs().len(), short.limbs().len());
        let Division { part_limbs, shape } = Division::new(long_limbs as u64, short_limbs as u64);
        let points = shape.points();
        let short_square = fill(&mut self.two, points, short.limbs());
        let mut limbs = Vec::new();
        let (mut proved, mut good) = (true, true);
        for (index, part) in long.limbs().chunks(part_limbs).enumerate() {
            let square = short_square * fill(&mut self.one, points, part);
            proved &= self.try_proof(shape, square, places)?;
            let other = if index == 0 {
                Other::Whole(&mut self.two)
            } else {
                Other::Split(&self.two)
            };
            self.transform.multiply(&mut self.one, other, shape);
            let (mut product, rounding) = limbs_of(&self.one, places);
            good &= rounding.is_good();
            if part.len() == long_limbs {
                limbs = product;
                break;
            }
            product.truncate(part.len() + short_limbs);
            if index == 0 {
                limbs.reserve_exact(long_limbs + short_limbs + CARRY_LIMBS);
            }
            carry::add_all(&mut limbs, index * part_limbs, &product, base(places));
        }
        Some(Unchecked {
            product: Natural::from_limbs(places, limbs),
            proved,
            good,
        })
    }

    /// The square by a transform.
    fn squared(&mut self, number: &Natural) -> Unchecked {
        let mut places = number.places();
        while places > PLACES_MIN {
            let length = number.length_in(places);
            let shape = shape_of(2 * length);
            if self.fits(shape, random_square(length, length, places)) {
                break;
            }
            places -= 1;
        }
        loop {
            let regrouped = regroup(number, places);
            match self.try_squared(regrouped.as_ref().unwrap_or(number)) {
                Some(unchecked) => return unchecked,
                None => places -= 1,
            }
        }
    }

    /// The same, unless the limbs are too long for it.
    fn try_squared(&mut self, number: &Natural) -> Option<Unchecked> {
        let places = number.places();
        let shape = shape_of(2 * number.limbs().len() as u64);
        let norm_square = fill(&mut self.one, shape.points(), number.limbs());
        let proved = self.try_proof(shape, norm_square * norm_square, places)?;
        self.transform.multiply(&mut self.one, Other::Same, shape);
        let (limbs, rounding) = limbs_of(&self.one, places);
        Some(Unchecked {
            product: Natural::from_limbs(places, limbs),
            proved,
            good: rounding.is_good(),
        })
    }

    /// Whether a product of operands whose norms' product has this square is
    /// proved; `None` where it is not even worth a try.
    fn try_proof(&self, shape: Shape, square: f64, places: u32) -> Option<bool> {
        // Limbs of two digits are always short enough: see the test of `bound`.
        let proved =
            places == PLACES_MIN || bound::distance(shape, square_root_above(square)) < 0.5;
        (proved || (self.seed.is_some() && self.fits(shape, square))).then_some(proved)
    }

    /// Gives up the room that it keeps for products.
    pub(crate) fn free_room(&mut self) {
        self.one = Vec::new();
        self.two = Vec::new();
    }

    /// Half of one · two, and the digits of its limbs. The other half is of the same
    /// shape, which depends on the numbers alone. `square` is the product of the
    /// [`norm_square`]s of both.
    pub(crate) fn half(
        &mut self,
        [mut one, mut two]: [Natural; 2],
        mut square: f64,
        half: Half,
    ) -> (HalfProduct, u32) {
        self.free_room();
        let places = one.places().min(two.places());
        if one.places() != two.places() {
            (one, two) = (one.in_places(places), two.in_places(places));
            square = norm_square(one.limbs()) * norm_square(two.limbs());
        }
        loop {
            let part = half_shape([&one, &two].map(|number| number.limbs().len() as u64));
            let places = one.places();
            if places == PLACES_MIN || self.fits_halves(part, square) {
                let limbs = [one, two].map(Natural::into_limbs);
                let product = halves::product(&mut self.transform, limbs, part, half);
                // Limbs of two digits are always short enough.
                if places > PLACES_MIN && product.bound >= 0.5 {
                    self.count(2 * part.points() as u64 * u64::from(places));
                }
                return (product, places);
            }
            (one, two) = (one.regrouped(places - 1), two.regrouped(places - 1));
            square = norm_square(one.limbs()) * norm_square(two.limbs());
        }
    }

    /// Digits of a limb that the halves of a product of about so many digits will
    /// have.
    pub(crate) fn half_places(&self, digits: u64) -> u32 {
        let mut places = PLACES_MAX;
        loop {
            let length = digits / u64::from(2 * places) + 1;
            let square = random_square(length, length, places);
            if places == PLACES_MIN || self.fits_halves(half_shape([length; 2]), square) {
                return places;
            }
            places -= 1;
        }
    }

    fn fits_halves(&self, part: Shape, square: f64) -> bool {
        if self.seed.is_some() {
            // Besides the steps of a half there are a split, and a turn by a root.
            expected(2 * part.points(), part.steps() + 3, square) < EXPECTED_MAX * EXPECTED_MAX
        } else {
            bound::distance_of_halves(part, square_root_above(square)) < 0.5
        }
    }

    /// Whether a product of operands whose norms' product has this square may be
    /// tried.
    fn fits(&self, shape: Shape, square: f64) -> bool {
        if self.seed.is_some() {
            expected(shape.points(), shape.steps(), square) < EXPECTED_MAX * EXPECTED_MAX
        } else {
            bound::distance(shape, square_root_above(square)) < 0.5
        }
    }

    #[cfg(test)]
    fn add_fault(&mut self, product: &mut Natural) {
        if self.fault {
            let mut limbs = product.limbs().to_vec();
            let middle = limbs.len() / 2;
            limbs[middle] += 1;
            *product = Natural::from_limbs(product.places(), limbs);
        }
    }
}

/// How a product is divided: the longer operand into equal parts, each of which is
/// multiplied by all of the shorter one, whose transform serves for all.
#[derive(Clone, Copy, Debug)]
struct Division {
    part_limbs: usize,
    shape: Shape,
}

impl Division {
    /// The division with the least points to transform.
    fn new(long_limbs: u64, short_limbs: u64) -> Self {
        let divide = |parts: u64| {
            let part_limbs = long_limbs.div_ceil(parts);
            let shape = shape_of(part_limbs + short_limbs);
            let part_limbs = usize::try_from(part_limbs).unwrap_or(usize::MAX);
            Self { part_limbs, shape }
        };
        let cost = |parts: u64, division: &Self| {
            // Two transforms for each part, and one for the shorter operand.
            (2 * parts + 1) * division.shape.points() as u64
        };
        let most = (long_limbs / short_limbs.max(1)).clamp(1, PARTS_MAX);
        let mut best = divide(1);
        let mut best_cost = cost(1, &best);
        for parts in 2..=most {
            let division = divide(parts);
            let cost = cost(parts, &division);
            if cost < best_cost {
                (best, best_cost) = (division, cost);
            }
        }
        best
    }
}

/// The shape of a transform for products of so many limbs.
fn shape_of(limbs: u64) -> Shape {
    Shape::of_at_least(usize::try_from(limbs.div_ceil(2)).unwrap_or(usize::MAX / 2))
}

/// The shape of the halves of a product of numbers of so many limbs.
fn half_shape([one, two]: [u64; 2]) -> Shape {
    let points = (one + two).div_ceil(4);
    Shape::of_at_least(usize::try_from(points).unwrap_or(usize::MAX / 4))
}

/// A product by transforms.
struct Unchecked {
    product: Natural,
    /// Whether it is right for sure.
    proved: bool,
    /// Whether nothing looks wrong.
    good: bool,
}

/// The number in limbs of `places` digits, unless it is in those already.
fn regroup(number: &Natural, places: u32) -> Option<Natural> {
    (number.places() != places).then(|| number.regrouped(places))
}

/// The square of the largest rounding error that is to be expected of random
/// operands whose norms' product has this square: errors are as independent as
/// the limbs are.
fn expected(points: usize, steps: u32, square: f64) -> f64 {
    square / points as f64 * f64::from(steps) * EXPECTED
}

/// The square of the product of the norms of two random numbers of so many
/// limbs: a random limb's square is a twelfth of its base's.
fn random_square(one: u64, two: u64, places: u32) -> f64 {
    let limb = base(places) as f64 * base(places) as f64 / 12.0;
    (one as f64 * limb) * (two as f64 * limb)
}

/// Limbs whose squares are summed up at once, so that the sum of all is the same in
/// whichever pieces they come.
pub(crate) const NORM_LIMBS: usize = 4096;

/// The sum of the squares of limbs.
pub(crate) fn norm_square(limbs: &[i32]) -> f64 {
    limbs.chunks(NORM_LIMBS).map(sum_of_squares).sum()
}

fn sum_of_squares(limbs: &[i32]) -> f64 {
    // Sums that do not wait for each other.
    let mut sums = [Pair::both(0.0); 4];
    let (rows, rest) = limbs.as_chunks::<8>();
    for row in rows {
        for (sum, &[first, second]) in sums.iter_mut().zip(row.as_chunks::<2>().0) {
            let limbs = Pair::from_integers(first, second);
            *sum = limbs.times_plus(limbs, *sum);
        }
    }
    let rest = rest.iter().map(|&limb| f64::from(limb) * f64::from(limb));
    let [a, b, c, d] = sums;
    let sum = a.plus(b).plus(c.plus(d));
    sum.first() + sum.second() + rest.sum::<f64>()
}

/// A root of `square`, or a little more. The sums of squares that went into it may
/// be off by a few billionths, for which there is room in [`bound`].
pub(crate) fn square_root_above(square: f64) -> f64 {
    Pair::both(square).square_root().first() * (1.0 + 1e-9)
}

/// Puts limbs into the complex points of a transform, and tells the sum of their
/// squares.
fn fill(data: &mut Vec<Complex>, points: usize, limbs: &[i32]) -> f64 {
    let pairs = points / 2;
    data.clear();
    if data.capacity() < pairs {
        // Nothing is worth being copied to a larger place.
        *data = Vec::new();
        data.reserve_exact(pairs);
    }
    let (low, high) = limbs.split_at(limbs.len().min(points));
    let (low, low_rest) = low.as_chunks::<2>();
    let (high, high_rest) = high.as_chunks::<2>();
    let mut sum = Pair::both(0.0);
    let mut add = |re: Pair, im: Pair| {
        sum = re.times_plus(re, sum);
        sum = im.times_plus(im, sum);
        data.push(Complex { re, im });
    };
    let pair = |&[first, second]: &[i32; 2]| Pair::from_integers(first, second);
    let rest = |rest: &[i32]| {
        rest.first()
            .map_or(Pair::both(0.0), |&limb| Pair::from_integers(limb, 0))
    };
    let zero = Pair::both(0.0);
    for (low, high) in low.iter().zip(high) {
        add(pair(low), pair(high));
    }
    // Either the low half is full, or the high half is empty.
    let both = low.len().min(high.len());
    if both < low.len() {
        add(pair(&low[both]), rest(high_rest));
        for low in &low[both + 1..] {
            add(pair(low), zero);
        }
    }
    if !low_rest.is_empty() {
        add(rest(low_rest), zero);
    }
    data.resize(pairs, Complex::zero());
    sum.first() + sum.second()
}

/// The limbs of a product, and how rounding went.
fn limbs_of(data: &[Complex], places: u32) -> (Vec<i32>, Rounding) {
    if places >= TWO_ROUNDS_PLACES_MIN {
        // Only the coefficients of operands that are chosen for it are too large for
        // two rounds.
        limbs_in_rounds::<2>(data, places)
    } else {
        limbs_in_rounds::<3>(data, places)
    }
}

/// Elements that are taken at once: each time around a loop costs about as much as one.
const ROW: usize = 2;

fn limbs_in_rounds<const ROUNDS: usize>(data: &[Complex], places: u32) -> (Vec<i32>, Rounding) {
    let points = 2 * data.len();
    let base = base(places);
    let mut low = Carry::<ROUNDS>::new(base);
    let mut high = low.clone();
    let mut limbs = vec![0; 2 * points];
    let (low_limbs, high_limbs) = limbs.split_at_mut(points);
    let (low_rows, low_rest) = low_limbs.as_chunks_mut::<{ 2 * ROW }>();
    let (high_rows, high_rest) = high_limbs.as_chunks_mut::<{ 2 * ROW }>();
    let (rows, rest) = data.as_chunks::<ROW>();
    // Coefficients are M/2 times too large.
    let mut scale = Scale::new(1.0 / data.len() as f64);
    let mut take = |elements: &[Complex], low_limbs: &mut [i32], high_limbs: &mut [i32]| {
        let low_limbs = low_limbs.as_chunks_mut::<2>().0;
        let high_limbs = high_limbs.as_chunks_mut::<2>().0;
        for ((element, low_limbs), high_limbs) in elements.iter().zip(low_limbs).zip(high_limbs) {
            *low_limbs = low.take(scale.integers(element.re)).to_integers();
            *high_limbs = high.take(scale.integers(element.im)).to_integers();
        }
    };
    for ((row, low_limbs), high_limbs) in rows.iter().zip(low_rows).zip(high_rows) {
        take(row, low_limbs, high_limbs);
    }
    take(rest, low_rest, high_rest);
    let rounding = scale.rounding();
    let mut high = high.rest();
    if rounding.largest > Carry::<ROUNDS>::short_max(base) {
        high += carry::shorten(&mut limbs, base);
    }
    carry::add(&mut limbs, points, low.rest(), base);
    carry::add(&mut limbs, 2 * points, high, base);
    (limbs, rounding)
}

#[cfg(test)]
#[path = "multiply_errors.rs"]
mod errors;
