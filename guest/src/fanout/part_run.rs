//! The execution of one part of a plan.
//!
//! Every number that arrives, and the whole product, is checked modulo a prime that is
//! drawn from the seed. So neither an error in another sandbox nor a change on the way
//! goes undetected; either fails the whole computation.
#![expect(
    clippy::cast_possible_truncation,
    reason = "parts are few, and a share is at most the whole number"
)]

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;

use super::output::Output;
use super::plan::{Plan, Role, Step, Width};
use super::shares;
use super::wire::{Decoded, Decoder, Encoder, Head, Message, broken_message};
use crate::answer::{self, Pieces};
use crate::mul::grade::Checks;
use crate::mul::half_product::{Half, HalfProduct};
use crate::mul::joiner::Joiner;
use crate::mul::{Grade, Multiplier};
use crate::natural::limb::LIMB_DIGITS_MIN;
use crate::natural::modular::Modulus;
use crate::natural::norms::norm_square;
use crate::natural::residue::Reducer;
use crate::natural::{Digits, Long, Natural};
use crate::number::prime_powers::PrimePowers;
use crate::number::product_tree::{count_progression, multiply_progression};
use crate::request::{Error, Kind, Request};

/// Input or output without which a part cannot continue.
pub enum Transfer {
    /// Write this to the next output.
    Write(Output),
    /// Read the next input into this and pass it to [`PartRun::accept`].
    Read(Decoder),
    /// Do both at once, so that neither waits for the other.
    Exchange(Output, Decoder),
}

/// The execution of one part.
pub struct PartRun {
    request: Request,
    plan: Plan,
    index: usize,
    /// Number of steps that have started.
    steps: usize,
    reducer: Reducer,
    multiplier: Multiplier,
    /// Its own number. `None` before its share is multiplied, and once it is consumed.
    own: Option<Rc<Message>>,
    /// The number that it read. `None` before the first read, and once it is consumed.
    other: Option<Message>,
    /// Checks up to the last number that it read.
    earlier_checks: Checks,
    /// Residue of the product of both numbers.
    residue: u64,
    /// Both halves of the product. `None` in all parts but the last.
    joiner: Option<Box<Joiner>>,
}

impl PartRun {
    /// Prepares part `index` of the plan.
    ///
    /// # Errors
    ///
    /// As [`plan`](super::plan::plan), and [`Error::Invalid`] if there is no such part.
    pub fn new(request: Request, width: Width, index: u32, seed: u64) -> Result<Self, Error> {
        let plan = Plan::new(request, width)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= plan.roles.len() {
            return Err(Error::Invalid(String::from(
                "expected the index of a part of the plan",
            )));
        }
        Ok(Self {
            plan,
            index,
            steps: 0,
            reducer: Reducer::new(Modulus::random(seed, 0)),
            multiplier: Multiplier::new(request.proved, seed),
            own: None,
            other: None,
            earlier_checks: Checks::default(),
            residue: 1,
            joiner: None,
            request,
        })
    }

    fn role(&self) -> &Role {
        &self.plan.roles[self.index]
    }

    /// Number of inputs that the part reads.
    pub fn inputs(&self) -> usize {
        self.role().inputs.len()
    }

    /// Number of outputs that the part writes.
    pub fn outputs(&self) -> usize {
        self.role()
            .steps
            .iter()
            .filter(|step| step.writes())
            .count()
    }

    /// Runs up to the next input or output. `None` if the part is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if a number is wrong.
    pub fn advance(&mut self) -> Result<Option<Transfer>, Error> {
        while let Some(&step) = self.role().steps.get(self.steps) {
            self.steps += 1;
            match step {
                Step::ComputeWhole => {
                    let admission = answer::admit(self.request)?;
                    let pieces = Pieces::new(admission, &mut self.multiplier)?;
                    return Ok(Some(Transfer::Write(Output::Answer(pieces))));
                }
                Step::MultiplyShare => self.multiply_share(),
                Step::Read => return Ok(Some(Transfer::Read(self.decoder()))),
                Step::Multiply => self.multiply()?,
                Step::Write => return Ok(Some(Transfer::Write(self.output()?))),
                Step::Exchange => {
                    // Makes room for the number that arrives.
                    self.multiplier.free_buffers();
                    let output = self.output()?;
                    return Ok(Some(Transfer::Exchange(output, self.decoder())));
                }
                Step::WriteHalf => {
                    let (half, limb_digits) = self.multiply_half(Half::First)?;
                    let head = Head {
                        limb_digits,
                        residue: self.residue,
                        // The receiver has the checks before the exchange.
                        checks: self.multiplier.checks().since(self.earlier_checks),
                    };
                    let message = Encoder::half(head, half.points);
                    return Ok(Some(Transfer::Write(Output::Message(message))));
                }
                Step::ReadHalf => {
                    let (half, limb_digits) = self.multiply_half(Half::Second)?;
                    let joiner = Box::new(Joiner::new(half.points, limb_digits));
                    return Ok(Some(Transfer::Read(Decoder::half(joiner, self.residue))));
                }
                Step::Answer => {
                    let joiner = self.joiner.take().ok_or_else(missing_input)?;
                    return Ok(Some(Transfer::Write(self.join(joiner)?)));
                }
            }
        }
        Ok(None)
    }

    /// Creates a decoder of the other part's number.
    fn decoder(&self) -> Decoder {
        // Shares are about equally long, and none is longer than all together.
        let digits = self.plan.digits;
        let limbs = (digits + digits / 3) / u64::from(LIMB_DIGITS_MIN) + 4096;
        Decoder::number(usize::try_from(limbs).unwrap_or(usize::MAX))
    }

    /// Creates an output of its own number, which it keeps.
    fn output(&self) -> Result<Output, Error> {
        let own = self.own.as_ref().ok_or_else(missing_input)?;
        Ok(Output::Message(Encoder::number(Rc::clone(own))))
    }

    /// Consumes its own number and the one that it read.
    fn take_both(&mut self) -> Result<[Message; 2], Error> {
        let own = self.own.take().ok_or_else(missing_input)?;
        let other = self.other.take().ok_or_else(missing_input)?;
        Ok([Rc::unwrap_or_clone(own), other])
    }

    /// Accepts a complete input.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the input is incomplete or malformed.
    pub fn accept(&mut self, decoder: Decoder) -> Result<(), Error> {
        match decoder.finish()? {
            Decoded::Number(message) => {
                let modulus = self.reducer.modulus();
                if message.residue >= modulus.value() {
                    let expected = format!("a residue below {}", modulus.value());
                    return Err(broken_message(&expected, message.residue));
                }
                self.multiplier.add_checks(message.checks);
                self.earlier_checks = self.multiplier.checks();
                let own = self.own.as_ref().ok_or_else(missing_input)?;
                self.residue = modulus.mul(own.residue, message.residue);
                self.other = Some(message);
            }
            Decoded::Joined(joiner, checks) => {
                self.multiplier.add_checks(checks);
                self.joiner = Some(joiner);
            }
        }
        Ok(())
    }

    /// Returns the certainty of the number so far.
    pub fn grade(&self) -> Grade {
        self.multiplier.grade()
    }

    /// Multiplies its share of the factors, in limbs as short as the halves will need.
    fn multiply_share(&mut self) {
        let number = self.compute_share();
        let limb_digits = self.multiplier.half_limb_digits(self.plan.digits);
        let limb_digits = limb_digits.min(number.limb_digits());
        self.set_own(number.into_limb_digits(limb_digits));
    }

    /// Multiplies its number by the one that it read.
    fn multiply(&mut self) -> Result<(), Error> {
        let modulus = self.reducer.modulus();
        let [lhs, rhs] = self.take_both()?.map(|message| to_number(message, modulus));
        let product = self.multiplier.multiply(&lhs, &rhs);
        if self.reducer.reduce(&product) != self.residue {
            return Err(wrong_product());
        }
        self.set_own(product);
        Ok(())
    }

    /// Replaces its number.
    fn set_own(&mut self, number: Natural) {
        self.own = Some(Rc::new(Message {
            limb_digits: number.limb_digits(),
            residue: self.reducer.reduce(&number),
            norm_square: norm_square(number.limbs()),
            limbs: number.into_limbs(),
            checks: self.multiplier.checks(),
        }));
    }

    /// Computes its share of the number.
    fn compute_share(&mut self) -> Natural {
        let Request { kind, n, .. } = self.request;
        let (index, parts) = (self.index, self.plan.roles.len());
        if let Some(share) = shares::assign_share(kind, n, index, parts) {
            return share.multiply(&mut self.multiplier);
        }
        // All other kinds with several parts are multifactorials.
        let step = match kind {
            Kind::Multifactorial(step) => u64::from(step),
            _ => 1,
        };
        let count = u128::from(count_progression(n, step));
        // Even shares of the factors, from the largest. The quotient is at most `count`.
        let share_start = |index: usize| (count * index as u128 / parts as u128) as u64;
        let (start, end) = (share_start(index), share_start(index + 1));
        multiply_progression(n - start * step, step, end - start, &mut self.multiplier)
    }

    /// Computes half of the product of both numbers, and the digits of its limbs.
    fn multiply_half(&mut self, half: Half) -> Result<(HalfProduct, u32), Error> {
        let modulus = self.reducer.modulus();
        let both = self.take_both()?;
        let square = both[0].norm_square * both[1].norm_square;
        let [own, other] = both.map(|message| to_number(message, modulus));
        // Both halves have the same order of operands.
        let operands = match half {
            Half::First => [own, other],
            Half::Second => [other, own],
        };
        Ok(self.multiplier.multiply_half(operands, square, half))
    }

    /// Checks the joined product and prepares its digits.
    fn join(&mut self, joiner: Box<Joiner>) -> Result<Output, Error> {
        let limb_digits = joiner.limb_digits();
        let limbs = joiner.finish().ok_or_else(wrong_product)?;
        let product = Natural::from_limbs(limb_digits, limbs);
        if self.reducer.reduce(&product) != self.residue {
            return Err(wrong_product());
        }
        let Request { kind, n, .. } = self.request;
        let digits = Digits::new(Long {
            head: product,
            zeros: PrimePowers::tens(kind, n),
        });
        Ok(Output::Answer(Pieces::Digits(digits)))
    }
}

fn to_number(message: Message, modulus: Modulus) -> Natural {
    let mut number = Natural::from_limbs(message.limb_digits, message.limbs);
    number.store_residue(modulus, message.residue);
    number
}

fn wrong_product() -> Error {
    Error::Failed(String::from(
        "expected the product that its factors' residues give, got another; a sandbox \
         computed a wrong number, or a message changed on its way",
    ))
}

fn missing_input() -> Error {
    Error::Invalid(String::from("expected all inputs of the part"))
}
