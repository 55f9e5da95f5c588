//! The name of a component in a registry: `oci://HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]`.
//!
//! The grammar is that of the OCI distribution specification. The host is mandatory: there is no
//! default registry.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::digest::Digest;

/// The start of a reference.
pub(super) const SCHEME: &str = "oci://";
/// The tag of a reference without a tag and a digest, as in every client.
const TAG: &str = "latest";
/// The specification's own bounds.
const TAG_CHARS_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 255;
const FORM: &str = "oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:DIGEST";

/// A component in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The error of a text that is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReferenceError(String);

impl Reference {
    /// The registry: a host, and its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name of the component within its registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest that its manifest must have.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The part of the request to the registry: the digest if there is one, or else the tag.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => TAG.to_owned(),
        }
    }

    /// The reference for messages, with the default tag where no tag was given.
    pub fn with_version(&self) -> String {
        match (&self.digest, &self.tag) {
            (None, None) => format!("{self}:{TAG}, the default tag"),
            _ => self.to_string(),
        }
    }

    /// Whether the registry is on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(host(&self.registry).unwrap_or_default())
    }
}

/// Whether a host is this machine, by its name alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |part: &str| ReferenceError(format!("expected {FORM}{part}, got `{text}`"));
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong(""))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(ReferenceError)?)),
            None => (rest, None),
        };
        let (registry, name) = rest
            .split_once('/')
            .ok_or_else(|| wrong(" with a name after the host"))?;
        let (name, tag) = match name.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (name, None),
        };
        if host(registry).is_none() {
            return Err(wrong(" with a valid host"));
        }
        if name.len() > NAME_CHARS_MAX || !name.split('/').all(is_part) {
            return Err(wrong(" with a name of a-z and 0-9, and . _ - between them"));
        }
        if !tag.is_none_or(is_tag) {
            return Err(wrong(
                " with a tag of at most 128 of A-Z a-z 0-9 . _ -, the first not . or -",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// The host of a registry, in brackets if it is an address of IPv6.
fn host(registry: &str) -> Option<&str> {
    let end = registry.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match registry[end..].find(':') {
        Some(colon) => (&registry[..end + colon], Some(&registry[end + colon + 1..])),
        None => (registry, None),
    };
    let good = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }),
    };
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    (good && port_is_good).then_some(host)
}

/// A part of a name: runs of letters and digits, with a point, one or two
/// underscores, or any number of dashes between two of them.
fn is_part(part: &str) -> bool {
    let alphanumeric = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let (Some(first), Some(last)) = (part.bytes().next(), part.bytes().last()) else {
        return false;
    };
    alphanumeric(&first)
        && alphanumeric(&last)
        && part.as_bytes().split(alphanumeric).all(|between| {
            matches!(between, [] | [b'.' | b'_'] | b"__")
                || between.iter().all(|byte| *byte == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    (1..=TAG_CHARS_MAX).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}/{}", self.registry, self.name)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(out, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_is_taken_apart_and_put_together() {
        for (text, registry, name, version) in [
            ("oci://ghcr.io/a/b".to_owned(), "ghcr.io", "a/b", "latest"),
            (
                "oci://localhost:5000/a:V1.0_x-".to_owned(),
                "localhost:5000",
                "a",
                "V1.0_x-",
            ),
            (
                format!("oci://[::1]:5000/a@{DIGEST}"),
                "[::1]:5000",
                "a",
                DIGEST,
            ),
            (
                format!("oci://[::1]/a-.b:1@{DIGEST}").replace("-.", "--"),
                "[::1]",
                "a--b",
                DIGEST,
            ),
            (
                "oci://h/a__b/c.d/e-f".to_owned(),
                "h",
                "a__b/c.d/e-f",
                "latest",
            ),
        ] {
            let reference: Reference = text.parse().expect(&text);
            assert_eq!(reference.registry(), registry);
            assert_eq!(reference.name(), name);
            assert_eq!(reference.version(), version);
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn invalid_references_are_refused_with_the_expected_form() {
        let long = format!("oci://h/{}", "a".repeat(256));
        for text in [
            "",
            "ghcr.io/a",
            "oci://",
            "oci:///a",
            "oci://h",
            "oci://h/",
            "oci://h//a",
            "oci://h/a/",
            "oci://h/A",
            "oci://h/a..b",
            "oci://h/a___b",
            "oci://h/-a",
            "oci://h/a:",
            "oci://h/a:.b",
            "oci://h/a:b:c",
            "oci://h/a b",
            "oci://h/é",
            "oci://h:0/a",
            "oci://h:70000/a",
            "oci://h:+1/a",
            "oci://h:x/a",
            "oci://[::1/a",
            "oci://[h]/a",
            "oci://-h/a",
            "oci://h..i/a",
            "oci://u:p@h/a",
            "oci://h/a@",
            "oci://h/a@sha256:00",
            "oci://]:/a",
            "oci://h/a?b",
            "oci://h/a#b",
            "oci://h/%41",
            &long,
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains("expected "), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for (registry, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.9.10", true),
            ("[::1]:5000", true),
            ("0.0.0.0:5000", false),
            ("127.0.0.1.example.com", false),
            ("localhost.example.com:5000", false),
            ("10.0.0.1:5000", false),
            ("[::2]", false),
        ] {
            let reference: Reference = format!("oci://{registry}/a").parse().expect(registry);
            assert_eq!(reference.is_local(), local, "{registry}");
        }
    }
}
