//! Any bytes as digits: the verdict is right only for those of the number.
#![no_main]

use factorial::mul::Multiplier;
use factorial::number;
use factorial::request::Kind;
use factorial::verify::{Checker, Verdict};
use libfuzzer_sys::fuzz_target;

const KINDS: [Kind; 8] = [
    Kind::Factorial,
    Kind::Multifactorial(2),
    Kind::Multifactorial(5),
    Kind::Subfactorial,
    Kind::Primorial,
    Kind::Superfactorial,
    Kind::Hyperfactorial,
    Kind::Alternating,
];

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, n, piece, place], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let n = u64::from(n) % 60;
    let right = number::compute(kind, n, &mut Multiplier::proved()).to_text();
    // The right digits, overwritten or replaced from some place on.
    let mut digits = right.clone().into_bytes();
    let place = usize::from(place) % (digits.len() + 1);
    if piece & 1 == 0 {
        digits.truncate(place);
        digits.extend_from_slice(rest);
    } else {
        for (digit, &byte) in digits[place..].iter_mut().zip(rest) {
            *digit = b'0' + byte % 10;
        }
    }
    let mut checker = Checker::new(kind, n, u64::from(piece)).expect("a kind");
    for piece in digits.chunks(1 + usize::from(piece >> 1)) {
        if !checker.push(piece) {
            break;
        }
    }
    let trimmed = digits.trim_ascii_end();
    let is_right = trimmed == right.as_bytes();
    match checker.finish() {
        Verdict::Right(_) => assert!(is_right, "{kind:?} {n}"),
        Verdict::Wrong(text) => assert!(!is_right, "{kind:?} {n}: {text}"),
    }
});
