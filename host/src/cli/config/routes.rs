//! The routes of `cocoon serve`: the tables `[[serve.route]]` of the configuration file.
//!
//! Paths in them are relative to the folder of the file, so that a file and its components move
//! together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use cocoon::component::Location;
use cocoon::grants::{Destination, Dir, GrantError, HttpDestination};
use cocoon::http::handler::{Pattern, Rate, Table};
use cocoon::limits::{Limit, ROUTE_NAME_CHARS_MAX, ROUTES_MAX, parse_integer};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::decimal::decimal;
use crate::cli::dir_grant::dir_within;
use crate::cli::env_grant::variable;

/// One route, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteSettings {
    /// The line of its table, counted from 1.
    pub(crate) line: usize,
    /// Unique among the routes.
    pub(crate) name: String,
    pub(crate) pattern: Pattern,
    pub(crate) component: Location,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) dirs: Vec<Dir>,
    pub(crate) allow_net: Vec<Destination>,
    pub(crate) allow_http: Vec<HttpDestination>,
    pub(crate) sandbox_memory_bytes: Option<u64>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) reuse: u32,
    pub(crate) rate: Option<Rate>,
    /// All keys with their values, for `cocoon config`; of variables their names alone.
    pub(crate) written: Vec<(&'static str, Value)>,
}

impl RouteSettings {
    /// Whether both are the same but for their lines.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let line = self.line;
        *self
            == Self {
                line,
                ..other.clone()
            }
    }
}

/// The keys of a route.
const KEYS: [&str; 13] = [
    "name",
    "path",
    "host",
    "component",
    "env",
    "dir",
    "allow-net",
    "allow-http",
    "sandbox-memory",
    "deadline",
    "concurrency",
    "reuse",
    "rate",
];
/// Keys with values that `cocoon config` does not show.
const SECRET: &str = "env";

/// A message, and its position in the file.
type Wrong = (String, Range<usize>);

type Key<'a> = Spanned<DeString<'a>>;
type Entry<'a> = Spanned<DeValue<'a>>;

/// Parses the value of `route` in the table `serve` of a file in the folder `base`. `line` returns
/// the line of a position.
///
/// # Errors
///
/// The first mistake, and its position.
pub(super) fn parse(
    value: &Entry<'_>,
    base: &Path,
    line: impl Fn(&Range<usize>) -> usize,
) -> Result<Vec<RouteSettings>, Wrong> {
    let wrong = |span: Range<usize>| {
        let what = "expected tables for `route`, got another value; use [[serve.route]]";
        (what.to_owned(), span)
    };
    let list = value
        .get_ref()
        .as_array()
        .ok_or_else(|| wrong(value.span()))?;
    if list.len() > ROUTES_MAX {
        let what = format!("expected at most {ROUTES_MAX} routes, got {}", list.len());
        return Err((what, value.span()));
    }
    let mut routes = Vec::new();
    let mut spans = Vec::new();
    for value in list {
        let table = value
            .get_ref()
            .as_table()
            .ok_or_else(|| wrong(value.span()))?;
        let route = parse_route(table, &value.span(), base, &line)?;
        routes.push(route);
        spans.push(value.span());
    }
    let patterns = routes.iter().map(|route| (route.pattern.clone(), ()));
    if let Err(duplicate) = Table::new(patterns) {
        let named = |index: usize| -> (&str, usize) {
            let route: &RouteSettings = &routes[index];
            (&route.name, route.line)
        };
        let ((first, first_line), (second, second_line)) =
            (named(duplicate.first), named(duplicate.second));
        let what = format!(
            "expected one route for {}, got `{first}` (line {first_line}) and `{second}` (line {second_line}); remove one",
            duplicate.pattern
        );
        return Err((what, spans[duplicate.second].clone()));
    }
    check_names(&routes, &spans)?;
    Ok(routes)
}

/// Checks that no two routes have the same name.
fn check_names(routes: &[RouteSettings], spans: &[Range<usize>]) -> Result<(), Wrong> {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (route, span) in routes.iter().zip(spans) {
        if let Some(first) = lines.insert(&route.name, route.line) {
            let what = format!(
                "expected another `name` for each route, got `{}` twice (lines {first} and {})",
                route.name, route.line
            );
            return Err((what, span.clone()));
        }
    }
    Ok(())
}

fn parse_route(
    table: &DeTable<'_>,
    span: &Range<usize>,
    base: &Path,
    line: &impl Fn(&Range<usize>) -> usize,
) -> Result<RouteSettings, Wrong> {
    for key in table.keys() {
        if !KEYS.contains(&key.get_ref().as_ref()) {
            return Err((unknown(key.get_ref()), key.span()));
        }
    }
    let entries = Entries(table);
    let required = |key: &str, example: &str| {
        let what = format!("expected the key `{key}` in each route; use `{key} = \"{example}\"`");
        (what, span.clone())
    };
    let host = entries.parse("host", "shop.example.com", |host| Ok(host.to_owned()))?;
    let pattern = entries
        .parse("path", "/shop/", |path| Pattern::new(host.as_deref(), path))?
        .ok_or_else(|| required("path", "/shop/"))?;
    let component = entries
        .parse("component", "shop.wasm", |text| location(base, text))?
        .ok_or_else(|| required("component", "shop.wasm"))?;
    let name = entries.parse("name", "shop", parse_name)?;
    let of_limit =
        |limit: Limit, example| entries.parse(limit.spec().flag, example, |text| limit.parse(text));
    let count = |key, example| {
        entries.parse(key, example, |text| {
            let count = parse_integer(text).filter(|count: &u32| *count >= 1);
            count.ok_or_else(|| format!("expected an integer from 1 to {}", u32::MAX))
        })
    };
    Ok(RouteSettings {
        line: line(span),
        name: name.unwrap_or_else(|| pattern.to_string()),
        pattern,
        component,
        env: entries.env()?,
        dirs: entries.list("dir", "./data:/data", |text| dir_within(base, text))?,
        allow_net: entries.list("allow-net", "db.example.com:5432", destination)?,
        allow_http: entries.list("allow-http", "api.example.com", destination)?,
        sandbox_memory_bytes: of_limit(Limit::SandboxMemory, "64MiB")?,
        deadline_ms: of_limit(Limit::Deadline, "10s")?,
        concurrency: count("concurrency", "50")?,
        reuse: count("reuse", "1000")?.unwrap_or(1),
        rate: entries.parse("rate", "200/s", str::parse)?,
        written: entries.written(),
    })
}

/// The keys of one table, all of them known.
struct Entries<'a>(&'a DeTable<'a>);

impl Entries<'_> {
    fn get(&self, key: &str) -> Option<&Entry<'_>> {
        let mut entries = self.0.iter();
        let found = entries.find(|(own, _): &(&Key<'_>, _)| own.get_ref() == key);
        found.map(|(_, value)| value)
    }

    /// The value of `key`, as `parse` reads it.
    fn parse<R>(
        &self,
        key: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<R, String>,
    ) -> Result<Option<R>, Wrong> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let text = text(key, example, value)?;
        parse(&text)
            .map(Some)
            .map_err(|why| (invalid(key, &text, &why), value.span()))
    }

    /// The values of `key`, a string or several.
    fn list<R>(
        &self,
        key: &str,
        example: &str,
        parse: impl Fn(&str) -> Result<R, String>,
    ) -> Result<Vec<R>, Wrong> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let parse_one = |value: &Entry<'_>| {
            let text = text(key, example, value)?;
            parse(&text).map_err(|why| (invalid(key, &text, &why), value.span()))
        };
        match value.get_ref().as_array() {
            Some(values) => values.iter().map(parse_one).collect(),
            None => Ok(vec![parse_one(value)?]),
        }
    }

    /// The variables: a table, or strings in the form of `--env`.
    fn env(&self) -> Result<Vec<(String, String)>, Wrong> {
        let Some(value) = self.get("env") else {
            return Ok(Vec::new());
        };
        let variables = match value.get_ref().as_table() {
            Some(table) => {
                let variables = table.iter().map(|(name, value)| {
                    let name = name.get_ref();
                    let text = text(&format!("env.{name}"), "VALUE", value)?;
                    variable(&format!("{name}={text}")).map_err(|why| {
                        (
                            format!("invalid value for `env.{name}`: {why}"),
                            value.span(),
                        )
                    })
                });
                variables.collect::<Result<Vec<_>, _>>()?
            }
            None => self.list("env", "NAME=VALUE", variable)?,
        };
        let mut names: Vec<_> = variables.iter().map(|(name, _)| name).collect();
        names.sort();
        if let Some([twice, _]) = names.array_windows().find(|[name, next]| name == next) {
            let what = format!("expected each variable of `env` once, got `{twice}` twice");
            return Err((what, value.span()));
        }
        Ok(variables)
    }

    /// All keys with their values, in the order of [`KEYS`].
    fn written(&self) -> Vec<(&'static str, Value)> {
        let keys = KEYS.into_iter().filter_map(|key| {
            let value = self.get(key)?.get_ref();
            let value = match (key, value) {
                (SECRET, DeValue::Table(table)) => {
                    table.keys().map(|name| name.get_ref().as_ref()).collect()
                }
                (SECRET, value) => names(value),
                (_, value) => as_json(value),
            };
            Some((key, value))
        });
        keys.collect()
    }
}

/// The names of variables in the form of `--env`.
fn names(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Array(list) => list.iter().map(|value| names(value.get_ref())).collect(),
        value => {
            let text = plain(value).unwrap_or_default();
            text.split_once('=').map_or(&*text, |(name, _)| name).into()
        }
    }
}

fn as_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Array(list) => list.iter().map(|value| as_json(value.get_ref())).collect(),
        DeValue::Integer(number) => {
            let text = decimal(number);
            text.parse::<i64>()
                .map_or_else(|_| text.into(), Value::from)
        }
        value => plain(value).into(),
    }
}

/// A string or an integer as text.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(decimal(number)),
        _ => None,
    }
}

fn text(key: &str, example: &str, value: &Entry<'_>) -> Result<String, Wrong> {
    plain(value.get_ref()).ok_or_else(|| {
        let what = format!(
            "expected a string for `{key}`, got another value; use `{key} = \"{example}\"`"
        );
        (what, value.span())
    })
}

fn invalid(key: &str, text: &str, why: &str) -> String {
    format!("invalid value `{text}` for `{key}`: {why}")
}

fn unknown(key: &str) -> String {
    /// The least Jaro similarity, from 0 to 1. clap suggests flags from 0.7.
    const LIKENESS_MIN: f64 = 0.7;
    let likeness = |known: &&str| strsim::jaro(known, key);
    let nearest = KEYS
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let advice = match nearest.filter(|nearest| likeness(nearest) >= LIKENESS_MIN) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("the keys are {}", KEYS.join(", ")),
    };
    format!("expected a key of a route, got `{key}`; {advice}")
}

/// A name for logs and labels of metrics.
fn parse_name(text: &str) -> Result<String, String> {
    let is_name = (1..=ROUTE_NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected 1 to {ROUTE_NAME_CHARS_MAX} characters of ASCII without spaces, quotes and backslashes"
        ))
    }
}

fn destination<D: FromStr<Err = GrantError>>(text: &str) -> Result<D, String> {
    text.parse().map_err(|error: GrantError| error.to_string())
}

fn location(base: &Path, text: &str) -> Result<Location, String> {
    if text.is_empty() {
        return Err("expected a file or oci://REFERENCE, got an empty string".to_owned());
    }
    let location = Location::parse(OsString::from(text)).map_err(|error| error.to_string())?;
    Ok(match location {
        Location::File(path) => Location::File(base.join(path)),
        registry @ Location::Registry(_) => registry,
    })
}
