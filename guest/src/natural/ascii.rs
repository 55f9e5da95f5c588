//! Limbs as ASCII digits.
//!
//! WebAssembly divides four limbs at once, in vectors: first into thousands and
//! remainders, then these eight numbers into three digits each. Native builds, for
//! tests, divide limbs one by one.

use alloc::vec::Vec;

/// Limbs that are converted at once.
const LIMBS: usize = 4;

/// Bytes that hold the digits of these limbs.
const BYTES: usize = 32;

/// Appends the digits of normalized limbs, the last limb first. `DIGITS`, the digits of a
/// limb, is at most six.
pub(crate) fn write<const DIGITS: usize>(limbs: &[i32], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + DIGITS * limbs.len(), b'0');
    let (rest, fours) = limbs.as_rchunks::<LIMBS>();
    let mut chunks = text[start..].chunks_exact_mut(DIGITS * LIMBS);
    for (chunk, four) in chunks.by_ref().zip(fours.iter().rev()) {
        chunk.copy_from_slice(&to_digits::<DIGITS>(*four)[..DIGITS * LIMBS]);
    }
    let mut four = [0; LIMBS];
    four[LIMBS - rest.len()..].copy_from_slice(rest);
    let last = chunks.into_remainder();
    let length = last.len();
    last.copy_from_slice(&to_digits::<DIGITS>(four)[..length]);
}

/// Converts four limbs, the last one first, to digits without gaps.
#[cfg(target_family = "wasm")]
#[inline]
fn to_digits<const DIGITS: usize>([d, c, b, a]: [i32; LIMBS]) -> [u8; BYTES] {
    use core::arch::wasm32::{
        f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i8x16_relaxed_swizzle, i16x8_mul,
        i16x8_shl, i16x8_splat, i16x8_sub, i32x4, i32x4_mul, i32x4_relaxed_trunc_f32x4, i32x4_shl,
        i32x4_splat, i32x4_sub, i64x2_extract_lane, u16x8_shr, v128, v128_or,
    };
    let mul = |number: v128, factor: i16| i16x8_mul(number, i16x8_splat(factor));
    let limbs = i32x4(a, b, c, d);
    // After adding a half, a quotient is at least 1/2000 from an integer, and its
    // rounding error is below 2^-12.
    let number = f32x4_add(f32x4_convert_i32x4(limbs), f32x4_splat(0.5));
    let thousands = i32x4_relaxed_trunc_f32x4(f32x4_mul(number, f32x4_splat(0.001)));
    let rest = i32x4_sub(limbs, i32x4_mul(thousands, i32x4_splat(1000)));
    let numbers = v128_or(thousands, i32x4_shl(rest, 16));
    // n / 100 = 41 n / 4096 for n < 1000, and n / 10 = 103 n / 1024 for n < 100,
    // rounded down.
    let hundreds = u16x8_shr(mul(numbers, 41), 12);
    let rest = i16x8_sub(numbers, mul(hundreds, 100));
    let tens = u16x8_shr(mul(rest, 103), 10);
    let ones = i16x8_sub(rest, mul(tens, 10));
    let zeros = i16x8_splat(i16::from_le_bytes([b'0'; 2]));
    let hundreds_tens = v128_or(v128_or(hundreds, i16x8_shl(tens, 8)), zeros);
    let ones = v128_or(ones, zeros);
    let gather = |[hundreds_tens_lanes, ones_lanes]: [v128; 2]| {
        v128_or(
            i8x16_relaxed_swizzle(hundreds_tens, hundreds_tens_lanes),
            i8x16_relaxed_swizzle(ones, ones_lanes),
        )
    };
    let first = gather(const { gather_lanes(DIGITS, 0) });
    let second = gather(const { gather_lanes(DIGITS, 16) });
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

/// Selects the lanes of 16 digits from digit `start` on: lanes of hundreds and tens, and
/// lanes of ones. Each digit comes from one of the two; the other selects no lane.
#[cfg(target_family = "wasm")]
#[expect(clippy::cast_possible_truncation, reason = "there are sixteen lanes")]
const fn gather_lanes(digits: usize, start: usize) -> [core::arch::wasm32::v128; 2] {
    let mut sources = [[u8::MAX; 16]; 2];
    let mut index = 0;
    while index < 16 {
        let (limb, place) = ((start + index) / digits, (start + index) % digits);
        // Lanes are laid out for six digits a limb.
        let digit = 6 * limb + 6 - digits + place;
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
    [to_vector(hundreds_tens), to_vector(ones)]
}

#[cfg(target_family = "wasm")]
#[expect(clippy::many_single_char_names, reason = "a vector has sixteen lanes")]
const fn to_vector(bytes: [u8; 16]) -> core::arch::wasm32::v128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    core::arch::wasm32::u8x16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
}

/// Converts four limbs, the last one first, to digits without gaps.
#[cfg(not(target_family = "wasm"))]
fn to_digits<const DIGITS: usize>(limbs: [i32; LIMBS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, limb) in bytes.chunks_exact_mut(DIGITS).zip(limbs.iter().rev()) {
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

    fn to_text<const DIGITS: usize>(limbs: &[i32]) -> String {
        let mut text = Vec::from(*b">");
        write::<DIGITS>(limbs, &mut text);
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn limbs_are_converted_from_the_last() {
        assert_eq!(to_text::<6>(&[]), ">");
        assert_eq!(to_text::<6>(&[7]), ">000007");
        assert_eq!(to_text::<5>(&[12345, 0, 99999]), ">999990000012345");
        assert_eq!(to_text::<4>(&[1, 2, 3, 4]), ">0004000300020001");
        assert_eq!(to_text::<3>(&[1, 20, 300, 4, 55]), ">055004300020001");
        assert_eq!(
            to_text::<2>(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ">090807060504030201"
        );
    }
}
