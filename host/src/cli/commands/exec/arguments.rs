//! The arguments of the instances, with placeholders for what differs.
//!
//! `{i}` is the number of the instance. `{line}` is the line of an instance that has one. The text
//! of a line is not searched for placeholders.

/// The arguments of all instances.
pub(in crate::cli::commands) struct Arguments {
    /// The program's own name.
    name: String,
    templates: Vec<String>,
}

const NUMBER: &str = "{i}";
const LINE: &str = "{line}";

impl Arguments {
    pub(in crate::cli::commands) fn new(name: String, templates: Vec<String>) -> Self {
        Self { name, templates }
    }

    /// Whether an argument has a place for the line.
    pub(in crate::cli::commands) fn have_line(&self) -> bool {
        self.templates.iter().any(|it| it.contains(LINE))
    }

    /// Returns the arguments of one instance, its own name first. Without `line`, `{line}` stays.
    pub(in crate::cli::commands) fn fill(&self, instance: u64, line: Option<&str>) -> Vec<String> {
        let number = instance.to_string();
        let filled = self.templates.iter().map(|it| fill(it, &number, line));
        [self.name.clone()].into_iter().chain(filled).collect()
    }
}

fn fill(template: &str, number: &str, line: Option<&str>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        let (value, length) = match line {
            _ if rest[at..].starts_with(NUMBER) => (number, NUMBER.len()),
            Some(line) if rest[at..].starts_with(LINE) => (line, LINE.len()),
            _ => ("{", 1),
        };
        filled.push_str(value);
        rest = &rest[at + length..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once() {
        for (template, line, expected) in [
            ("{i}", None, "7"),
            ("a{i}b{i}{", None, "a7b7{"),
            ("{line}", None, "{line}"),
            ("{line}", Some(""), ""),
            ("{line}:{i}", Some("{i}{line}"), "{i}{line}:7"),
            ("{{i}}{lin}", Some("x"), "{7}{lin}"),
        ] {
            assert_eq!(fill(template, "7", line), expected, "{template}");
        }
    }
}
