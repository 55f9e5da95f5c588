//! One big number computed by several sandboxes at once, which talk to each other.
//!
//! The prime powers of the number are dealt out evenly, and each sandbox multiplies
//! its share. One of two gives its number to the other, which multiplies both, until
//! two are left. Their product is half of all the work, so these two share it: they
//! exchange their numbers, and each computes one half of the product (see `halves`).
//! One gives its half to the other, which puts both together as it comes in, and
//! hands out the digits.
//!
//! Whatever comes in is checked, and the whole product, modulo a prime that the seed
//! chooses: neither an error of a sandbox in the number nor one on the way between
//! two of them goes unnoticed. Such an error fails the whole.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "parts are few, and a share is no more than the whole"
)]

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::answer::{self, Pieces};
use crate::checksum::Checksum;
use crate::cost::Count;
use crate::error::Error;
use crate::halves::{Half, HalfProduct, Joiner};
use crate::memory;
use crate::modular::Modulus;
use crate::multiply::{Grade, Multiplier, norm_square};
use crate::natural::{Natural, PLACES_MIN};
use crate::number::Long;
use crate::powers::PrimePowers;
use crate::product::{progression, progression_count};
use crate::radix::Digits;
use crate::request::{Format, Kind, Request};
use crate::shares::{self, Size};
use crate::wire::{Arrived, Checks, Head, Incoming, Message, Outgoing, broken};

/// Numbers of fewer digits are not worth a second sandbox: as whole programs, one sandbox
/// and two took the same time for 850,000 digits.
const DIGITS_MIN: u64 = 900_000;

/// Among how many a number is dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Sandboxes that may be at work at once.
    pub sandboxes: u32,
    /// Numbers of fewer digits are not dealt out.
    pub digits_min: u64,
}

impl Width {
    /// Up to so many sandboxes, as many as are worth it.
    pub fn up_to(sandboxes: u32) -> Self {
        Self {
            sandboxes,
            digits_min: DIGITS_MIN,
        }
    }
}

/// Most parts that a number is dealt out to.
const PARTS_MAX: usize = 64;

/// What one sandbox does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The parts that it reads from, a stream for each.
    pub inputs: Vec<u32>,
    /// Bytes of linear memory that its sandbox needs in all.
    pub peak_bytes: u64,
}

/// One thing after the other that a sandbox does. In between it has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Computes all of it, and puts out the answer.
    Whole,
    /// Multiplies its share of the factors.
    Share,
    /// Reads another number.
    Read,
    /// Multiplies by that.
    Multiply,
    /// Puts out its number.
    Give,
    /// Puts out its number while it reads another.
    Exchange,
    /// Puts out the first half of the product of both.
    GiveHalf,
    /// Computes the second half, and joins what it reads of the first.
    ReadHalf,
    /// Puts out the digits.
    Answer,
}

/// The part of one sandbox.
struct Role {
    acts: Vec<Act>,
    inputs: Vec<u32>,
    share: Size,
    /// How long its number is in the end, as a part of the whole.
    product: f64,
}

/// The parts of a computation.
struct Plan {
    digits: u64,
    roles: Vec<Role>,
}

impl Plan {
    fn new(request: Request, width: Width) -> Result<Self, Error> {
        let admitted = answer::admit(request)?;
        let digits = match admitted.cost().digits {
            Count::Exact(digits) | Count::AtMost(digits) => digits,
            Count::Beyond => 0,
        };
        let parts = usize::try_from(width.sandboxes)
            .unwrap_or(PARTS_MAX)
            .min(PARTS_MAX);
        let can_be_dealt_out = !matches!(request.kind, Kind::Subfactorial | Kind::Alternating);
        if parts > 1
            && digits >= width.digits_min
            && request.format == Format::Decimal
            && can_be_dealt_out
        {
            let roles = dealt_out(&shares::sizes(request.kind, request.n, parts));
            let plan = Self { digits, roles };
            let fits = |role| plan.peak_bytes(role, request).is_some();
            if plan.roles.iter().all(fits) {
                return Ok(plan);
            }
        }
        let whole = Role {
            acts: vec![Act::Whole],
            inputs: Vec::new(),
            share: Size {
                part: 1.0,
                list_bytes: 0,
            },
            product: 1.0,
        };
        let roles = vec![whole];
        Ok(Self { digits, roles })
    }

    /// Bytes that a sandbox needs, unless no memory is enough.
    fn peak_bytes(&self, role: &Role, request: Request) -> Option<u64> {
        let digits_of = |part| (self.digits as f64 * part) as u64;
        let bytes = |act: &Act| match act {
            Act::Whole => memory::peak_bytes(Count::Exact(self.digits), request),
            Act::Share => {
                memory::share_bytes(digits_of(role.share.part), role.share.list_bytes, request)
            }
            Act::Multiply => memory::product_bytes(digits_of(role.product), request),
            Act::GiveHalf | Act::ReadHalf => memory::half_bytes(self.digits, request),
            Act::Read | Act::Give | Act::Exchange | Act::Answer => Some(0),
        };
        let mut most = 0;
        for act in &role.acts {
            most = bytes(act)?.max(most);
        }
        Some(most)
    }
}

/// What each of several sandboxes does, whose shares have these sizes.
fn dealt_out(shares: &[Size]) -> Vec<Role> {
    let role = |&share: &Size| Role {
        acts: vec![Act::Share],
        inputs: Vec::new(),
        share,
        product: share.part,
    };
    let mut roles: Vec<Role> = shares.iter().map(role).collect();
    // The parts whose numbers are not yet multiplied, the last of all among them.
    let mut left: Vec<usize> = (0..roles.len()).collect();
    while left.len() > 2 {
        let multiplied = left.chunks(2).map(|pair| match *pair {
            [giver, taker] => {
                roles[giver].acts.push(Act::Give);
                let given = roles[giver].product;
                let taker_role = &mut roles[taker];
                taker_role.acts.extend([Act::Read, Act::Multiply]);
                taker_role.inputs.push(giver as u32);
                taker_role.product += given;
                taker
            }
            _ => pair[0],
        });
        left = multiplied.collect();
    }
    if let [first, last] = left[..] {
        let exchanges = |role: &mut Role, inputs: &[usize], more: &[Act]| {
            role.inputs.extend(inputs.iter().map(|&input| input as u32));
            role.acts.push(Act::Exchange);
            role.acts.extend(more);
        };
        exchanges(&mut roles[first], &[last], &[Act::GiveHalf]);
        let more = [Act::ReadHalf, Act::Answer];
        exchanges(&mut roles[last], &[first, first], &more);
    }
    roles
}

/// How several sandboxes at once compute the number. The last part puts out the digits.
///
/// # Errors
///
/// As [`answer::admit`].
pub fn plan(request: Request, width: Width) -> Result<Vec<Part>, Error> {
    let plan = Plan::new(request, width)?;
    Ok(plan
        .roles
        .iter()
        .map(|role| Part {
            inputs: role.inputs.clone(),
            // Only plans whose parts fit are made, and only numbers admitted that do.
            peak_bytes: plan.peak_bytes(role, request).unwrap_or(u64::MAX),
        })
        .collect())
}

/// What a part has to read or write before it can go on.
pub enum Move {
    /// The next output is this.
    Write(Pieces),
    /// The next input goes into this, and then to [`Performance::take`].
    Read(Incoming),
    /// Both at once, so that neither waits for the other.
    Exchange(Pieces, Incoming),
}

/// A part that is being performed.
pub struct Performance {
    request: Request,
    plan: Plan,
    index: usize,
    /// Acts that were begun.
    acts: usize,
    checksum: Checksum,
    multiplier: Multiplier,
    /// Its number.
    own: Option<Rc<Message>>,
    /// The one that it read.
    other: Option<Message>,
    /// What was checked up to the exchange.
    exchanged: Checks,
    /// The residue of the product of both.
    residue: u64,
    /// Both halves of it, where they are put together here.
    joiner: Option<Box<Joiner>>,
}

impl Performance {
    /// Part `index` of the plan.
    ///
    /// # Errors
    ///
    /// As [`plan`], and [`Error::Invalid`] where there is no such part.
    pub fn new(request: Request, width: Width, index: u32, seed: u64) -> Result<Self, Error> {
        let plan = Plan::new(request, width)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= plan.roles.len() {
            return Err(Error::Invalid(String::from("the plan has no such part")));
        }
        Ok(Self {
            plan,
            index,
            acts: 0,
            checksum: Checksum::new(Modulus::random(seed, 0)),
            multiplier: Multiplier::new(request.proved, seed),
            own: None,
            other: None,
            exchanged: Checks::default(),
            residue: 1,
            joiner: None,
            request,
        })
    }

    fn role(&self) -> &Role {
        &self.plan.roles[self.index]
    }

    /// How many inputs the part reads.
    pub fn inputs(&self) -> usize {
        self.role().inputs.len()
    }

    /// How many outputs it has.
    pub fn outputs(&self) -> usize {
        let acts = self.role().acts.iter();
        let puts_out =
            |act: &&Act| !matches!(act, Act::Share | Act::Read | Act::Multiply | Act::ReadHalf);
        acts.filter(puts_out).count()
    }

    /// Goes on to the next thing that is to be read or written; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where something turned out to be wrong.
    pub fn go_on(&mut self) -> Result<Option<Move>, Error> {
        while let Some(&act) = self.role().acts.get(self.acts) {
            self.acts += 1;
            match act {
                Act::Whole => {
                    let admitted = answer::admit(self.request)?;
                    let pieces = Pieces::new(admitted, &mut self.multiplier)?;
                    return Ok(Some(Move::Write(pieces)));
                }
                Act::Share => self.multiply_share(),
                Act::Read => return Ok(Some(Move::Read(self.incoming()))),
                Act::Multiply => self.multiply()?,
                Act::Give => return Ok(Some(Move::Write(self.outgoing()?))),
                Act::Exchange => {
                    // There is to be room for what comes in.
                    self.multiplier.free_room();
                    return Ok(Some(Move::Exchange(self.outgoing()?, self.incoming())));
                }
                Act::GiveHalf => {
                    let (half, places) = self.half(Half::First)?;
                    let head = Head {
                        places,
                        residue: self.residue,
                        // The other one knows of those up to the exchange.
                        checks: self.multiplier.checks().without(self.exchanged),
                    };
                    let pieces = Pieces::Message(Outgoing::half(head, half.points));
                    return Ok(Some(Move::Write(pieces)));
                }
                Act::ReadHalf => {
                    let (half, places) = self.half(Half::Second)?;
                    let joiner = Box::new(Joiner::new(half.points, places));
                    return Ok(Some(Move::Read(Incoming::half(joiner, self.residue))));
                }
                Act::Answer => {
                    let joiner = self.joiner.take().ok_or_else(lacking)?;
                    return Ok(Some(Move::Write(self.join(joiner)?)));
                }
            }
        }
        Ok(None)
    }

    /// What takes in a number.
    fn incoming(&self) -> Incoming {
        // Shares are about equally long, and nobody has more than all of them.
        let digits = self.plan.digits;
        let limbs = (digits + digits / 3) / u64::from(PLACES_MIN) + 4096;
        Incoming::number(usize::try_from(limbs).unwrap_or(usize::MAX))
    }

    /// What gives its number away. It keeps it.
    fn outgoing(&self) -> Result<Pieces, Error> {
        let own = self.own.as_ref().ok_or_else(lacking)?;
        Ok(Pieces::Message(Outgoing::number(Rc::clone(own))))
    }

    /// Its number, and the one that it read.
    fn both(&mut self) -> Result<[Message; 2], Error> {
        let own = self.own.take().ok_or_else(lacking)?;
        let other = self.other.take().ok_or_else(lacking)?;
        Ok([Rc::unwrap_or_clone(own), other])
    }

    /// Takes an input that is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where it is not what was sent.
    pub fn take(&mut self, incoming: Incoming) -> Result<(), Error> {
        match incoming.finish()? {
            Arrived::Number(message) => {
                let modulus = self.checksum.modulus();
                if message.residue >= modulus.value() {
                    return Err(broken("was changed on its way"));
                }
                self.multiplier.take_over(message.checks);
                self.exchanged = self.multiplier.checks();
                let own = self.own.as_ref().ok_or_else(lacking)?;
                self.residue = modulus.mul(own.residue, message.residue);
                self.other = Some(message);
            }
            Arrived::Joined(joiner, checks) => {
                self.multiplier.take_over(checks);
                self.joiner = Some(joiner);
            }
        }
        Ok(())
    }

    /// How sure the number is, as far as it is computed.
    pub fn grade(&self) -> Grade {
        self.multiplier.grade()
    }

    /// Multiplies its share of the factors, in limbs as the halves will need them.
    fn multiply_share(&mut self) {
        let number = self.share();
        let places = self.multiplier.half_places(self.plan.digits);
        let places = places.min(number.places());
        self.have(number.in_places(places));
    }

    fn multiply(&mut self) -> Result<(), Error> {
        let modulus = self.checksum.modulus();
        let [one, two] = self.both()?.map(|message| number(message, modulus));
        let product = self.multiplier.product(&one, &two);
        if self.checksum.of(&product) != self.residue {
            return Err(wrong_product());
        }
        self.have(product);
        Ok(())
    }

    /// Its number is this from now on.
    fn have(&mut self, number: Natural) {
        self.own = Some(Rc::new(Message {
            places: number.places(),
            residue: self.checksum.of(&number),
            square: norm_square(number.limbs()),
            limbs: number.into_limbs(),
            checks: self.multiplier.checks(),
        }));
    }

    fn share(&mut self) -> Natural {
        let Request { kind, n, .. } = self.request;
        let (index, parts) = (self.index, self.plan.roles.len());
        if let Some(share) = shares::share(kind, n, index, parts) {
            return share.product(&mut self.multiplier);
        }
        // All other kinds that are dealt out are multifactorials.
        let step = match kind {
            Kind::Multifactorial(step) => u64::from(step),
            _ => 1,
        };
        let count = u128::from(progression_count(n, step));
        // An even share of the factors, from above; no more than `count`.
        let share = |index: usize| (count * index as u128 / parts as u128) as u64;
        let (from, to) = (share(index), share(index + 1));
        progression(n - from * step, step, to - from, &mut self.multiplier)
    }

    /// Half of the product of both numbers, and the digits of its limbs.
    fn half(&mut self, half: Half) -> Result<(HalfProduct, u32), Error> {
        let modulus = self.checksum.modulus();
        let both = self.both()?;
        let square = both[0].square * both[1].square;
        let [own, other] = both.map(|message| number(message, modulus));
        // In the same order in either half.
        let numbers = match half {
            Half::First => [own, other],
            Half::Second => [other, own],
        };
        Ok(self.multiplier.half(numbers, square, half))
    }

    fn join(&mut self, joiner: Box<Joiner>) -> Result<Pieces, Error> {
        let places = joiner.places();
        let limbs = joiner.finish().ok_or_else(wrong_product)?;
        let product = Natural::from_limbs(places, limbs);
        if self.checksum.of(&product) != self.residue {
            return Err(wrong_product());
        }
        let Request { kind, n, .. } = self.request;
        Ok(Pieces::Digits(Digits::new(Long {
            head: product,
            zeros: PrimePowers::tens(kind, n),
        })))
    }
}

fn number(message: Message, modulus: Modulus) -> Natural {
    let mut number = Natural::from_limbs(message.places, message.limbs);
    number.set_residue(modulus, message.residue);
    number
}

fn wrong_product() -> Error {
    Error::Failed(String::from(
        "a product is wrong, or a part of it was changed on its way between two sandboxes",
    ))
}

fn lacking() -> Error {
    Error::Invalid(String::from("the part needs all of its inputs"))
}
