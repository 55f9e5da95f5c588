//! Limbs as decimal digits.
//!
//! On WebAssembly four limbs are divided at once, in vectors: first into thousands and
//! what is left of them, then those eight numbers into three digits each. Elsewhere
//! they are divided one by one, so that tests run natively.

use alloc::vec::Vec;

/// Limbs that are written at once.
const LIMBS: usize = 4;

/// Bytes that have room for their digits.
const BYTES: usize = 32;

/// Appends normalized limbs of `PLACES` digits, at most six, the last one first.
pub(crate) fn write<const PLACES: usize>(limbs: &[i32], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + PLACES * limbs.len(), b'0');
    let (rest, fours) = limbs.as_rchunks::<LIMBS>();
    let mut chunks = text[start..].chunks_exact_mut(PLACES * LIMBS);
    for (chunk, four) in chunks.by_ref().zip(fours.iter().rev()) {
        chunk.copy_from_slice(&digits::<PLACES>(*four)[..PLACES * LIMBS]);
    }
    let mut four = [0; LIMBS];
    four[LIMBS - rest.len()..].copy_from_slice(rest);
    let last = chunks.into_remainder();
    let length = last.len();
    last.copy_from_slice(&digits::<PLACES>(four)[..length]);
}

/// The digits of four limbs, the last one first, without a gap.
#[cfg(target_family = "wasm")]
#[inline]
fn digits<const PLACES: usize>([d, c, b, a]: [i32; LIMBS]) -> [u8; BYTES] {
    use core::arch::wasm32::{
        f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i8x16_relaxed_swizzle, i16x8_mul,
        i16x8_shl, i16x8_splat, i16x8_sub, i32x4, i32x4_mul, i32x4_relaxed_trunc_f32x4, i32x4_shl,
        i32x4_splat, i32x4_sub, i64x2_extract_lane, u16x8_shr, v128, v128_or,
    };
    let times = |number: v128, factor: i16| i16x8_mul(number, i16x8_splat(factor));
    let limbs = i32x4(a, b, c, d);
    // With half of one more, a quotient is a two-thousandth from an integer at least,
    // and its rounding errors are below 2^-12.
    let number = f32x4_add(f32x4_convert_i32x4(limbs), f32x4_splat(0.5));
    let thousands = i32x4_relaxed_trunc_f32x4(f32x4_mul(number, f32x4_splat(0.001)));
    let rest = i32x4_sub(limbs, i32x4_mul(thousands, i32x4_splat(1000)));
    let numbers = v128_or(thousands, i32x4_shl(rest, 16));
    // Below 1000, the quotient by 100 is that of 41 times the number by 4096; below
    // 100, that by 10 is that of 103 times the number by 1024.
    let hundreds = u16x8_shr(times(numbers, 41), 12);
    let rest = i16x8_sub(numbers, times(hundreds, 100));
    let tens = u16x8_shr(times(rest, 103), 10);
    let ones = i16x8_sub(rest, times(tens, 10));
    let zeros = i16x8_splat(i16::from_le_bytes([b'0'; 2]));
    let hundreds_tens = v128_or(v128_or(hundreds, i16x8_shl(tens, 8)), zeros);
    let ones = v128_or(ones, zeros);
    let gathered = |[of_hundreds_tens, of_ones]: [v128; 2]| {
        v128_or(
            i8x16_relaxed_swizzle(hundreds_tens, of_hundreds_tens),
            i8x16_relaxed_swizzle(ones, of_ones),
        )
    };
    let first = gathered(const { sources(PLACES, 0) });
    let second = gathered(const { sources(PLACES, 16) });
    let words = [
        i64x2_extract_lane::<0>(first),
        i64x2_extract_lane::<1>(first),
        i64x2_extract_lane::<0>(second),
        i64x2_extract_lane::<1>(second),
    ];
    let mut bytes = [0; BYTES];
    for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// Where sixteen digits from one on come from: the lanes of hundreds and tens, and
/// those of ones, where none is taken that the other has.
#[cfg(target_family = "wasm")]
#[expect(clippy::cast_possible_truncation, reason = "there are sixteen lanes")]
const fn sources(places: usize, start: usize) -> [core::arch::wasm32::v128; 2] {
    let mut sources = [[u8::MAX; 16]; 2];
    let mut index = 0;
    while index < 16 {
        let (limb, place) = ((start + index) / places, (start + index) % places);
        // As if each limb had six digits.
        let digit = 6 * limb + 6 - places + place;
        if digit < 24 {
            let (number, place) = (digit / 3, digit % 3);
            match place {
                0 | 1 => sources[0][index] = (2 * number + place) as u8,
                _ => sources[1][index] = (2 * number) as u8,
            }
        }
        index += 1;
    }
    let [hundreds_tens, ones] = sources;
    [vector(hundreds_tens), vector(ones)]
}

#[cfg(target_family = "wasm")]
#[expect(clippy::many_single_char_names, reason = "a vector has sixteen lanes")]
const fn vector(bytes: [u8; 16]) -> core::arch::wasm32::v128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    core::arch::wasm32::u8x16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
}

/// The digits of four limbs, the last one first, without a gap.
#[cfg(not(target_family = "wasm"))]
fn digits<const PLACES: usize>(limbs: [i32; LIMBS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, limb) in bytes.chunks_exact_mut(PLACES).zip(limbs.iter().rev()) {
        let mut rest = limb.unsigned_abs();
        for byte in bytes.iter_mut().rev() {
            *byte = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn written<const PLACES: usize>(limbs: &[i32]) -> String {
        let mut text = Vec::from(*b">");
        write::<PLACES>(limbs, &mut text);
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn limbs_are_written_from_the_last_one_whatever_their_number() {
        assert_eq!(written::<6>(&[]), ">");
        assert_eq!(written::<6>(&[7]), ">000007");
        assert_eq!(written::<5>(&[12345, 0, 99999]), ">999990000012345");
        assert_eq!(written::<4>(&[1, 2, 3, 4]), ">0004000300020001");
        assert_eq!(written::<3>(&[1, 20, 300, 4, 55]), ">055004300020001");
        assert_eq!(
            written::<2>(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ">090807060504030201"
        );
    }
}
