//! Any bytes as what comes in from another sandbox: an error, or a product, but
//! no panic.
#![no_main]

use factorial::answer::Pieces;
use factorial::parts::Performance;
use factorial::request::{Kind, Request};
use libfuzzer_sys::fuzz_target;

/// A head that announces so many limbs of so many digits, or so many points.
fn head(item_bytes: u64, places: u64, items: u64, residue: u64) -> Vec<u8> {
    let magic = u64::from_le_bytes(*b"cocoon\0\x02");
    let words = [magic, item_bytes, places, items, residue, 1, 0, 1];
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, cut, places, residue], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    // Steps of a plan for two: two parts, half of their product, and the one that
    // joins.
    let request = Request::decimal(Kind::Factorial, 50_000);
    let index = 2 + u32::from(mode % 2);
    let Ok(mut step) = Performance::new(request, 2, index, 7) else {
        return;
    };
    let (one, rest) = rest.split_at(rest.len() * usize::from(cut) / 255);
    let (two, half) = rest.split_at(rest.len() / 2);
    for (place, input) in [one, two, half].into_iter().take(step.inputs()).enumerate() {
        let item_bytes = if place < 2 { 4 } else { 32 };
        let message = if mode & 4 == 0 {
            let items = input.len() as u64 / item_bytes;
            [
                head(item_bytes, u64::from(places % 8), items, residue.into()),
                input.to_vec(),
            ]
            .concat()
        } else {
            input.to_vec()
        };
        let Ok(mut incoming) = step.incoming() else {
            return;
        };
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
