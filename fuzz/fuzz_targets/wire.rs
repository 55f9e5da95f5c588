//! Any bytes as messages from another sandbox: the part fails or writes digits, and never
//! panics.
#![no_main]

use factorial::fanout::{Output, PartRun, Transfer, Width};
use factorial::request::{Kind, Request};
use libfuzzer_sys::fuzz_target;

/// Encodes a head that announces `items` items.
fn head(item_bytes: u64, limb_digits: u64, items: u64, residue: u64) -> Vec<u8> {
    let magic = u64::from_le_bytes(*b"cocoon\0\x02");
    let words = [magic, item_bytes, limb_digits, items, residue, 1, 0, 1];
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, cut, limb_digits, residue], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    // The first of two parts reads a number, the second also half of a product.
    let request = Request::decimal(Kind::Factorial, 50_000);
    let width = Width {
        sandboxes: 2,
        digits_min: 0,
    };
    let Ok(mut run) = PartRun::new(request, width, u32::from(mode % 2), 7) else {
        return;
    };
    let (number, half) = rest.split_at(rest.len() * usize::from(cut) / 255);
    let mut inputs = [(4, number), (32, half)].into_iter();
    while let Ok(Some(next)) = run.advance() {
        let (output, decoder) = match next {
            Transfer::Write(output) => (Some(output), None),
            Transfer::Read(decoder) => (None, Some(decoder)),
            Transfer::Exchange(output, decoder) => (Some(output), Some(decoder)),
        };
        if let Some(mut output) = output {
            let mut bytes = Vec::new();
            while output.append_to(&mut bytes) {}
            if let Output::Answer(_) = output {
                assert!(bytes.iter().all(u8::is_ascii_digit));
            }
        }
        if let Some(mut decoder) = decoder {
            let (item_bytes, input) = inputs.next().expect("an input for each read");
            let message = if mode & 4 == 0 {
                let items = input.len() as u64 / item_bytes;
                [
                    head(item_bytes, u64::from(limb_digits % 8), items, residue.into()),
                    input.to_vec(),
                ]
                .concat()
            } else {
                input.to_vec()
            };
            for piece in message.chunks(1 + usize::from(mode >> 3) * 7) {
                if decoder.push(piece).is_err() {
                    return;
                }
            }
            if run.accept(decoder).is_err() {
                return;
            }
        }
    }
});
