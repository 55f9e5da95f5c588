//! Conditional requests (RFC 9110, section 13).

use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, HeaderValue};

use super::field::entity_tags;

/// The copy that a client has, by `If-None-Match` (RFC 9110, section 13.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCopy {
    /// No representation that helps.
    None,
    /// This representation.
    This,
    /// Any representation (`*`), even of a resource that does not exist.
    Any,
}

impl ClientCopy {
    /// Compares weakly, as `If-None-Match` requires.
    pub(crate) fn of(headers: &HeaderMap, tag: Option<&HeaderValue>) -> Self {
        let mut lines = headers.get_all(IF_NONE_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Self::None;
        }
        let own = tag.and_then(|tag| entity_tags(tag.as_bytes()).next());
        let mut is_any = true;
        for line in lines {
            is_any &= line.as_bytes().trim_ascii() == b"*";
            if own.is_some() && entity_tags(line.as_bytes()).any(|tag| Some(tag) == own) {
                return Self::This;
            }
        }
        if is_any { Self::Any } else { Self::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::server::weak_tag;

    #[test]
    fn entity_tags_are_compared_weakly() {
        let own = weak_tag("a,b");
        let with = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, line.parse().expect("a header"));
            }
            ClientCopy::of(&headers, own.as_ref())
        };
        assert_eq!(own.as_ref().expect("a tag"), "W/\"a,b\"");
        assert_eq!(with(&[]), ClientCopy::None);
        for tags in [
            "W/\"a,b\"",
            "\"a,b\"",
            "\"x\", W/\"a,b\"",
            "\"x,y\" ,\"a,b\"",
        ] {
            assert_eq!(with(&[tags]), ClientCopy::This, "{tags}");
            assert_eq!(with(&["\"x\"", tags]), ClientCopy::This, "{tags}");
        }
        for tags in [
            "\"a\"",
            "a,b",
            "\"a,b-gzip\"",
            "\"x\\\",\"a,b\"x",
            "",
            "\"*\"",
            "*, \"x\"",
        ] {
            assert_eq!(with(&[tags]), ClientCopy::None, "{tags}");
        }
        assert_eq!(with(&["*"]), ClientCopy::Any);
        assert_eq!(with(&[" * "]), ClientCopy::Any);
        assert_eq!(with(&["*", "\"x\""]), ClientCopy::None);
    }
}
