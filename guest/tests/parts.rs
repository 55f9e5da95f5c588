//! Numbers computed in parts: whole plans run by hand, natively, with what
//! travels between two steps left alone or changed on its way.
//!
//! The parts' only way out is the last step's digits. Whatever is changed before
//! them, they are the right ones or none at all.

use factorial::error::Error;
use factorial::multiply::Multiplier;
use factorial::number::number;
use factorial::parts::{Performance, Step, plan};
use factorial::request::{Kind, Request};

const SEED: u64 = 0x5EED;

/// Bytes of a message before its limbs.
const HEAD_BYTES: usize = 64;

/// Where a message tells how many products were checked, in bytes from its start:
/// what is changed there changes the grade, not the number.
const CHECKS: std::ops::Range<usize> = 40..64;

fn request(kind: Kind, n: u64, proved: bool) -> Request {
    Request {
        proved,
        ..Request::decimal(kind, n)
    }
}

/// A plan and its messages, as far as they are known.
struct Crew {
    request: Request,
    sandboxes: u32,
    steps: Vec<Step>,
}

impl Crew {
    fn new(request: Request, sandboxes: u32) -> Self {
        let steps = plan(request, sandboxes).expect("a plan");
        Self {
            request,
            sandboxes,
            steps,
        }
    }

    /// What step `index` puts out when it reads `inputs`, in pieces of so many
    /// bytes.
    fn perform(&self, index: usize, inputs: &[&[u8]], piece: usize) -> Result<Vec<u8>, Error> {
        let place = u32::try_from(index).expect("few steps");
        let mut step = Performance::new(self.request, self.sandboxes, place, SEED)?;
        assert_eq!(step.inputs(), inputs.len());
        for input in inputs {
            let mut incoming = step.incoming()?;
            for piece in input.chunks(piece) {
                incoming.take(piece)?;
            }
            step.take(incoming)?;
        }
        let mut pieces = step.perform()?;
        let mut output = Vec::new();
        while pieces.append_to(&mut output) {}
        Ok(output)
    }

    /// What all steps put out, where those from `from` on are still to be done.
    fn go_on(&self, outputs: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        for index in outputs.len()..self.steps.len() {
            let inputs = &self.steps[index].inputs;
            let inputs: Vec<&[u8]> = inputs
                .iter()
                .map(|&input| outputs[input as usize].as_slice())
                .collect();
            let output = self.perform(index, &inputs, 4096 + 3)?;
            outputs.push(output);
        }
        Ok(())
    }

    fn run(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut outputs = Vec::new();
        self.go_on(&mut outputs)?;
        Ok(outputs)
    }
}

fn whole(request: Request) -> String {
    number(request.kind, request.n, &mut Multiplier::proved()).to_text()
}

fn first_difference(one: &[u8], two: &[u8]) -> Option<usize> {
    one.iter().zip(two).position(|(one, two)| one != two)
}

fn agrees(request: Request, sandboxes: u32, expected: &str) {
    let crew = Crew::new(request, sandboxes);
    let outputs = crew.run();
    let outputs = outputs.unwrap_or_else(|error| panic!("{request:?} by {sandboxes}: {error:?}"));
    let digits = outputs.last().expect("steps");
    assert!(
        digits == expected.as_bytes(),
        "{request:?} by {sandboxes}: {} digits, not {}, and the first that differs is {:?}",
        digits.len(),
        expected.len(),
        first_difference(digits, expected.as_bytes()),
    );
}

/// Each kind that is dealt out, just above the least number of digits for which
/// it is, and in more parts than there are large factors.
#[test]
fn parts_make_the_number() {
    for (kind, n) in [
        (Kind::Factorial, 48_000),
        (Kind::Factorial, 65_537),
        (Kind::Multifactorial(2), 90_000),
        (Kind::Multifactorial(2), 90_001),
        (Kind::Multifactorial(3), 130_000),
        (Kind::Multifactorial(1_000_000), 30_000_000_001),
        (Kind::Primorial, 500_009),
        (Kind::Superfactorial, 520),
        (Kind::Hyperfactorial, 520),
    ] {
        let expected = whole(request(kind, n, true));
        for proved in [false, true] {
            let request = request(kind, n, proved);
            for sandboxes in [1, 2, 3, 5, 64] {
                let steps = plan(request, sandboxes).expect("a plan").len();
                assert_eq!(steps > 1, sandboxes > 1, "{kind:?} {n}");
                agrees(request, sandboxes, &expected);
            }
        }
    }
}

/// As long as they are meant to be.
#[test]
fn long_numbers_come_in_parts() {
    for n in [300_000, 1_000_000, 7_000_000] {
        let expected = whole(request(Kind::Factorial, n, false));
        let ways = [(2, false), (3, false), (2, true)];
        // The longest takes a while, and its halves are the same however it is dealt out.
        let ways = if n > 1_000_000 { &ways[..1] } else { &ways };
        for &(sandboxes, proved) in ways {
            agrees(request(Kind::Factorial, n, proved), sandboxes, &expected);
        }
    }
}

/// A part with the highest power of a small prime is longer than the others.
#[test]
fn parts_need_not_be_equally_long() {
    for (kind, n) in [(Kind::Superfactorial, 2000), (Kind::Hyperfactorial, 2000)] {
        let expected = whole(request(kind, n, false));
        for sandboxes in [16, 64] {
            agrees(request(kind, n, false), sandboxes, &expected);
        }
    }
}

/// Any single bit of any message: of its head each, of its limbs many.
#[test]
fn a_bit_that_is_changed_on_its_way_is_found() {
    let mut state = SEED;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    for (kind, n, sandboxes) in [
        (Kind::Factorial, 48_000, 2),
        (Kind::Factorial, 48_000, 3),
        (Kind::Multifactorial(3), 130_000, 2),
    ] {
        let crew = Crew::new(request(kind, n, false), sandboxes);
        assert!(crew.steps.len() > 1);
        let honest = crew.run().expect("a number");
        let last = honest.len() - 1;
        for message in 0..last {
            let length = honest[message].len();
            let limbs = HEAD_BYTES..length;
            let ends = [0, 1, 2, 3].map(|byte| (limbs.start + byte, limbs.end - 1 - byte));
            let mut bytes: Vec<usize> = (0..HEAD_BYTES).collect();
            bytes.extend(ends.iter().flat_map(|&(first, last)| [first, last]));
            bytes.extend((0..40).map(|_| limbs.start + random(limbs.len())));
            for place in bytes {
                let bit = random(8);
                let mut changed = honest[message].clone();
                changed[place] ^= 1 << bit;
                // Only those that read it; what they would say goes on to the others.
                let mut outputs: Vec<Vec<u8>> = honest[..=message].to_vec();
                outputs[message] = changed;
                let readers = crew
                    .steps
                    .iter()
                    .position(|step| step.inputs.iter().any(|&input| input as usize == message));
                let first = readers.expect("somebody reads it");
                outputs.extend_from_slice(&honest[message + 1..first]);
                match crew.go_on(&mut outputs) {
                    Err(Error::Failed(_)) => {}
                    Err(error) => panic!("byte {place} of message {message}: {error:?}"),
                    Ok(()) => {
                        let what = format!("byte {place}, bit {bit} of message {message}");
                        assert!(outputs[last] == honest[last], "{what} changes the digits");
                        // The last message has points, whose last bits are rounded away.
                        let harmless = CHECKS.contains(&place) || message == last - 1;
                        assert!(harmless, "{what} is not found");
                    }
                }
            }
        }
    }
}

/// Messages that end early, go on, or come twice.
#[test]
fn what_is_no_message_is_refused() {
    let crew = Crew::new(request(Kind::Factorial, 48_000, false), 2);
    let honest = crew.run().expect("a number");
    let [one, two] = [0, 1].map(|index| honest[index].as_slice());
    let half = 2;
    for length in [
        0,
        1,
        HEAD_BYTES - 1,
        HEAD_BYTES,
        HEAD_BYTES + 3,
        one.len() - 4,
        one.len() - 1,
    ] {
        assert!(
            crew.perform(half, &[&one[..length], two], 1000).is_err(),
            "{length}"
        );
    }
    for more in [&[0][..], &[0; 4], &[0; 5000]] {
        let longer = [one, more].concat();
        assert!(crew.perform(half, &[&longer, two], 1000).is_err());
    }
    // A number instead of a half, a half instead of a number, and numbers that are not
    // those of the half.
    let join = 3;
    let first = honest[half].as_slice();
    for inputs in [
        [one, two, two],
        [first, two, first],
        [one, first, first],
        [one, one, first],
        [two, two, first],
    ] {
        assert!(crew.perform(join, &inputs, 1000).is_err());
    }
    assert!(crew.perform(join, &[one, two, first], 1000).is_ok());
    assert!(crew.perform(half, &[one, first], 1000).is_err());
    // All messages of another seed.
    let mut other = Performance::new(crew.request, 2, 3, SEED + 1).expect("a step");
    let refused = [one, two, first].into_iter().try_for_each(|message| {
        let mut incoming = other.incoming()?;
        incoming.take(message)?;
        other.take(incoming)
    });
    assert!(refused.and_then(|()| other.perform()).is_err());
}
