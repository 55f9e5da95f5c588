//! The fast Fourier transform behind long products, as a tower of rings.
//!
//! Real polynomials modulo x^2M + 1 are complex ones modulo x^M − i: coefficient
//! M + t becomes the imaginary part of coefficient t, since x^M = i. That ring is
//! split by roots, x^4m − c⁴ = (x^m − c)(x^m + c)(x^m − ic)(x^m + ic), down to
//! x² − c, where polynomials are multiplied as such. Splitting and joining go the
//! same way through memory, so that nothing is ever put in order; each block has
//! one root for all of it (D. J. Bernstein, "Multidigit multiplication for
//! mathematicians", 2001); and a block is multiplied while it is in the cache,
//! before the next is looked at.
//!
//! Lengths are 2^a · 3^b · 5^c. A factor of 3 or 5 comes first: x^3m − i is
//! split into x^m − c for the three cube roots c of i, and each of these becomes
//! y^m − i by x = d·y with d^m = c/i, so that the roots of what follows are the
//! same for all lengths.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use alloc::vec::Vec;

use crate::pair::{Complex, Pair};
use crate::roots::{Root, WideRoot, level};

/// Pairs of points that are split level by level, in a cache of 32 KiB; longer
/// blocks are split part by part.
const CACHED_PAIRS: usize = 1 << 9;

/// Pairs of points of the shortest block without a factor of 3 or 5.
const PAIRS_MIN: usize = 4;

/// How long a transform is, in complex points: 2^twos · 3^threes · 5^fives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) twos: u32,
    pub(crate) threes: u32,
    pub(crate) fives: u32,
}

/// The odd parts of lengths, as powers of 3 and 5: 1, 9/8, 5/4, 45/32, 3/2, 25/16, 27/16
/// and 15/8 times a power of two.
const ODD: [(u32, u32); 8] = [
    (0, 0),
    (2, 0),
    (0, 1),
    (2, 1),
    (1, 0),
    (0, 2),
    (3, 0),
    (1, 1),
];

/// How much of a transform a split by 3 or 5 adds to it: one part in so many.
const ODD_STEP_COST: u32 = 8;

impl Shape {
    /// The shortest transform of at least `points` complex points.
    pub(crate) fn of_at_least(points: usize) -> Self {
        let shapes = ODD.map(|(threes, fives)| {
            let odd = 3_usize.pow(threes) * 5_usize.pow(fives);
            let blocks = points.div_ceil(odd).max(2 * PAIRS_MIN);
            Self {
                twos: usize::BITS - (blocks - 1).leading_zeros(),
                threes,
                fives,
            }
        });
        let mut best = shapes[0];
        for shape in shapes {
            if shape.cost() < best.cost() {
                best = shape;
            }
        }
        best
    }

    /// What a transform takes, about.
    fn cost(self) -> u64 {
        self.points() as u64 * u64::from(ODD_STEP_COST + self.threes + self.fives)
    }

    /// Complex points.
    pub(crate) fn points(self) -> usize {
        (3_usize.pow(self.threes) * 5_usize.pow(self.fives)) << self.twos
    }

    /// Levels that split in two or four: (twos, fours).
    pub(crate) fn splits(self) -> (u32, u32) {
        let levels = self.twos - 1;
        (levels % 2, levels / 2)
    }

    /// Steps that an element goes through; a split by an odd factor counts twice, for
    /// the root that follows it.
    pub(crate) fn steps(self) -> u32 {
        let (twos, fours) = self.splits();
        twos + 2 * fours + 2 * (self.threes + self.fives)
    }

    /// What is left after a split by an odd factor.
    fn without(self, factor: Factor) -> Self {
        match factor {
            Factor::Three => Self {
                threes: self.threes - 1,
                ..self
            },
            Factor::Five => Self {
                fives: self.fives - 1,
                ..self
            },
        }
    }

    fn factor(self) -> Option<Factor> {
        if self.threes > 0 {
            Some(Factor::Three)
        } else if self.fives > 0 {
            Some(Factor::Five)
        } else {
            None
        }
    }
}

/// An odd factor of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    Three,
    Five,
}

/// What a transformed operand is multiplied by.
pub(crate) enum Other<'a> {
    /// Itself.
    Same,
    /// Another operand, which is left split.
    Whole(&'a mut [Complex]),
    /// An operand that was split before.
    Split(&'a [Complex]),
}

impl Other<'_> {
    /// The part from `from` to `to`.
    fn part(&mut self, from: usize, to: usize) -> Other<'_> {
        match self {
            Self::Same => Other::Same,
            Self::Whole(other) => Other::Whole(&mut other[from..to]),
            Self::Split(other) => Other::Split(&other[from..to]),
        }
    }

    /// Does what is done to split an operand, where it still is to be done.
    fn split(&mut self, split: impl FnOnce(&mut [Complex])) {
        if let Self::Whole(other) = self {
            split(other);
        }
    }
}

/// The roots that transforms need, made when they are first needed.
#[derive(Default)]
pub(crate) struct Transform {
    levels: Vec<Vec<Root>>,
    twists: Vec<(Shape, Twist)>,
}

impl Transform {
    /// Multiplies `data` by `other` in the ring x^M − i, in place. The result is
    /// M/2 times too large.
    pub(crate) fn multiply(&mut self, data: &mut [Complex], mut other: Other<'_>, shape: Shape) {
        self.prepare(shape);
        self.odd(data, &mut other, shape);
    }

    fn prepare(&mut self, shape: Shape) {
        let (twos, fours) = shape.splits();
        let last = twos + 2 * fours;
        let mut next = twos;
        while next < last {
            let next_index = next as usize;
            if self.levels.len() <= next_index {
                self.levels.resize(next_index + 1, Vec::new());
            }
            if self.levels[next_index].is_empty() {
                self.levels[next_index] = level(next);
            }
            next += 2;
        }
        let mut shape = shape;
        while let Some(factor) = shape.factor() {
            if !self.twists.iter().any(|(other, _)| *other == shape) {
                let twist = Twist::new(factor, shape.without(factor).points());
                self.twists.push((shape, twist));
            }
            shape = shape.without(factor);
        }
    }

    fn odd(&self, data: &mut [Complex], other: &mut Other<'_>, shape: Shape) {
        let Some(factor) = shape.factor() else {
            let (twos, _) = shape.splits();
            if twos == 0 {
                self.block(data, other, 0, 0);
                return;
            }
            split_in_two(data);
            other.split(split_in_two);
            let half = data.len() / 2;
            for (index, data) in data.chunks_exact_mut(half).enumerate() {
                let mut other = other.part(index * half, (index + 1) * half);
                self.block(data, &mut other, 1, index);
            }
            join_two(data);
            return;
        };
        let Some((_, twist)) = self.twists.iter().find(|(other, _)| *other == shape) else {
            return;
        };
        let rest = shape.without(factor);
        twist.split(data);
        other.split(|other| twist.split(other));
        let part = rest.points() / 2;
        for (index, data) in data.chunks_exact_mut(part).enumerate() {
            let mut other = other.part(index * part, (index + 1) * part);
            self.odd(data, &mut other, rest);
        }
        twist.join(data);
    }

    /// Multiplies in block `index` of a level.
    fn block(&self, data: &mut [Complex], other: &mut Other<'_>, level: usize, index: usize) {
        if data.len() <= CACHED_PAIRS {
            self.cached(data, other, level, index);
            return;
        }
        let root = self.levels[level][index];
        split_in_four(data, root);
        other.split(|other| split_in_four(other, root));
        let part = data.len() / 4;
        for (quarter, data) in data.chunks_exact_mut(part).enumerate() {
            let mut other = other.part(quarter * part, (quarter + 1) * part);
            self.block(data, &mut other, level + 2, 4 * index + quarter);
        }
        join_four(data, root);
    }

    fn cached(&self, data: &mut [Complex], other: &mut Other<'_>, level: usize, index: usize) {
        self.split_cached(data, level, index);
        other.split(|other| self.split_cached(other, level, index));
        let (mut level, mut index, mut length) = (level, index, data.len());
        while length > PAIRS_MIN {
            (level, index, length) = (level + 2, 4 * index, length / 4);
        }
        let roots = &self.levels[level][index..];
        let blocks = data.as_chunks_mut::<PAIRS_MIN>().0;
        match other {
            Other::Same => {
                for (block, &root) in blocks.iter_mut().zip(roots) {
                    let root = Powers::new(root);
                    let split = root.split(*block);
                    *block = root.join(root.products(split, split));
                }
            }
            Other::Whole(other) => multiply_blocks(blocks, other, roots),
            Other::Split(other) => multiply_blocks(blocks, other, roots),
        }
        let (mut level, mut index) = (level, index);
        while length < data.len() {
            (level, index, length) = (level - 2, index / 4, 4 * length);
            let roots = &self.levels[level][index..];
            for (block, &root) in data.chunks_exact_mut(length).zip(roots) {
                join_four(block, root);
            }
        }
    }

    /// Splits a block down to the level before the last.
    fn split_cached(&self, data: &mut [Complex], level: usize, index: usize) {
        let (mut level, mut index, mut length) = (level, index, data.len());
        while length > PAIRS_MIN {
            let roots = &self.levels[level][index..];
            for (block, &root) in data.chunks_exact_mut(length).zip(roots) {
                split_in_four(block, root);
            }
            (level, index, length) = (level + 2, 4 * index, length / 4);
        }
    }
}

fn multiply_blocks(blocks: &mut [[Complex; PAIRS_MIN]], other: &[Complex], roots: &[Root]) {
    let others = other.as_chunks::<PAIRS_MIN>().0;
    for ((block, other), &root) in blocks.iter_mut().zip(others).zip(roots) {
        let root = Powers::new(root);
        let (one, two) = (root.split(*block), root.split(*other));
        *block = root.join(root.products(one, two));
    }
}

/// A root with its square and cube.
#[derive(Clone, Copy)]
struct Powers {
    first: Complex,
    second: Complex,
    third: Complex,
}

impl Powers {
    #[inline(always)]
    fn new(root: Root) -> Self {
        let first = Complex::both(root.re, root.im);
        let second = first.times(first);
        Self {
            first,
            second,
            third: second.times(first),
        }
    }

    /// From x^4m − c⁴ to x^m − c, x^m + c, x^m − ic and x^m + ic.
    #[inline(always)]
    fn split(&self, [a0, a1, a2, a3]: [Complex; 4]) -> [Complex; 4] {
        let a1 = a1.times(self.first);
        let a2 = a2.times(self.second);
        let a3 = a3.times(self.third);
        let (even, even_turned) = (a0.plus(a2), a0.minus(a2));
        let (odd, odd_turned) = (a1.plus(a3), a1.minus(a3));
        [
            even.plus(odd),
            even.minus(odd),
            even_turned.plus_i(odd_turned),
            even_turned.minus_i(odd_turned),
        ]
    }

    /// Back, four times too large.
    #[inline(always)]
    fn join(&self, [b0, b1, b2, b3]: [Complex; 4]) -> [Complex; 4] {
        let (even, odd) = (b0.plus(b1), b0.minus(b1));
        let (even_turned, odd_turned) = (b2.plus(b3), b2.minus(b3));
        [
            even.plus(even_turned),
            odd.minus_i(odd_turned).times_conjugate(self.first),
            even.minus(even_turned).times_conjugate(self.second),
            odd.plus_i(odd_turned).times_conjugate(self.third),
        ]
    }

    /// Products modulo x² − c, x² + c, x² − ic and x² + ic.
    #[inline(always)]
    fn products(&self, one: [Complex; 4], two: [Complex; 4]) -> [Complex; 4] {
        let ones = Pair::both(1.0);
        let zeros = Pair::both(0.0);
        // c beside 1, and so on.
        let c = Complex {
            re: self.first.re.firsts(ones),
            im: self.first.im.firsts(zeros),
        };
        let minus_c = Complex {
            re: self.first.re.negated().firsts(ones),
            im: self.first.im.negated().firsts(zeros),
        };
        let ic = Complex {
            re: minus_c.im.firsts(ones),
            im: c.re.firsts(zeros),
        };
        let minus_ic = Complex {
            re: c.im.firsts(ones),
            im: minus_c.re.firsts(zeros),
        };
        [
            product(one[0], two[0], c),
            product(one[1], two[1], minus_c),
            product(one[2], two[2], ic),
            product(one[3], two[3], minus_ic),
        ]
    }
}

/// (a0 + a1 x)(b0 + b1 x) modulo x² − c, where `root` is c beside 1.
#[inline(always)]
fn product(a: Complex, b: Complex, root: Complex) -> Complex {
    let crossed = Complex {
        re: b.re.swapped(),
        im: b.im.swapped(),
    };
    // (a0 b0, a1 b1) and (a0 b1, a1 b0)
    let straight = a.times(b);
    let crossed = a.times(crossed);
    let first = Complex {
        re: straight.re.firsts(crossed.re),
        im: straight.im.firsts(crossed.im),
    };
    let second = Complex {
        re: straight.re.seconds(crossed.re),
        im: straight.im.seconds(crossed.im),
    };
    first.plus(second.times(root))
}

/// The four quarters of a block, element by element.
#[inline(always)]
fn for_each_four(data: &mut [Complex], change: impl Fn([Complex; 4]) -> [Complex; 4]) {
    let (low, high) = data.split_at_mut(data.len() / 2);
    let (a0, a1) = low.split_at_mut(low.len() / 2);
    let (a2, a3) = high.split_at_mut(high.len() / 2);
    for (((a0, a1), a2), a3) in a0.iter_mut().zip(a1).zip(a2).zip(a3) {
        [*a0, *a1, *a2, *a3] = change([*a0, *a1, *a2, *a3]);
    }
}

fn split_in_four(data: &mut [Complex], root: Root) {
    let root = Powers::new(root);
    for_each_four(data, |block| root.split(block));
}

fn join_four(data: &mut [Complex], root: Root) {
    let root = Powers::new(root);
    for_each_four(data, |block| root.join(block));
}

/// The square root of i.
pub(crate) fn root_of_i() -> Complex {
    let part = core::f64::consts::FRAC_1_SQRT_2;
    Complex::both(part, part)
}

fn split_in_two(data: &mut [Complex]) {
    let root = root_of_i();
    let (low, high) = data.split_at_mut(data.len() / 2);
    for (a0, a1) in low.iter_mut().zip(high) {
        let turned = a1.times(root);
        (*a0, *a1) = (a0.plus(turned), a0.minus(turned));
    }
}

fn join_two(data: &mut [Complex]) {
    let root = root_of_i();
    let (low, high) = data.split_at_mut(data.len() / 2);
    for (b0, b1) in low.iter_mut().zip(high) {
        (*b0, *b1) = (b0.plus(*b1), b0.minus(*b1).times_conjugate(root));
    }
}

/// log2 of the pairs of points for which powers of a root are kept; those of all
/// others are products of one of them and one of another table.
const FINE_PAIRS_BITS: u32 = 6;

/// The longest row of powers that have one of the other table in common.
pub(crate) const ROW_PAIRS_MAX: usize = 1 << FINE_PAIRS_BITS;

/// The powers of a root.
pub(crate) struct Ramp {
    fine: Vec<Complex>,
    coarse: Vec<Root>,
}

impl Ramp {
    /// Powers 0 to `points` − 1 of `root`.
    pub(crate) fn new(root: WideRoot, points: usize) -> Self {
        // A power of two that divides the length, so that the tables fit together.
        let pairs = 1_usize << (points / 2).trailing_zeros().min(FINE_PAIRS_BITS);
        let mut powers = root.powers(2 * pairs + 1);
        let step = powers.pop().unwrap_or(WideRoot::ONE);
        let fine = powers
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[even, odd]| {
                let (even, odd) = (even.rounded(), odd.rounded());
                Complex {
                    re: Pair::new(even.re, odd.re),
                    im: Pair::new(even.im, odd.im),
                }
            })
            .collect();
        let coarse = step.powers(points / 2 / pairs);
        Self {
            fine,
            coarse: coarse.into_iter().map(WideRoot::rounded).collect(),
        }
    }

    /// The powers at each place, in rows of at most [`ROW_PAIRS_MAX`] pairs.
    #[inline(always)]
    pub(crate) fn rows(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = Complex>> {
        self.coarse.iter().map(|coarse| {
            let coarse = Complex::both(coarse.re, coarse.im);
            self.fine.iter().map(move |fine| fine.times(coarse))
        })
    }

    /// Calls `change` with each element and the powers at its place.
    #[inline(always)]
    pub(crate) fn for_each_mut(
        &self,
        data: &mut [Complex],
        mut change: impl FnMut(Complex, Complex) -> Complex,
    ) {
        for (block, coarse) in data.chunks_exact_mut(self.fine.len()).zip(&self.coarse) {
            let coarse = Complex::both(coarse.re, coarse.im);
            for (element, fine) in block.iter_mut().zip(&self.fine) {
                *element = change(*element, fine.times(coarse));
            }
        }
    }
}

/// A split by 3 or 5, and the turning of the parts that follows it.
struct Twist {
    factor: Factor,
    /// Powers of the roots of order 6m and 2m, or of order 5m and 5m/2.
    ramps: [Ramp; 2],
}

impl Twist {
    /// A split into parts of `points` points.
    fn new(factor: Factor, points: usize) -> Self {
        let m = points as u64;
        let orders = match factor {
            Factor::Three => [6 * m, 2 * m],
            Factor::Five => [5 * m, 5 * m / 2],
        };
        Self {
            factor,
            ramps: orders.map(|order| Ramp::new(WideRoot::of_order(order), points)),
        }
    }

    fn split(&self, data: &mut [Complex]) {
        match self.factor {
            Factor::Three => self.for_each(data, |[a0, a1, a2], one, two| {
                // The cube roots of i are −iω^j, with ω^3 = 1.
                let (b1, b2) = (Complex::zero().minus_i(a1), Complex::zero().minus(a2));
                let [c0, c1, c2] = three(a0, b1, b2, Complex::plus_i, Complex::minus_i);
                [c0.times(two), c1.times_conjugate(one), c2.times(one)]
            }),
            Factor::Five => self.for_each(data, |[a0, a1, a2, a3, a4], one, two| {
                // The fifth roots of i are iω^j, with ω^5 = 1.
                let zero = Complex::zero();
                let turned = [a0, a1.times_i(), zero.minus(a2), zero.minus_i(a3), a4];
                let [c0, c1, c2, c3, c4] = five(turned, Complex::plus_i, Complex::minus_i);
                [
                    c0,
                    c1.times(one),
                    c2.times(two),
                    c3.times_conjugate(two),
                    c4.times_conjugate(one),
                ]
            }),
        }
    }

    /// Back, three or five times too large.
    fn join(&self, data: &mut [Complex]) {
        match self.factor {
            Factor::Three => self.for_each(data, |[c0, c1, c2], one, two| {
                let (c0, c1, c2) = (
                    c0.times_conjugate(two),
                    c1.times(one),
                    c2.times_conjugate(one),
                );
                let [b0, b1, b2] = three(c0, c1, c2, Complex::minus_i, Complex::plus_i);
                [b0, b1.times_i(), Complex::zero().minus(b2)]
            }),
            Factor::Five => self.for_each(data, |[c0, c1, c2, c3, c4], one, two| {
                let parts = [
                    c0,
                    c1.times_conjugate(one),
                    c2.times_conjugate(two),
                    c3.times(two),
                    c4.times(one),
                ];
                let [b0, b1, b2, b3, b4] = five(parts, Complex::minus_i, Complex::plus_i);
                let zero = Complex::zero();
                [b0, zero.minus_i(b1), zero.minus(b2), b3.times_i(), b4]
            }),
        }
    }

    /// Calls `change` with the elements of all parts at one place, and the two
    /// roots of that place.
    #[inline(always)]
    fn for_each<const PARTS: usize>(
        &self,
        data: &mut [Complex],
        change: impl Fn([Complex; PARTS], Complex, Complex) -> [Complex; PARTS],
    ) {
        let part = data.len() / PARTS;
        let [ones, twos] = &self.ramps;
        let mut place = 0;
        let mut change_next = |one, two| {
            let elements = core::array::from_fn(|index| data[place + index * part]);
            let elements = change(elements, one, two);
            for (index, element) in elements.into_iter().enumerate() {
                data[place + index * part] = element;
            }
            place += 1;
        };
        if ones.coarse.len() == 1 {
            for (&one, &two) in ones.fine.iter().zip(&twos.fine) {
                change_next(one, two);
            }
            return;
        }
        for (one, two) in ones.coarse.iter().zip(&twos.coarse) {
            let (one, two) = (Complex::both(one.re, one.im), Complex::both(two.re, two.im));
            for (fine_one, fine_two) in ones.fine.iter().zip(&twos.fine) {
                change_next(fine_one.times(one), fine_two.times(two));
            }
        }
    }
}

/// The three sums of b0, b1 ω^j and b2 ω^2j, or of their conjugates.
#[inline(always)]
fn three(
    b0: Complex,
    b1: Complex,
    b2: Complex,
    plus_i: impl Fn(Complex, Complex) -> Complex,
    minus_i: impl Fn(Complex, Complex) -> Complex,
) -> [Complex; 3] {
    // √3/2
    const SINE: f64 = 0.866_025_403_784_438_6;
    let (sum, difference) = (b1.plus(b2), b1.minus(b2));
    let middle = b0.minus(sum.scaled(Pair::both(0.5)));
    let turned = difference.scaled(Pair::both(SINE));
    [
        b0.plus(sum),
        plus_i(middle, turned),
        minus_i(middle, turned),
    ]
}

/// The five sums of b0, b1 ω^j, b2 ω^2j and so on, or of their conjugates.
#[inline(always)]
fn five(
    [b0, b1, b2, b3, b4]: [Complex; 5],
    plus_i: impl Fn(Complex, Complex) -> Complex,
    minus_i: impl Fn(Complex, Complex) -> Complex,
) -> [Complex; 5] {
    // Cosines and sines of 2π/5 and 4π/5.
    const COSINES: [f64; 2] = [0.309_016_994_374_947_45, -0.809_016_994_374_947_5];
    const SINES: [f64; 2] = [0.951_056_516_295_153_5, 0.587_785_252_292_473_1];
    let [cosine, cosine_twice] = COSINES.map(Pair::both);
    let [sine, sine_twice] = SINES.map(Pair::both);
    let (sum_14, sum_23) = (b1.plus(b4), b2.plus(b3));
    let (difference_14, difference_23) = (b1.minus(b4), b2.minus(b3));
    let middle = b0
        .plus(sum_14.scaled(cosine))
        .plus(sum_23.scaled(cosine_twice));
    let middle_twice = b0
        .plus(sum_14.scaled(cosine_twice))
        .plus(sum_23.scaled(cosine));
    let turned = difference_14
        .scaled(sine)
        .plus(difference_23.scaled(sine_twice));
    let turned_twice = difference_14
        .scaled(sine_twice)
        .minus(difference_23.scaled(sine));
    [
        b0.plus(sum_14).plus(sum_23),
        plus_i(middle, turned),
        plus_i(middle_twice, turned_twice),
        minus_i(middle_twice, turned_twice),
        minus_i(middle, turned),
    ]
}
