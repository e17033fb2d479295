//! Texts of several lines on one.

use crate::scan::{Token, TokenKind, scan};
use crate::span::FileId;

/// Tokens of a text as far apart as they were in their line. What a line ended with and the next begins with are a blank
/// apart, but for brackets, and a comma that ended a list is none in one line.
pub(crate) fn one_line(text: &str) -> String {
    let scan = scan(FileId(0), text);
    let mut line = String::with_capacity(text.len());
    let mut before: Option<&Token> = None;
    for token in &scan.tokens {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let gap = before.map_or("", |before| text.get(before.end..token.start).unwrap_or_default());
        let is_open = before.is_some_and(|before| matches!(before.kind, TokenKind::Open(b'(' | b'[')));
        let is_close = matches!(token.kind, TokenKind::Close(b')' | b']'));
        if gap.contains('\n') && is_close && line.ends_with(',') {
            line.pop();
        }
        if !gap.is_empty() && !(gap.contains('\n') && (is_open || is_close)) {
            line.push(' ');
        }
        line.push_str(word);
        before = Some(token);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_text_of_several_lines_is_that_of_one() {
        let flat = "dense(40, init = uniform(-0.5, [1, 2]), name = \"a // b\")";
        assert_eq!(one_line(flat), flat);
        let long =
            "dense(\n    40, // wide\n    init = uniform(-0.5, [\n 1, 2\n]),\n    name = \"a // b\",\n)";
        assert_eq!(one_line(long), flat);
        assert_eq!(one_line("a   +\n// as above\n\tb*c\r\n- d"), "a + b*c - d");
        assert_eq!(one_line("repeat 2 {\n dense(4)\n}"), "repeat 2 { dense(4) }");
        assert_eq!(one_line(""), "");
    }
}
