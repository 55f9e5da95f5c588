//! Text of other programs cut to one line, and counts of things in words.

/// The target in the log of lines that handlers write, which are at the level `info`.
pub const GUEST_TARGET: &str = "cocoon::guest";

/// `count` with the form of a noun that fits it: `1 memory`, `2 memories`.
pub fn counted(count: impl Into<u64>, one: &str, many: &str) -> String {
    match count.into() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// `text` on one line of at most `chars_max` characters and a mark.
///
/// White space and control characters become single spaces. Marks of direction disappear:
/// a terminal would reorder the line after them. A longer text loses its middle, since its
/// end often has the advice.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let words: Vec<_> = text
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let mut line: String = words
        .join(" ")
        .chars()
        .filter(|char| !is_direction(*char))
        .collect();
    let chars = line.chars().count();
    if chars > chars_max {
        let place = |char: usize| line.char_indices().nth(char).map_or(0, |(place, _)| place);
        let middle = place(chars_max / 2)..place(chars - chars_max / 2);
        line.replace_range(middle, "…");
    }
    line
}

const fn is_direction(char: char) -> bool {
    matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line_of_bounded_length() {
        assert_eq!(one_line(" a\nb\u{1b}[0m\u{202e}c  d ", 100), "a b [0mc d");
        let long = one_line(&"é".repeat(10_000), 2000);
        assert_eq!(long.chars().count(), 2001);
        assert!(long.starts_with('é') && long.contains("é…é") && long.ends_with('é'));
    }
}
