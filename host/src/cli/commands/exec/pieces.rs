//! Pieces of a byte stream, split where they are longer than a bound.
//!
//! A [`Pieces`] exists for one output of one instance and holds at most one line of it, up to the
//! bound. The concatenation of all pieces, each with a newline unless it is
//! [partial](Piece::partial), is the stream.

use std::str;

/// Splits a stream into lines of up to `bytes_max` bytes each.
pub(in crate::cli::commands) struct Pieces {
    bytes_max: usize,
    /// The last returned piece, then the start of the current line.
    buffer: Vec<u8>,
    /// The length of the last returned piece.
    returned_bytes: usize,
    /// Whether the last piece was cut.
    cut: bool,
}

/// A line without its newline, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::commands) struct Piece<'a> {
    /// At most `bytes_max` bytes.
    pub(in crate::cli::commands) bytes: &'a [u8],
    /// No newline follows: the line is cut here, or the stream ends here.
    pub(in crate::cli::commands) partial: bool,
    /// The piece continues a line that was cut.
    pub(in crate::cli::commands) continues: bool,
}

impl Pieces {
    /// Splits into pieces of at most `bytes_max` bytes, the length of a UTF-8 character or more.
    pub(in crate::cli::commands) fn new(bytes_max: usize) -> Self {
        debug_assert!(bytes_max >= char::MAX.len_utf8());
        Self {
            bytes_max,
            buffer: Vec::new(),
            returned_bytes: 0,
            cut: false,
        }
    }

    /// Returns the next piece and advances `input` past it. `None` means that `input` ended within
    /// a line, whose start is held.
    pub(in crate::cli::commands) fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Option<Piece<'a>> {
        self.buffer.drain(..self.returned_bytes);
        self.returned_bytes = 0;
        let room = self.bytes_max - self.buffer.len();
        // A newline directly after a full piece still ends the line.
        let newline = input.iter().take(room + 1).position(|&byte| byte == b'\n');
        let (part, rest) = input.split_at(newline.unwrap_or(room.min(input.len())));
        if newline.is_some() && self.buffer.is_empty() {
            // Most lines arrive whole, and need no copy.
            *input = &rest[1..];
            return Some(Piece {
                bytes: part,
                partial: false,
                continues: std::mem::take(&mut self.cut),
            });
        }
        self.buffer.extend_from_slice(part);
        *input = rest;
        let partial = newline.is_none();
        if !partial {
            *input = &input[1..];
            self.returned_bytes = self.buffer.len();
        } else if input.is_empty() {
            return None;
        } else {
            // An incomplete character waits for its end.
            self.returned_bytes = self.buffer.len() - unfinished_bytes(&self.buffer);
        }
        let continues = std::mem::replace(&mut self.cut, partial);
        Some(Piece {
            bytes: &self.buffer[..self.returned_bytes],
            partial,
            continues,
        })
    }

    /// Returns the last line if the stream ended without a newline.
    pub(in crate::cli::commands) fn finish(&mut self) -> Option<Piece<'_>> {
        let bytes = &self.buffer[self.returned_bytes..];
        (!bytes.is_empty()).then_some(Piece {
            bytes,
            partial: true,
            continues: self.cut,
        })
    }
}

/// The number of bytes at the end of `bytes` that start an incomplete UTF-8 character, from 0 to
/// 3.
fn unfinished_bytes(bytes: &[u8]) -> usize {
    let starts = |count: &usize| {
        let tail = bytes.len().checked_sub(*count).map(|at| &bytes[at..]);
        let error = tail.and_then(|tail| str::from_utf8(tail).err());
        // Without the length of an error, more bytes may make the character valid.
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..char::MAX.len_utf8()).find(starts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the pieces of a stream that arrives in `chunks`, as `(bytes, partial, continues)`.
    fn pieces(bytes_max: usize, chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool, bool)> {
        let mut lines = Pieces::new(bytes_max);
        let mut pieces = Vec::new();
        let mut add = |it: Piece<'_>| pieces.push((it.bytes.to_vec(), it.partial, it.continues));
        for mut chunk in chunks.iter().copied() {
            while let Some(piece) = lines.next(&mut chunk) {
                add(piece);
                assert!(lines.buffer.len() <= bytes_max, "memory is bounded");
            }
            assert!(chunk.is_empty(), "all bytes are taken");
        }
        if let Some(piece) = lines.finish() {
            add(piece);
        }
        pieces
    }

    /// Returns the pieces of a UTF-8 stream as text.
    fn texts(bytes_max: usize, stream: &str) -> Vec<(String, bool, bool)> {
        let text = |bytes| String::from_utf8(bytes).expect("valid UTF-8 stays valid");
        pieces(bytes_max, &[stream.as_bytes()])
            .into_iter()
            .map(|(bytes, partial, continues)| (text(bytes), partial, continues))
            .collect()
    }

    #[test]
    fn a_line_up_to_the_bound_is_one_piece() {
        let whole = |text: &str| (text.to_owned(), false, false);
        let last = |text: &str| (text.to_owned(), true, false);
        for (stream, expected) in [
            ("", vec![]),
            ("\n", vec![whole("")]),
            ("\n\n", vec![whole(""), whole("")]),
            ("a\nb", vec![whole("a"), last("b")]),
            ("abcde\n", vec![whole("abcde")]),
            ("abcde", vec![last("abcde")]),
            ("ab\r\n\rc\n", vec![whole("ab\r"), whole("\rc")]),
            ("a\0b\n", vec![whole("a\0b")]),
        ] {
            assert_eq!(texts(5, stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn a_longer_line_is_cut_between_characters_and_marked() {
        let piece = |text: &str, partial, continues| (text.to_owned(), partial, continues);
        for (stream, expected) in [
            (
                "abcdef\ng\n",
                vec![
                    piece("abcde", true, false),
                    piece("f", false, true),
                    piece("g", false, false),
                ],
            ),
            (
                "abcdefghijk",
                vec![
                    piece("abcde", true, false),
                    piece("fghij", true, true),
                    piece("k", true, true),
                ],
            ),
            (
                "abcdé\n",
                vec![piece("abcd", true, false), piece("é", false, true)],
            ),
            (
                "abc€é\n",
                vec![piece("abc", true, false), piece("€é", false, true)],
            ),
            (
                "ab😀x\n",
                vec![piece("ab", true, false), piece("😀x", false, true)],
            ),
        ] {
            assert_eq!(texts(5, stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn bytes_that_start_no_character_are_not_held_back() {
        // A continuation byte, an overlong form, a surrogate, and beyond Unicode.
        for tail in [&b"\x80"[..], b"\xc0", b"\xed\xa0", b"\xf4\x90\x80", b"\xff"] {
            assert_eq!(unfinished_bytes(tail), 0, "{tail:x?}");
        }
        for (tail, count) in [(&b"\xc3"[..], 1), (b"a\xe2\x82", 2), (b"\xf0\x9f\x98", 3)] {
            assert_eq!(unfinished_bytes(tail), count, "{tail:x?}");
        }
        let cut = |bytes: &[u8], partial, continues| (bytes.to_vec(), partial, continues);
        assert_eq!(
            pieces(4, &[b"abc\xffde\n"]),
            [cut(b"abc\xff", true, false), cut(b"de", false, true)]
        );
        // The next byte does not continue the character.
        assert_eq!(
            pieces(4, &[b"abc\xe2", b"d\n"]),
            [cut(b"abc", true, false), cut(b"\xe2d", false, true)]
        );
        assert_eq!(
            pieces(4, &[b"abc\xe2"]),
            [cut(b"abc\xe2", true, false)],
            "the stream ends there"
        );
    }

    #[test]
    fn random_streams_in_random_chunks_join_to_themselves() {
        const PARTS: [&[u8]; 10] = [
            b"\n",
            b"\r\n",
            b"a",
            b"\0",
            "é".as_bytes(),
            "€".as_bytes(),
            "😀".as_bytes(),
            b"\xff",
            b"\xe2\x82",
            b"\x80",
        ];
        let mut random = fastrand::Rng::with_seed(16);
        for round in 0..5000 {
            let bytes_max = random.usize(4..12);
            let valid = random.bool();
            let parts = &PARTS[..if valid { 7 } else { PARTS.len() }];
            let mut stream = Vec::new();
            for _ in 0..random.usize(0..60) {
                stream.extend_from_slice(parts[random.usize(0..parts.len())]);
            }
            let mut chunks = Vec::new();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at(random.usize(1..=rest.len().min(20)));
                chunks.push(chunk);
                rest = behind;
            }
            let pieces = pieces(bytes_max, &chunks);
            let mut joined = Vec::new();
            let mut cut = false;
            for (bytes, partial, continues) in &pieces {
                assert!(bytes.len() <= bytes_max, "round {round}");
                assert_eq!(*continues, cut, "round {round}");
                assert!(!valid || str::from_utf8(bytes).is_ok(), "round {round}");
                joined.extend_from_slice(bytes);
                joined.extend((!partial).then_some(b'\n'));
                cut = *partial;
            }
            assert_eq!(joined, stream, "round {round}");
            // The chunks make no difference.
            assert_eq!(pieces, self::pieces(bytes_max, &[&stream]), "round {round}");
        }
    }
}
