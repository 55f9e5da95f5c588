//! The table that finds the route of a request.
//!
//! A route has a path prefix and may have a host. Prefixes match whole segments, as those of a
//! Kubernetes Ingress do: `/shop` and `/shop/` are the same prefix, and match `/shop`, `/shop/`
//! and `/shop/cart`, but not `/shopping`. Paths are compared byte by byte as the client sent
//! them: nothing is decoded, and `..` and `//` have no meaning here.
//!
//! A route with the host of the request takes precedence over all routes without a host. Among
//! routes with the same host, or without one, the longest prefix wins. The order of the routes
//! does not matter.

use std::fmt;

use crate::limits::ROUTE_PATH_BYTES_MAX;

/// The requests that a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// In lower case, without a port. `None` matches all hosts.
    host: Option<String>,
    /// Without the slash at its end, so the empty prefix matches all paths.
    prefix: String,
}

/// Two routes that match the same requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one route for {pattern}, got two")]
pub struct Duplicate {
    /// What both match.
    pub pattern: Pattern,
    /// The index of the first route.
    pub first: usize,
    /// The index of the second route.
    pub second: usize,
}

/// Routes by the requests that they match.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// In the order of precedence: routes with a host first, and longer prefixes before shorter
    /// ones.
    rows: Vec<(Pattern, T)>,
}

impl Pattern {
    /// The requests to `host`, or to all hosts, whose path starts with `path`.
    ///
    /// # Errors
    ///
    /// The expected form, where a host or path cannot match a request.
    pub fn new(host: Option<&str>, path: &str) -> Result<Self, String> {
        let host = host.map(parse_host).transpose()?;
        if !path.starts_with('/') {
            return Err(format!(
                "expected a path that starts with `/`, got `{path}`"
            ));
        }
        let is_in_paths = |byte: u8| byte.is_ascii_graphic() && !b"\"?#\\{}".contains(&byte);
        if path.len() > ROUTE_PATH_BYTES_MAX || !path.bytes().all(is_in_paths) {
            return Err(format!(
                "expected a path as requests have it, at most {ROUTE_PATH_BYTES_MAX} bytes without spaces, quotes, `?`, `#`, `\\`, `{{` and `}}`, got `{path}`"
            ));
        }
        Ok(Self {
            host,
            prefix: path.strip_suffix('/').unwrap_or(path).to_owned(),
        })
    }

    /// All requests.
    pub fn all() -> Self {
        Self {
            host: None,
            prefix: String::new(),
        }
    }

    /// The host, in lower case.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The prefix, `/` for all paths.
    pub fn path(&self) -> &str {
        if self.prefix.is_empty() {
            "/"
        } else {
            &self.prefix
        }
    }

    fn matches(&self, host: Option<&str>, path: &str) -> bool {
        let is_host = self
            .host
            .as_ref()
            .is_none_or(|own| host.is_some_and(|host| own.eq_ignore_ascii_case(host)));
        is_host
            && (self.prefix.is_empty()
                || path
                    .strip_prefix(&*self.prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.host().unwrap_or_default(), self.path())
    }
}

impl<T> Table<T> {
    /// A table without routes.
    pub fn empty() -> Self {
        Self { rows: Vec::new() }
    }

    /// A table of `routes`.
    ///
    /// # Errors
    ///
    /// Where two routes match the same requests.
    pub fn new(routes: impl IntoIterator<Item = (Pattern, T)>) -> Result<Self, Duplicate> {
        let mut rows: Vec<(Pattern, T)> = Vec::new();
        for (pattern, route) in routes {
            if let Some(first) = rows.iter().position(|(other, _)| *other == pattern) {
                return Err(Duplicate {
                    pattern,
                    first,
                    second: rows.len(),
                });
            }
            rows.push((pattern, route));
        }
        rows.sort_by(|(a, _), (b, _)| {
            let has_host = b.host.is_some().cmp(&a.host.is_some());
            has_host.then(b.prefix.len().cmp(&a.prefix.len()))
        });
        Ok(Self { rows })
    }

    /// The route of a request to `host`, which may have a port, with `path`.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&T> {
        let host = host.map(without_port);
        let mut rows = self.rows.iter();
        rows.find(|(pattern, _)| pattern.matches(host, path))
            .map(|(_, route)| route)
    }

    /// All routes, in the order of their precedence.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().map(|(_, route)| route)
    }
}

/// Returns a host of the configuration in lower case.
fn parse_host(host: &str) -> Result<String, String> {
    let is_in_hosts = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(is_in_hosts) && without_port(host) == host;
    if is_host {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(format!(
            "expected a host without a port, such as shop.example.com, got `{host}`"
        ))
    }
}

/// Returns a host without its port and without the dot of the root domain.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        // An IPv6 address has colons within brackets.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(host: &str, path: &str) -> Pattern {
        let host = Some(host).filter(|host| !host.is_empty());
        Pattern::new(host, path).expect("a pattern")
    }

    fn table(routes: &[(&str, &str)]) -> Table<String> {
        let routes = routes
            .iter()
            .map(|(host, path)| (pattern(host, path), format!("{host}{path}")));
        Table::new(routes).expect("no duplicates")
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let table = table(&[("", "/"), ("", "/shop/"), ("", "/shop/api")]);
        for (path, expected) in [
            ("/", "/"),
            ("*", "/"),
            ("/shopping", "/"),
            ("/Shop", "/"),
            ("//shop", "/"),
            ("/%73hop", "/"),
            ("/shop", "/shop/"),
            ("/shop/", "/shop/"),
            ("/shop/cart", "/shop/"),
            ("/shop/apis", "/shop/"),
            ("/shop//api", "/shop/"),
            ("/shop/../api", "/shop/"),
            ("/shop/api", "/shop/api"),
            ("/shop/api/v1", "/shop/api"),
        ] {
            assert_eq!(table.find(None, path).expect(path), expected, "{path}");
        }
    }

    #[test]
    fn the_host_of_the_request_takes_precedence() {
        let table = table(&[
            ("", "/shop/long"),
            ("a.example", "/"),
            ("a.example", "/shop"),
            ("[::1]", "/"),
        ]);
        for (host, path, expected) in [
            (Some("a.example"), "/shop/long", Some("a.example/shop")),
            (Some("A.Example:8080"), "/x", Some("a.example/")),
            (Some("a.example.:443"), "/x", Some("a.example/")),
            (Some("[::1]:8080"), "/x", Some("[::1]/")),
            (Some("[::1]"), "/x", Some("[::1]/")),
            (Some("b.a.example"), "/shop/long", Some("/shop/long")),
            (Some("b.example"), "/shop", None),
            (None, "/shop/long/x", Some("/shop/long")),
            (None, "/", None),
        ] {
            let found = table.find(host, path).map(String::as_str);
            assert_eq!(found, expected, "{host:?} {path}");
        }
    }

    #[test]
    fn two_routes_of_the_same_requests_are_refused() {
        for (first, second) in [
            (("", "/shop"), ("", "/shop/")),
            (("a.example", "/"), ("A.example", "/")),
        ] {
            let routes = [("", "/other"), first, second];
            let routes = routes.map(|(host, path)| (pattern(host, path), ()));
            let duplicate = Table::new(routes).expect_err("a duplicate");
            assert_eq!((duplicate.first, duplicate.second), (1, 2));
        }
        let duplicate = Table::new([
            (pattern("a.example", "/x/"), ()),
            (pattern("A.example", "/x"), ()),
        ]);
        let message = duplicate.expect_err("a duplicate").to_string();
        assert_eq!(message, "expected one route for a.example/x, got two");
    }

    #[test]
    fn patterns_that_match_nothing_are_refused() {
        for (host, path) in [
            (None, ""),
            (None, "shop"),
            (None, "/a b"),
            (None, "/ä"),
            (None, "/?a"),
            (None, "/{id}"),
            (Some(""), "/"),
            (Some("a.example:80"), "/"),
            (Some("*.example"), "/"),
            (Some("http://a"), "/"),
        ] {
            let error = Pattern::new(host, path).expect_err(path);
            assert!(error.starts_with("expected a "), "{error}");
        }
    }
}
