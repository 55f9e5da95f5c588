//! One big number computed by several sandboxes at once.
//!
//! The prime powers of the number are dealt out to as many parts as there are
//! sandboxes. Each part is a product of its own; pairs of parts are multiplied
//! until two numbers are left. Their product is half of all the work, so two
//! sandboxes share it: one computes it modulo B^N + 1, the other modulo B^N − 1
//! (see `ring`), and a last one puts both together and hands out the digits.
//!
//! Each step checks what comes in, and the last one the result, modulo a prime
//! that the seed chooses: neither an error of a step in the number nor one on the way
//! between two of them goes unnoticed. Such an error fails the whole.
#![expect(
    clippy::cast_possible_truncation,
    reason = "steps are few, and a share is no more than the whole"
)]

use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::{self, Pieces};
use crate::cost::Count;
use crate::error::Error;
use crate::memory;
use crate::modular::Modulus;
use crate::multiply::{Grade, Multiplier};
use crate::natural::{self, Natural, PLACES_MIN};
use crate::number::Long;
use crate::powers::PrimePowers;
use crate::product::{progression, progression_count};
use crate::radix::Digits;
use crate::request::{Format, Kind, Request};
use crate::ring::{self, Ring};
use crate::wire::{Carried, Checks, Incoming, Message, Outgoing, broken};

/// Numbers of fewer digits are not worth a second sandbox; see `benches`.
const DIGITS_MIN: u64 = 200_000;

/// Most parts that a number is dealt out to.
const PARTS_MAX: usize = 64;

/// A piece of work for one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The steps whose output it reads.
    pub inputs: Vec<u32>,
    /// Bytes of linear memory that its sandbox needs in all.
    pub peak_bytes: u64,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// All of it.
    Whole,
    /// The product of the prime powers of one part.
    Part(usize),
    /// The product of two numbers.
    Product,
    /// That product in one of the rings.
    Half(Ring),
    /// The digits from both.
    Join,
}

/// The steps of a computation: what they do, and what they read.
struct Plan {
    parts: usize,
    digits: u64,
    steps: Vec<(Work, Vec<u32>)>,
}

impl Plan {
    fn new(request: Request, sandboxes: u32) -> Result<Self, Error> {
        let admitted = answer::admit(request)?;
        let digits = match admitted.cost().digits {
            Count::Exact(digits) | Count::AtMost(digits) => digits,
            Count::Beyond => 0,
        };
        let parts = usize::try_from(sandboxes)
            .unwrap_or(PARTS_MAX)
            .min(PARTS_MAX);
        let can_be_dealt_out = !matches!(request.kind, Kind::Subfactorial | Kind::Alternating);
        let whole = Self {
            parts: 1,
            digits,
            steps: Vec::from([(Work::Whole, Vec::new())]),
        };
        if parts < 2
            || digits < DIGITS_MIN
            || request.format != Format::Decimal
            || !can_be_dealt_out
        {
            return Ok(whole);
        }
        let mut steps = Vec::new();
        // The numbers that are not yet multiplied, by the steps that make them.
        let mut numbers: Vec<u32> = Vec::new();
        let mut push = |work, inputs| {
            steps.push((work, inputs));
            // A plan has fewer than 2 · PARTS_MAX + 3 steps.
            steps.len() as u32 - 1
        };
        for index in 0..parts {
            numbers.push(push(Work::Part(index), Vec::new()));
        }
        while numbers.len() > 2 {
            numbers = numbers
                .chunks(2)
                .map(|pair| match pair {
                    [one, two] => push(Work::Product, Vec::from([*one, *two])),
                    rest => rest[0],
                })
                .collect();
        }
        let halves = [Ring::Plus, Ring::Minus].map(|ring| push(Work::Half(ring), numbers.clone()));
        push(Work::Join, halves.into());
        let dealt_out = Self {
            parts,
            digits,
            steps,
        };
        let fits = |index| dealt_out.peak_bytes(index, request).is_some();
        Ok(if (0..dealt_out.steps.len()).all(fits) {
            dealt_out
        } else {
            whole
        })
    }

    /// Digits of what the step at `index` puts out, about.
    fn digits_of(&self, index: usize) -> u64 {
        match self.steps.get(index) {
            Some((Work::Part(_), _)) => self.digits / self.parts as u64,
            Some((Work::Product, inputs)) => inputs
                .iter()
                .map(|&input| self.digits_of(input as usize))
                .sum(),
            Some((Work::Half(_), _)) => self.digits / 2,
            _ => self.digits,
        }
    }

    /// Bytes that a step needs, unless no memory is enough.
    fn peak_bytes(&self, index: usize, request: Request) -> Option<u64> {
        let digits = self.digits_of(index);
        match self.steps.get(index).map(|(work, _)| work) {
            Some(Work::Part(_)) => memory::part_bytes(digits, request),
            Some(Work::Product) => memory::product_bytes(digits, request),
            Some(Work::Half(_)) => memory::half_bytes(self.digits, request),
            Some(Work::Join) => memory::join_bytes(self.digits, request),
            Some(Work::Whole) | None => memory::peak_bytes(Count::Exact(self.digits), request),
        }
    }
}

/// How up to `sandboxes` sandboxes at once compute the number. The last step puts
/// out the digits.
///
/// # Errors
///
/// As [`answer::admit`].
pub fn plan(request: Request, sandboxes: u32) -> Result<Vec<Step>, Error> {
    let plan = Plan::new(request, sandboxes)?;
    let steps = plan.steps.iter().enumerate();
    Ok(steps
        .map(|(index, (_, inputs))| Step {
            inputs: inputs.clone(),
            // Only plans whose steps fit are made, and only numbers admitted that do.
            peak_bytes: plan.peak_bytes(index, request).unwrap_or(u64::MAX),
        })
        .collect())
}

/// A step that is being performed.
pub struct Performance {
    request: Request,
    plan: Plan,
    index: usize,
    modulus: Modulus,
    multiplier: Multiplier,
    messages: Vec<Message>,
    /// What was checked on the way to them.
    inherited: Checks,
}

impl Performance {
    /// Step `index` of the plan.
    ///
    /// # Errors
    ///
    /// As [`plan`], and [`Error::Invalid`] where there is no such step.
    pub fn new(request: Request, sandboxes: u32, index: u32, seed: u64) -> Result<Self, Error> {
        let plan = Plan::new(request, sandboxes)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= plan.steps.len() {
            return Err(Error::Invalid(String::from("the plan has no such step")));
        }
        Ok(Self {
            plan,
            index,
            modulus: Modulus::random(seed, 0),
            multiplier: Multiplier::new(request.proved, seed),
            messages: Vec::new(),
            inherited: Checks::default(),
            request,
        })
    }

    fn step(&self) -> (Work, &[u32]) {
        let (work, inputs) = &self.plan.steps[self.index];
        (*work, inputs)
    }

    /// How many inputs the step reads.
    pub fn inputs(&self) -> usize {
        self.step().1.len()
    }

    /// What takes in the next input.
    pub fn incoming(&self) -> Incoming {
        let step = self.step().1.get(self.messages.len());
        let digits = step.map_or(0, |&step| self.plan.digits_of(step as usize));
        // Parts are about equally long, and halves as long as their transforms, which
        // may be a quarter longer than they need to be.
        let limbs = (digits + digits / 3) / u64::from(PLACES_MIN) + 4096;
        Incoming::new(usize::try_from(limbs).unwrap_or(usize::MAX))
    }

    /// Takes an input that is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where it is not what was sent.
    pub fn take(&mut self, incoming: Incoming) -> Result<(), Error> {
        let message = incoming.finish()?;
        let expected = match (self.step().0, self.messages.len()) {
            (Work::Join, 0) => Carried::Plus,
            (Work::Join, _) => Carried::Minus,
            _ => Carried::Number,
        };
        if message.carried != expected {
            return Err(broken("is not the one that was waited for"));
        }
        if message.carried == Carried::Number
            && natural::residue(&message.limbs, message.places, self.modulus) != message.residue
        {
            return Err(broken("was changed on its way"));
        }
        self.multiplier.take_over(message.checks);
        self.inherited.add(message.checks);
        self.messages.push(message);
        Ok(())
    }

    /// Does the work, once all inputs were taken.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where something turned out to be wrong.
    pub fn perform(&mut self) -> Result<Pieces, Error> {
        let messages = core::mem::take(&mut self.messages);
        match (self.step().0, <[Message; 2]>::try_from(messages)) {
            (Work::Whole, _) => Pieces::new(answer::admit(self.request)?, &mut self.multiplier),
            (Work::Part(index), _) => {
                let number = self.part(index);
                // Limbs as the halves will need them: each part does that for itself.
                let places = self.multiplier.half_places(self.plan.digits);
                let places = places.min(number.places());
                Ok(self.sent(number.in_places(places)))
            }
            (Work::Product, Ok([one, two])) => {
                let residue = self.modulus.mul(one.residue, two.residue);
                let (one, two) = (number(one, self.modulus), number(two, self.modulus));
                let product = self.multiplier.product(&one, &two);
                if product.residue(self.modulus) != residue {
                    return Err(wrong_product());
                }
                Ok(self.sent(product))
            }
            (Work::Half(ring), Ok([one, two])) => self.half(one, two, ring),
            (Work::Join, Ok([plus, minus])) => self.join(plus, minus),
            _ => Err(Error::Invalid(String::from("the step needs two inputs"))),
        }
    }

    /// How sure the number is, as far as it is computed.
    pub fn grade(&self) -> Grade {
        self.multiplier.grade()
    }

    fn part(&mut self, index: usize) -> Natural {
        let Request { kind, n, .. } = self.request;
        let parts = self.plan.parts;
        if let Some(powers) = PrimePowers::of(kind, n) {
            return powers.part(index, parts).product(&mut self.multiplier);
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

    fn half(&mut self, one: Message, two: Message, ring: Ring) -> Result<Pieces, Error> {
        let residue = self.modulus.mul(one.residue, two.residue);
        let (one, two) = (number(one, self.modulus), number(two, self.modulus));
        let (places, shape) = self.multiplier.halves(&one, &two);
        let (one, two) = (one.in_places(places), two.in_places(places));
        let operands = [one.into_limbs(), two.into_limbs()];
        let (limbs, rounding) = ring::product(&mut self.multiplier, operands, places, shape, ring);
        let proved = rounding.bound < 0.5;
        if !rounding.is_good() || (self.request.proved && !proved) {
            return Err(Error::Failed(String::from(
                "half of a product cannot be rounded surely; --fan-out 1 can do without",
            )));
        }
        if !proved {
            self.multiplier
                .count(limbs.len() as u64 * u64::from(places));
        }
        Ok(Pieces::Message(Outgoing::new(Message {
            carried: match ring {
                Ring::Plus => Carried::Plus,
                Ring::Minus => Carried::Minus,
            },
            places,
            limbs,
            residue,
            // Both halves read the same numbers; one of them speaks of their checks.
            checks: match ring {
                Ring::Plus => self.multiplier.checks(),
                Ring::Minus => self.multiplier.checks().without(self.inherited),
            },
        })))
    }

    fn join(&mut self, plus: Message, minus: Message) -> Result<Pieces, Error> {
        let (places, residue) = (plus.places, plus.residue);
        if places != minus.places || residue != minus.residue {
            return Err(broken("does not belong to the other one"));
        }
        let limbs = ring::join(plus.limbs, minus.limbs, places)
            .ok_or_else(|| broken("is not the other half of a product"))?;
        let product = Natural::from_limbs(places, limbs);
        if product.residue(self.modulus) != residue {
            return Err(wrong_product());
        }
        let Request { kind, n, .. } = self.request;
        Ok(Pieces::Digits(Digits::new(Long {
            head: product,
            zeros: PrimePowers::tens(kind, n),
        })))
    }

    fn sent(&self, number: Natural) -> Pieces {
        Pieces::Message(Outgoing::new(Message {
            carried: Carried::Number,
            places: number.places(),
            residue: number.residue(self.modulus),
            limbs: number.into_limbs(),
            checks: self.multiplier.checks(),
        }))
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
