//! Halves of one product, to be had from two sandboxes.
//!
//! A product of up to 4m limbs is one in the ring x^2m − i of complex polynomials
//! (see [`transform`](crate::transform)), and x^2m − i = (x^m − c)(x^m + c) with
//! c = √i. In either half x = e · y makes y^m − i of it, where e^m is c/i or −c/i:
//! that is the ring of a transform half as long. So each half takes half the work
//! and half the memory, and its coefficients are handed on as they are, not rounded:
//! together they are the last step of the whole transform, with the same bound on
//! its errors. [`Joiner`] does that step while the other half is still coming in.

#![expect(clippy::cast_precision_loss, reason = "lengths are below 2^32")]

use alloc::vec;
use alloc::vec::Vec;

use crate::bound;
use crate::carry::{self, Carry};
use crate::multiply::{Scale, TWO_ROUNDS_PLACES_MIN, square_root_above};
use crate::natural::base;
use crate::pair::{Complex, Pair};
use crate::roots::WideRoot;
use crate::transform::{Other, ROW_PAIRS_MAX, Ramp, Shape, Transform, root_of_i};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Modulo x^m − c.
    First,
    /// Modulo x^m + c.
    Second,
}

impl Half {
    /// e, where m is the points of `part`.
    fn root(self, part: Shape) -> WideRoot {
        let root = WideRoot::of_order(8 * part.points() as u64);
        match self {
            Self::First => root.conjugate(),
            Self::Second => root.times(root).times(root),
        }
    }

    /// What x^m is: c or −c.
    fn turn(self) -> Complex {
        let root = root_of_i();
        match self {
            Self::First => root,
            Self::Second => Complex::zero().minus(root),
        }
    }
}

/// One half of a product.
pub(crate) struct HalfProduct {
    /// Its coefficients, m/2 times too large.
    pub(crate) points: Vec<Complex>,
    /// What the distance of a coefficient of the whole product from the true one
    /// is bounded by.
    pub(crate) bound: f64,
}

/// Half of a product, where four times the points of `part` is no less than its
/// limbs. Memory is dear where two sandboxes do this at once: operands are taken, and
/// given up as soon as they are not needed.
pub(crate) fn product(
    roots: &mut Transform,
    [one, two]: [Vec<i32>; 2],
    part: Shape,
    half: Half,
) -> HalfProduct {
    let ramp = Ramp::new(half.root(part), part.points());
    let (mut points, one_square) = split(&one, part, half, &ramp);
    drop(one);
    let (mut other, two_square) = split(&two, part, half, &ramp);
    drop(two);
    roots.multiply(&mut points, Other::Whole(&mut other), part);
    drop(other);
    ramp.for_each_mut(&mut points, Complex::times_conjugate);
    HalfProduct {
        points,
        bound: bound::distance_of_halves(part, square_root_above(one_square * two_square)),
    }
}

/// The number of these limbs in one half, and the sum of their squares.
fn split(limbs: &[i32], part: Shape, half: Half, ramp: &Ramp) -> (Vec<Complex>, f64) {
    let length = part.points();
    let mut quarters = limbs.chunks(length);
    let quarters: [&[i32]; 4] = core::array::from_fn(|_| quarters.next().unwrap_or_default());
    let turn = half.turn();
    let mut points = Vec::with_capacity(length / 2);
    let mut sum = Pair::both(0.0);
    let mut add = |square: &[Pair]| {
        for &limbs in square {
            sum = limbs.times_plus(limbs, sum);
        }
    };
    let pair = |&[first, second]: &[i32; 2]| Pair::from_integers(first, second);
    let mut rooms = [[0; 2 * ROW_PAIRS_MAX]; 4];
    let mut place = 0;
    for powers in ramp.rows() {
        let limbs = 2 * powers.len();
        let mut rooms = rooms.iter_mut();
        let [first, second, third, fourth] = quarters.map(|quarter| {
            let room = rooms.next().map_or(&mut [][..], |room| &mut room[..limbs]);
            row(quarter, place, room).as_chunks::<2>().0
        });
        place += limbs;
        let low_high = first.iter().zip(second);
        // The third and fourth quarter are the imaginary parts of the first and
        // second. Operands of one length have none.
        if quarters[2].is_empty() {
            for ((first, second), power) in low_high.zip(powers) {
                let (low, high) = (pair(first), pair(second));
                add(&[low, high]);
                let turned = Complex {
                    re: high.times_plus(turn.re, low),
                    im: high.times(turn.im),
                };
                points.push(turned.times(power));
            }
        } else {
            let imaginary = third.iter().zip(fourth);
            for (((first, second), (third, fourth)), power) in low_high.zip(imaginary).zip(powers) {
                let (low_re, high_re) = (pair(first), pair(second));
                let (low_im, high_im) = (pair(third), pair(fourth));
                add(&[low_re, high_re, low_im, high_im]);
                let low = Complex {
                    re: low_re,
                    im: low_im,
                };
                let high = Complex {
                    re: high_re,
                    im: high_im,
                };
                points.push(low.plus(high.times(turn)).times(power));
            }
        }
    }
    (points, sum.first() + sum.second())
}

/// The limbs from `place` on, as many as there is room for, which is used for those
/// that are not there.
fn row<'a>(limbs: &'a [i32], place: usize, room: &'a mut [i32]) -> &'a [i32] {
    if let Some(limbs) = limbs.get(place..place + room.len()) {
        return limbs;
    }
    let rest = limbs.get(place..).unwrap_or_default();
    let (taken, zeros) = room.split_at_mut(rest.len());
    taken.copy_from_slice(rest);
    zeros.fill(0);
    room
}

/// What the four quarters carry, in as many rounds as products of such limbs need.
#[derive(Clone)]
enum Carries {
    Two([Carry<2>; 4]),
    Three([Carry<3>; 4]),
}

/// Puts both halves together, as the points of the first come in.
pub(crate) struct Joiner {
    own: Vec<Complex>,
    places: u32,
    /// Pairs of points that have come in.
    joined: usize,
    /// Four quarters, one after the other.
    limbs: Vec<i32>,
    carries: Carries,
    scale: Scale,
    /// Not a number where one of the points was none, or infinite.
    spoiled: Pair,
}

impl Joiner {
    /// For these points of the second half, and limbs of so many digits.
    pub(crate) fn new(own: Vec<Complex>, places: u32) -> Self {
        // Sums of two halves, each m/2 times too large.
        let scale = Scale::new(1.0 / (2 * own.len()) as f64);
        Self {
            places,
            joined: 0,
            limbs: vec![0; 8 * own.len()],
            carries: if places >= TWO_ROUNDS_PLACES_MIN {
                Carries::Two([(); 4].map(|()| Carry::new(base(places))))
            } else {
                Carries::Three([(); 4].map(|()| Carry::new(base(places))))
            },
            scale,
            spoiled: Pair::both(0.0),
            own,
        }
    }

    /// Digits of a limb.
    pub(crate) fn places(&self) -> u32 {
        self.places
    }

    /// Pairs of points of a half.
    pub(crate) fn pairs(&self) -> usize {
        self.own.len()
    }

    /// Takes the next points of the first half; what is too much is left.
    pub(crate) fn take(&mut self, points: impl Iterator<Item = Complex>) {
        // A local, and not reached by a pointer each time around.
        let mut carries = self.carries.clone();
        match &mut carries {
            Carries::Two(carries) => self.take_in_rounds(points, carries),
            Carries::Three(carries) => self.take_in_rounds(points, carries),
        }
        self.carries = carries;
    }

    fn take_in_rounds<const ROUNDS: usize>(
        &mut self,
        points: impl Iterator<Item = Complex>,
        carries: &mut [Carry<ROUNDS>; 4],
    ) {
        let conjugate = root_of_i();
        let quarter = self.limbs.len() / 4;
        let from = self.joined;
        let (low, high) = self.limbs.split_at_mut(2 * quarter);
        let (first, second) = low.split_at_mut(quarter);
        let (third, fourth) = high.split_at_mut(quarter);
        let mut quarters = [first, second, third, fourth]
            .map(|limbs| limbs.as_chunks_mut::<2>().0[from..].iter_mut());
        let mut carried = carries.clone();
        let mut scale = self.scale;
        let mut spoiled = self.spoiled;
        for (first, &second) in points.zip(&self.own[from..]) {
            let low = first.plus(second);
            let high = first.minus(second).times_conjugate(conjugate);
            for sum in [low.re, low.im] {
                spoiled = spoiled.plus(sum.minus(sum));
            }
            let integers = [low.re, high.re, low.im, high.im].map(|pair| scale.integers(pair));
            for ((limbs, carry), integers) in quarters.iter_mut().zip(&mut carried).zip(integers) {
                if let Some(limbs) = limbs.next() {
                    *limbs = carry.take(integers).to_integers();
                }
            }
            self.joined += 1;
        }
        *carries = carried;
        self.scale = scale;
        self.spoiled = spoiled;
    }

    /// The limbs of the product, once all points came. `None` where they are not
    /// those of a product, or too close to halves of integers.
    pub(crate) fn finish(self) -> Option<Vec<i32>> {
        let base = base(self.places);
        let quarter = self.limbs.len() / 4;
        let mut limbs = self.limbs;
        let rounding = self.scale.rounding();
        let spoiled = self.spoiled.first() + self.spoiled.second();
        if self.joined < self.own.len() || spoiled.is_nan() || !rounding.is_good() {
            return None;
        }
        drop(self.own);
        let (rests, short_max) = match &self.carries {
            Carries::Two(carries) => (
                carries.each_ref().map(Carry::rest),
                Carry::<2>::short_max(base),
            ),
            Carries::Three(carries) => (
                carries.each_ref().map(Carry::rest),
                Carry::<3>::short_max(base),
            ),
        };
        for (index, rest) in rests.into_iter().enumerate() {
            carry::add(&mut limbs, (index + 1) * quarter, rest, base);
        }
        if rounding.largest() > short_max {
            let rest = carry::shorten(&mut limbs, base);
            let length = limbs.len();
            carry::add(&mut limbs, length, rest, base);
        }
        Some(limbs)
    }
}
