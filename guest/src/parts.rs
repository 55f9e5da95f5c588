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

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::{self, Pieces};
use crate::checksum::Checksum;
use crate::cost::Count;
use crate::error::Error;
use crate::halves::{self, Half, HalfProduct, Joiner};
use crate::memory;
use crate::modular::Modulus;
use crate::multiply::{Grade, Multiplier};
use crate::natural::{Natural, PLACES_MIN};
use crate::number::Long;
use crate::powers::PrimePowers;
use crate::product::{progression, progression_count};
use crate::radix::Digits;
use crate::request::{Format, Kind, Request};
use crate::wire::{Arrived, Checks, Head, Incoming, Message, Outgoing, broken};

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
    /// The first half of that product.
    Half,
    /// The second half, and the digits from both.
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
        let half = push(Work::Half, numbers.clone());
        numbers.push(half);
        push(Work::Join, numbers);
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
            _ => self.digits,
        }
    }

    /// Bytes that a step needs, unless no memory is enough.
    fn peak_bytes(&self, index: usize, request: Request) -> Option<u64> {
        let digits = self.digits_of(index);
        match self.steps.get(index).map(|(work, _)| work) {
            Some(Work::Part(_)) => memory::part_bytes(digits, request),
            Some(Work::Product) => memory::product_bytes(digits, request),
            Some(Work::Half | Work::Join) => memory::half_bytes(self.digits, request),
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
    checksum: Checksum,
    multiplier: Multiplier,
    /// The numbers that came in.
    messages: Vec<Message>,
    /// What was checked on the way to them.
    inherited: Checks,
    /// The residue of their product.
    residue: u64,
    /// Both halves of it, where they are put together here.
    joiner: Option<Box<Joiner>>,
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
            checksum: Checksum::new(Modulus::random(seed, 0)),
            multiplier: Multiplier::new(request.proved, seed),
            messages: Vec::new(),
            inherited: Checks::default(),
            residue: 1,
            joiner: None,
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

    /// What takes in the next input. Before it takes a half, the other one is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where that half cannot be had.
    pub fn incoming(&mut self) -> Result<Incoming, Error> {
        let (work, inputs) = self.step();
        let step = inputs.get(self.messages.len());
        let digits = step.map_or(0, |&step| self.plan.digits_of(step as usize));
        if work == Work::Join
            && let Some([one, two]) = self.both()
        {
            let (half, places) = self.half(one, two, Half::Second);
            let joiner = Box::new(Joiner::new(half.points, places));
            return Ok(Incoming::half(joiner, self.residue));
        }
        // Parts are about equally long.
        let limbs = (digits + digits / 3) / u64::from(PLACES_MIN) + 4096;
        Ok(Incoming::number(
            usize::try_from(limbs).unwrap_or(usize::MAX),
        ))
    }

    /// Both numbers, once they came.
    fn both(&mut self) -> Option<[Message; 2]> {
        <[Message; 2]>::try_from(core::mem::take(&mut self.messages))
            .map_err(|messages| self.messages = messages)
            .ok()
    }

    /// Takes an input that is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where it is not what was sent.
    pub fn take(&mut self, incoming: Incoming) -> Result<(), Error> {
        let checks = match incoming.finish()? {
            Arrived::Number(message) => {
                let checks = message.checks;
                let modulus = self.checksum.modulus();
                if message.residue >= modulus.value() {
                    return Err(broken("was changed on its way"));
                }
                self.residue = modulus.mul(self.residue, message.residue);
                self.messages.push(message);
                checks
            }
            Arrived::Joined(joiner, checks) => {
                self.joiner = Some(joiner);
                checks
            }
        };
        self.multiplier.take_over(checks);
        self.inherited.add(checks);
        Ok(())
    }

    /// Does the work, once all inputs were taken.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where something turned out to be wrong.
    pub fn perform(&mut self) -> Result<Pieces, Error> {
        let work = self.step().0;
        if let Work::Whole = work {
            return Pieces::new(answer::admit(self.request)?, &mut self.multiplier);
        }
        if let Work::Part(index) = work {
            let number = self.part(index);
            // Limbs as the halves will need them: each part does that for itself.
            let places = self.multiplier.half_places(self.plan.digits);
            let places = places.min(number.places());
            return Ok(self.sent(number.in_places(places)));
        }
        let inputs = || Error::Invalid(String::from("the step needs all of its inputs"));
        if let Work::Join = work {
            let joiner = self.joiner.take().ok_or_else(inputs)?;
            return self.join(joiner);
        }
        let [one, two] = self.both().ok_or_else(inputs)?;
        if let Work::Half = work {
            let (half, places) = self.half(one, two, Half::First);
            let head = Head {
                places,
                residue: self.residue,
                // The step that joins has read the same numbers, and knows of their
                // checks.
                checks: self.multiplier.checks().without(self.inherited),
            };
            return Ok(Pieces::Message(Outgoing::half(head, half.points)));
        }
        let modulus = self.checksum.modulus();
        let (one, two) = (number(one, modulus), number(two, modulus));
        let product = self.multiplier.product(&one, &two);
        if self.checksum.of(&product) != self.residue {
            return Err(wrong_product());
        }
        Ok(self.sent(product))
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

    /// Half of the product, and the digits of its limbs.
    fn half(&mut self, one: Message, two: Message, half: Half) -> (HalfProduct, u32) {
        let modulus = self.checksum.modulus();
        let (one, two) = (number(one, modulus), number(two, modulus));
        let (one, two, part) = self.multiplier.halved(one, two);
        let places = one.places();
        let product = halves::product(one.into_limbs(), two.into_limbs(), part, half);
        // Limbs of two digits are always short enough.
        let proved = places == PLACES_MIN || product.bound < 0.5;
        if !proved {
            self.multiplier
                .count(2 * part.points() as u64 * u64::from(places));
        }
        (product, places)
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

    fn sent(&mut self, number: Natural) -> Pieces {
        Pieces::Message(Outgoing::number(Message {
            places: number.places(),
            residue: self.checksum.of(&number),
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
