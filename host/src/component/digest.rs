//! Digests, which identify content wherever it is stored.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The start of a digest, before its hexadecimal digits.
const ALGORITHM: &str = "sha256:";

/// The SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Its hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            hex.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
            hex
        })
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |hex: &str| -> Option<[u8; 32]> {
            let mut bytes = [0; 32];
            let digits = hex.as_bytes();
            if digits.len() != 2 * bytes.len() || !digits.iter().copied().all(is_digit) {
                return None;
            }
            for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
                let digits = std::str::from_utf8(digits).ok()?;
                *byte = u8::from_str_radix(digits, 16).ok()?;
            }
            Some(bytes)
        };
        text.strip_prefix(ALGORITHM)
            .and_then(read)
            .map(Self)
            .ok_or_else(|| {
                format!("expected {ALGORITHM} and 64 hexadecimal digits in lower case as digest, got `{text}`")
            })
    }
}

/// Upper case is another name of the same content, which none may have.
fn is_digit(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ALGORITHM}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of nothing, as FIPS 180-4 has it.
    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_round_trips() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn invalid_digests_are_refused() {
        let hex = &EMPTY[ALGORITHM.len()..];
        for text in [
            String::new(),
            hex.to_owned(),
            EMPTY[..EMPTY.len() - 1].to_owned(),
            format!("{EMPTY}0"),
            format!("sha512:{hex}{hex}"),
            format!("{ALGORITHM}{}", hex.to_uppercase()),
            format!("{ALGORITHM}+{}", &hex[1..]),
            format!("{ALGORITHM}é{}", &hex[2..]),
        ] {
            let error = text.parse::<Digest>().expect_err(&text);
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }
}
