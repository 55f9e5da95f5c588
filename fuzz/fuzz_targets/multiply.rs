//! Products of two numbers that the bytes describe, proved or verified, against
//! num-bigint.
#![no_main]

use factorial::mul::Multiplier;
use factorial::natural::{Long, Natural};
use factorial::number::Number;
use libfuzzer_sys::fuzz_target;
use num_bigint::BigUint;

/// Digits of the longest operand: transforms of all odd factors, in two and four,
/// with power tables of several rows.
const DIGITS_MAX: usize = 40_000;

/// Bytes taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn word(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    fn some(&mut self, most: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(self.0.len().min(most));
        self.0 = rest;
        some
    }

    /// Runs of patterns, up to `length` digits.
    fn operand(&mut self, length: usize) -> String {
        let mut digits = Vec::with_capacity(length);
        while digits.len() < length && !self.0.is_empty() {
            let left = length - digits.len();
            let shape = self.byte();
            let run = self.word().min(left).max(1);
            match shape % 8 {
                0 => digits.resize(digits.len() + run, b'0'),
                1 => digits.resize(digits.len() + run, b'9'),
                2 => digits.resize(digits.len() + run, b'0' + shape / 8 % 10),
                // A pattern of a few digits again and again.
                3 | 4 => {
                    let period = usize::from(shape / 8 % 16) + 1;
                    let pattern = self.some(period);
                    let pattern = if pattern.is_empty() { &[5] } else { pattern };
                    let pattern = pattern.iter().map(|byte| b'0' + byte % 10);
                    digits.extend(pattern.cycle().take(run));
                }
                // Limbs in arithmetic progression: few frequencies.
                5 => {
                    let (mut limb, step) = (self.word() * 16 % 1_000_000, self.word() * 16);
                    while digits.len() + 6 <= length.min(digits.len() / 6 * 6 + run + 6)
                        && digits.len() < length
                    {
                        digits.extend(format!("{limb:06}").bytes());
                        limb = (limb + step) % 1_000_000;
                        if digits.len() > run {
                            break;
                        }
                    }
                    digits.push(b'1');
                }
                // Noise.
                6 => {
                    let mut state = self.word() as u64 + 1;
                    digits.extend((0..run).map(|_| {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        b'0' + (state >> 33) as u8 % 10
                    }));
                }
                _ => digits.extend(self.some(run.min(64)).iter().map(|byte| b'0' + byte % 10)),
            }
        }
        digits.truncate(length);
        String::from_utf8(digits).expect("digits")
    }
}

fn text(number: Natural) -> String {
    Number::Long(Long {
        head: number,
        zeros: 0,
    })
    .to_text()
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mode = bytes.byte();
    let seed = u64::from(bytes.byte());
    let (one_length, two_length) = (bytes.word() % DIGITS_MAX, bytes.word() % DIGITS_MAX);
    let split = bytes.0.len() / 2;
    let (one, two) = bytes.0.split_at(split);
    let one = Bytes(one).operand(one_length);
    let two = Bytes(two).operand(two_length);
    let big = |digits: &str| digits.parse::<BigUint>().unwrap_or_default();
    let mut multiplier = Multiplier::new(mode % 2 == 0, seed);
    let read = |digits: &str| Natural::from_decimal(digits).expect("digits");
    let (a, b) = (read(&one), read(&two));
    let (exact, product) = match mode / 2 % 4 {
        0 | 1 => (big(&one) * big(&two), multiplier.multiply(&a, &b)),
        2 => (big(&one).pow(2), multiplier.square(&a)),
        // The product is an operand of the next.
        _ => {
            let once = multiplier.multiply(&a, &b);
            let twice = multiplier.multiply(&once, &b);
            (big(&one) * big(&two).pow(2), twice)
        }
    };
    assert!(
        text(product) == exact.to_string(),
        "{mode}: {} by {} digits",
        one.len(),
        two.len()
    );
});
