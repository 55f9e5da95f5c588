//! Whole plans executed natively, with messages that arrive unchanged or changed.
//!
//! The last part must write the right digits, or fail.

use factorial::fanout::{Output, Part, PartRun, Transfer, Width, plan::plan};
use factorial::mul::Multiplier;
use factorial::number;
use factorial::request::{Error, Kind, Request};

const SEED: u64 = 0x5EED;

/// Bytes of a message before its limbs.
const HEAD_BYTES: usize = 64;

/// Bytes of a message with its counts of checks. A change there changes the grade, not the
/// number.
const CHECKS: std::ops::Range<usize> = 40..64;

/// Divides shorter numbers than pay, so that tests can compute many.
fn width(sandboxes: u32) -> Width {
    Width {
        sandboxes,
        digits_min: 200_000,
    }
}

fn request(kind: Kind, n: u64, proved: bool) -> Request {
    Request {
        proved,
        ..Request::decimal(kind, n)
    }
}

/// The parts of a plan and the messages between them.
struct FanOut {
    request: Request,
    width: Width,
    parts: Vec<Part>,
    /// The writer of each message, in the order of its readers.
    writers: Vec<usize>,
}

/// A part during its execution.
struct Execution {
    run: PartRun,
    /// A transfer that waits for its input. `None` if there is none.
    next: Option<Transfer>,
    /// Messages that it will read, the next one last.
    inputs: Vec<usize>,
    /// Messages that it will write, the next one last.
    outputs: Vec<usize>,
}

impl FanOut {
    fn new(request: Request, sandboxes: u32) -> Self {
        let width = width(sandboxes);
        let parts = plan(request, width).expect("a plan");
        let inputs = parts.iter().flat_map(|part| &part.inputs);
        let writers = inputs.map(|&writer| writer as usize).collect();
        Self {
            request,
            width,
            parts,
            writers,
        }
    }

    fn executions(&self, seed: u64) -> Result<Vec<Execution>, Error> {
        let mut message = 0;
        (0..self.parts.len())
            .map(|index| {
                let place = u32::try_from(index).expect("few parts");
                let run = PartRun::new(self.request, self.width, place, seed)?;
                let inputs = message..message + self.parts[index].inputs.len();
                message = inputs.end;
                assert_eq!(run.inputs(), inputs.len());
                let outputs =
                    (0..self.writers.len()).filter(|&message| self.writers[message] == index);
                // The answer comes after all messages.
                let answer = (index + 1 == self.parts.len()).then_some(self.writers.len());
                let outputs: Vec<usize> = outputs.chain(answer).rev().collect();
                assert_eq!(run.outputs(), outputs.len());
                Ok(Execution {
                    run,
                    next: None,
                    inputs: inputs.rev().collect(),
                    outputs,
                })
            })
            .collect()
    }

    /// Executes all parts, and changes each message on its way. Returns the messages, the
    /// answer last.
    fn execute(&self, change: impl Fn(usize, &mut Vec<u8>)) -> Result<Vec<Vec<u8>>, Error> {
        let mut executions = self.executions(SEED)?;
        let mut messages: Vec<Option<Vec<u8>>> = vec![None; self.writers.len() + 1];
        loop {
            let mut waiting = 0;
            for execution in &mut executions {
                while execution.step(&mut messages, &change)? {}
                waiting += usize::from(execution.next.is_some());
            }
            if waiting == 0 {
                return Ok(messages.into_iter().flatten().collect());
            }
        }
    }
}

impl Execution {
    /// Advances by one transfer. Returns false if the part is complete or waits.
    fn step(
        &mut self,
        messages: &mut [Option<Vec<u8>>],
        change: &impl Fn(usize, &mut Vec<u8>),
    ) -> Result<bool, Error> {
        let Some(next) = self
            .next
            .take()
            .map_or_else(|| self.run.advance(), |next| Ok(Some(next)))?
        else {
            return Ok(false);
        };
        let mut write = |mut pieces: Output| {
            let output = self.outputs.pop().expect("an output");
            let mut bytes = Vec::new();
            while pieces.append_to(&mut bytes) {}
            change(output, &mut bytes);
            messages[output] = Some(bytes);
        };
        let mut decoder = match next {
            Transfer::Write(pieces) => {
                write(pieces);
                return Ok(true);
            }
            Transfer::Exchange(pieces, decoder) => {
                write(pieces);
                decoder
            }
            Transfer::Read(decoder) => decoder,
        };
        let input = *self.inputs.last().expect("an input");
        let Some(bytes) = &messages[input] else {
            self.next = Some(Transfer::Read(decoder));
            return Ok(false);
        };
        for piece in bytes.chunks(4096 + 3) {
            decoder.push(piece)?;
        }
        self.inputs.pop();
        self.run.accept(decoder)?;
        Ok(true)
    }
}

fn whole(request: Request) -> String {
    number::compute(request.kind, request.n, &mut Multiplier::proved()).to_text()
}

fn first_difference(lhs: &[u8], rhs: &[u8]) -> Option<usize> {
    lhs.iter().zip(rhs).position(|(lhs, rhs)| lhs != rhs)
}

fn agrees(request: Request, sandboxes: u32, expected: &str) {
    let fan_out = FanOut::new(request, sandboxes);
    let outputs = fan_out.execute(|_, _| {});
    let outputs = outputs.unwrap_or_else(|error| panic!("{request:?} by {sandboxes}: {error:?}"));
    let digits = outputs.last().expect("an answer");
    assert!(
        digits == expected.as_bytes(),
        "{request:?} by {sandboxes}: {} digits, not {}, and the first that differs is {:?}",
        digits.len(),
        expected.len(),
        first_difference(digits, expected.as_bytes()),
    );
}

/// Each kind that is divided, just above the fewest digits, and in more parts than there are
/// large factors.
#[test]
fn parts_compute_the_number() {
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
                let parts = plan(request, width(sandboxes)).expect("a plan").len();
                assert_eq!(parts, sandboxes as usize, "{kind:?} {n}");
                agrees(request, sandboxes, &expected);
            }
        }
    }
}

/// Numbers as long as those that are divided by default.
#[test]
fn parts_compute_long_numbers() {
    for n in [300_000, 1_000_000, 7_000_000] {
        let expected = whole(request(Kind::Factorial, n, false));
        let ways = [(2, false), (3, false), (2, true)];
        // The longest takes long, and its halves do not depend on the number of parts.
        let ways = if n > 1_000_000 { &ways[..1] } else { &ways };
        for &(sandboxes, proved) in ways {
            agrees(request(Kind::Factorial, n, proved), sandboxes, &expected);
        }
    }
}

/// The part with the highest power of a small prime is longer than the others.
#[test]
fn parts_may_differ_in_length() {
    for (kind, n) in [(Kind::Superfactorial, 2000), (Kind::Hyperfactorial, 2000)] {
        let expected = whole(request(kind, n, false));
        for sandboxes in [16, 64] {
            agrees(request(kind, n, false), sandboxes, &expected);
        }
    }
}

/// One bit of a message changes: each byte of its head, and many of its limbs.
#[test]
fn changed_bits_are_found() {
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
        let fan_out = FanOut::new(request(kind, n, false), sandboxes);
        let honest = fan_out.execute(|_, _| {}).expect("a number");
        let last = honest.len() - 1;
        assert!(last > 2);
        for message in 0..last {
            let length = honest[message].len();
            let limbs = HEAD_BYTES..length;
            let ends = [0, 1, 2, 3].map(|byte| (limbs.start + byte, limbs.end - 1 - byte));
            let mut bytes: Vec<usize> = (0..HEAD_BYTES).collect();
            bytes.extend(ends.iter().flat_map(|&(first, last)| [first, last]));
            bytes.extend((0..12).map(|_| limbs.start + random(limbs.len())));
            for place in bytes {
                let bit = random(8);
                let what = format!("byte {place}, bit {bit} of message {message}");
                let changed = fan_out.execute(|changed, bytes| {
                    if changed == message {
                        bytes[place] ^= 1 << bit;
                    }
                });
                match changed {
                    Err(Error::Failed(_)) => {}
                    Err(error) => panic!("{what}: {error:?}"),
                    Ok(outputs) => {
                        assert!(outputs[last] == honest[last], "{what} changes the digits");
                        // The last message has points, whose lowest bits are rounded away.
                        let harmless = CHECKS.contains(&place) || message == last - 1;
                        assert!(harmless, "{what} is not found");
                    }
                }
            }
        }
    }
}

/// Messages that are too short, too long, or replaced by another.
#[test]
fn malformed_messages_are_refused() {
    let fan_out = FanOut::new(request(Kind::Factorial, 48_000, false), 2);
    let honest = fan_out.execute(|_, _| {}).expect("a number");
    // Message 0 goes to the first part, 1 to the second, and 2 is the first half.
    let half = 2;
    let replace = |message: usize, bytes: &[u8]| {
        fan_out.execute(|changed, old| {
            if changed == message {
                *old = bytes.to_vec();
            }
        })
    };
    for message in [0, 1, half] {
        let whole = honest[message].as_slice();
        for length in [
            0,
            1,
            HEAD_BYTES - 1,
            HEAD_BYTES,
            HEAD_BYTES + 3,
            whole.len() - 4,
            whole.len() - 1,
        ] {
            assert!(replace(message, &whole[..length]).is_err(), "{length}");
        }
        for more in [&[0][..], &[0; 4], &[0; 5000]] {
            let longer = [whole, more].concat();
            assert!(replace(message, &longer).is_err());
        }
        // A number for a half, a half for a number, or another number.
        for other in [0, 1, half] {
            let refused = replace(message, &honest[other]).is_err();
            assert_eq!(refused, other != message, "{other} as {message}");
        }
    }
    // All messages have another seed, which the check of the joined product finds.
    let mut executions = fan_out.executions(SEED + 1).expect("parts");
    let mut messages: Vec<Option<Vec<u8>>> = honest.iter().cloned().map(Some).collect();
    let joiner = executions.last_mut().expect("parts");
    let mut result = Ok(true);
    while let Ok(true) = result {
        result = joiner.step(&mut messages, &|changed, bytes| {
            // Replaces its own messages too, so that its inputs stay as they were.
            *bytes = honest[changed].clone();
        });
    }
    assert!(result.is_err());
}
