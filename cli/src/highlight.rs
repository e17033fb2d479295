//! Colours for code on a terminal.

const COMMENT: &str = "\u{1b}[90m";
const KEYWORD: &str = "\u{1b}[35m";
const TYPE: &str = "\u{1b}[36m";
const NUMBER: &str = "\u{1b}[33m";
const STRING: &str = "\u{1b}[32m";
const RESET: &str = "\u{1b}[0m";

const KEYWORDS: &[&str] = &[
    "as",
    "const",
    "else",
    "fn",
    "for",
    "if",
    "impl",
    "in",
    "input",
    "let",
    "loss",
    "match",
    "mod",
    "model",
    "mut",
    "optimizer",
    "pub",
    "return",
    "self",
    "static",
    "struct",
    "type",
    "use",
    "where",
    "while",
];

/// The text with colours for comments, keywords, types, numbers and strings. Without the colours it is unchanged.
pub fn highlight(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        highlight_line(line, &mut out);
    }
    out
}

fn highlight_line(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (len, style) = if rest.starts_with("//") {
            (rest.trim_end_matches('\n').len(), COMMENT)
        } else if first == '"' {
            (string_len(rest), STRING)
        } else if first.is_ascii_digit() {
            (
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                    .unwrap_or(rest.len()),
                NUMBER,
            )
        } else if first.is_alphabetic() || first == '_' {
            let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let word = rest.get(..len).unwrap_or_default();
            let style = if KEYWORDS.contains(&word) {
                KEYWORD
            } else if first.is_uppercase() {
                TYPE
            } else {
                ""
            };
            (len, style)
        } else {
            (first.len_utf8(), "")
        };
        let (token, more) = rest.split_at(len);
        if style.is_empty() {
            out.push_str(token);
        } else {
            out.push_str(style);
            out.push_str(token);
            out.push_str(RESET);
        }
        rest = more;
    }
}

/// The length of a string literal at the start of a text, up to the end of the line if it does not close.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return at + 1,
            '\n' => return at,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::highlight;

    #[test]
    fn nothing_but_colours_is_added() {
        let text = "/// a \"b\"\nfn f(x: Row) -> f32 { 1.5e3 + \"a \\\" // é\" } // ende\n\"open\n";
        let mut plain = String::new();
        let mut rest = highlight(text);
        while let Some(start) = rest.find('\u{1b}') {
            plain.push_str(&rest[..start]);
            let end = rest[start..].find('m').expect("a colour ends") + start + 1;
            rest = rest[end..].to_owned();
        }
        plain.push_str(&rest);
        assert_eq!(plain, text);
    }

    #[test]
    fn comments_swallow_the_line() {
        assert_eq!(highlight("// fn 1\n"), "\u{1b}[90m// fn 1\u{1b}[0m\n");
    }
}
