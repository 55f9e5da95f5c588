//! Any bytes as what comes in from another sandbox: an error, or a product, but
//! no panic.
#![no_main]

use factorial::answer::Pieces;
use factorial::parts::Performance;
use factorial::request::{Kind, Request};
use libfuzzer_sys::fuzz_target;

/// A head that announces so many limbs of so many digits.
fn head(carried: u64, places: u64, limbs: u64, residue: u64) -> Vec<u8> {
    let magic = u64::from_le_bytes(*b"cocoon\0\x01");
    let words = [magic, carried, places, limbs, residue, 1, 0, 1];
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, cut, places, residue], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    // Steps of a plan for two: two parts, two halves, and the one that joins them.
    let request = Request::decimal(Kind::Factorial, 50_000);
    let index = 2 + u32::from(mode % 3);
    let Ok(mut step) = Performance::new(request, 2, index, 7) else {
        return;
    };
    let (one, two) = rest.split_at(rest.len() * usize::from(cut) / 255);
    for (place, input) in [one, two].into_iter().enumerate() {
        let carried = if index < 4 { 0 } else { 1 + place as u64 };
        let message = if mode & 4 == 0 {
            let limbs = input.len() as u64 / 4;
            [
                head(carried, u64::from(places % 8), limbs, residue.into()),
                input.to_vec(),
            ]
            .concat()
        } else {
            input.to_vec()
        };
        let mut incoming = step.incoming();
        for piece in message.chunks(1 + usize::from(mode >> 3) * 7) {
            if incoming.take(piece).is_err() {
                return;
            }
        }
        if step.take(incoming).is_err() {
            return;
        }
    }
    if let Ok(mut pieces) = step.perform() {
        let mut output = Vec::new();
        while pieces.append_to(&mut output) {}
        if let Pieces::Digits(_) = pieces {
            assert!(output.iter().all(u8::is_ascii_digit));
        }
    }
});
