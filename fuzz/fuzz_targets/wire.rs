//! Any bytes as what comes in from another sandbox: an error, or a product, but
//! no panic.
#![no_main]

use factorial::answer::Pieces;
use factorial::parts::{Move, Performance, Width};
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
    // Of two parts, the one that reads a number, and the one that reads half of a
    // product as well.
    let request = Request::decimal(Kind::Factorial, 50_000);
    let width = Width {
        sandboxes: 2,
        digits_min: 0,
    };
    let Ok(mut part) = Performance::new(request, width, u32::from(mode % 2), 7) else {
        return;
    };
    let (number, half) = rest.split_at(rest.len() * usize::from(cut) / 255);
    let mut inputs = [(4, number), (32, half)].into_iter();
    while let Ok(Some(next)) = part.go_on() {
        let (pieces, incoming) = match next {
            Move::Write(pieces) => (Some(pieces), None),
            Move::Read(incoming) => (None, Some(incoming)),
            Move::Exchange(pieces, incoming) => (Some(pieces), Some(incoming)),
        };
        if let Some(mut pieces) = pieces {
            let mut output = Vec::new();
            while pieces.append_to(&mut output) {}
            if let Pieces::Digits(_) = pieces {
                assert!(output.iter().all(u8::is_ascii_digit));
            }
        }
        if let Some(mut incoming) = incoming {
            let (item_bytes, input) = inputs.next().expect("no more is read");
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
            for piece in message.chunks(1 + usize::from(mode >> 3) * 7) {
                if incoming.take(piece).is_err() {
                    return;
                }
            }
            if part.take(incoming).is_err() {
                return;
            }
        }
    }
});
