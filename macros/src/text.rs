//! The text that a macro's tokens were written as, with a table back to the tokens.
//!
//! Every token is put at its own line and column, so that places in messages and in emitted comments are those of the
//! Rust file. What Rust's lexer has changed is changed back: a doc comment, which arrives as `#[doc = "…"]`, becomes
//! `///` again. Other comments are gone, and nothing needs them.

use std::ops::Range;

use proc_macro2::{Delimiter, LineColumn, Spacing, Span, TokenStream, TokenTree};

/// A text and the tokens it came from.
pub struct Text {
    /// The text.
    pub text: String,
    /// Where each token lies in it, in order.
    tokens: Vec<(Range<usize>, Span)>,
}

impl Text {
    /// Writes tokens down where they stood.
    pub fn new(tokens: TokenStream) -> Self {
        let mut writer = Writer::default();
        writer.stream(tokens);
        Self { text: writer.text, tokens: writer.tokens }
    }

    /// The first and the last token under a range of bytes; the last one before it when there is none, as at the end
    /// of the text. Nothing when there are no tokens at all.
    pub fn tokens(&self, range: Range<usize>) -> Option<(Span, Span)> {
        // A range of no bytes is a place before something: that token stands for it.
        let end = range.end.max(range.start + 1);
        let first = self.tokens.partition_point(|(token, _)| token.end <= range.start);
        let after = self.tokens.partition_point(|(token, _)| token.start < end);
        match self.tokens.get(first..after) {
            Some([(_, only)]) => Some((*only, *only)),
            Some([(_, first), .., (_, last)]) => Some((*first, *last)),
            _ => {
                let (_, before) = self.tokens.get(first.saturating_sub(1))?;
                Some((*before, *before))
            }
        }
    }
}

/// Gaps of more lines than this are not source: the token came from another file, through another macro.
const MAX_GAP: usize = 100_000;

/// Gaps of more columns than this are not source either.
const MAX_INDENT: usize = 10_000;

struct Writer {
    text: String,
    tokens: Vec<(Range<usize>, Span)>,
    /// Where the next character will stand: line from 1, column from 0, in characters.
    at: LineColumn,
    /// Whether the last token was punctuation that the next one belongs to.
    is_joint: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            text: String::new(),
            tokens: Vec::new(),
            at: LineColumn { line: 1, column: 0 },
            is_joint: false,
        }
    }
}

impl Writer {
    fn stream(&mut self, stream: TokenStream) {
        let mut trees = stream.into_iter().peekable();
        while let Some(tree) = trees.next() {
            if let TokenTree::Punct(punct) = &tree
                && punct.as_char() == '#'
                && let Some(docs) = trees.peek().and_then(doc_comment)
            {
                let span = punct.span();
                trees.next();
                self.docs(&docs, span);
                continue;
            }
            self.tree(tree);
        }
    }

    fn tree(&mut self, tree: TokenTree) {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // What a `macro_rules!` variable was replaced by.
                    Delimiter::None => return self.stream(group.stream()),
                };
                self.token(open, group.span_open());
                self.stream(group.stream());
                self.token(close, group.span_close());
            }
            TokenTree::Punct(punct) => {
                self.token(punct.as_char().encode_utf8(&mut [0; 4]), punct.span());
                self.is_joint = punct.spacing() == Spacing::Joint;
            }
            TokenTree::Ident(ident) => self.token(&ident.to_string(), ident.span()),
            TokenTree::Literal(literal) => self.token(&literal.to_string(), literal.span()),
        }
    }

    /// A doc comment again, a line each for one of several lines.
    fn docs(&mut self, docs: &str, span: Span) {
        for line in docs.lines() {
            self.token(&format!("///{line}"), span);
            self.push("\n");
        }
        if docs.is_empty() {
            self.token("///", span);
            self.push("\n");
        }
    }

    fn token(&mut self, token: &str, span: Span) {
        self.go_to(span.start());
        let start = self.text.len();
        self.push(token);
        self.tokens.push((start..self.text.len(), span));
        self.is_joint = false;
    }

    /// Line breaks and spaces up to a place; where that is behind, as between tokens of different macros, what keeps
    /// two tokens apart.
    fn go_to(&mut self, place: LineColumn) {
        let is_below = place.line > self.at.line && place.line - self.at.line <= MAX_GAP;
        let is_right = place.line == self.at.line && place.column >= self.at.column;
        if (is_below || is_right) && place.column <= MAX_INDENT {
            let lines = place.line - self.at.line;
            self.push(&"\n".repeat(lines));
            let columns = place.column.saturating_sub(self.at.column);
            self.push(&" ".repeat(columns));
        } else if !self.is_joint && !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.push(" ");
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        match text.rsplit_once('\n') {
            Some((above, last)) => {
                self.at.line += above.matches('\n').count() + 1;
                self.at.column = last.chars().count();
            }
            None => self.at.column += text.chars().count(),
        }
    }
}

/// The text of `[doc = "…"]`.
fn doc_comment(tree: &TokenTree) -> Option<String> {
    let TokenTree::Group(group) = tree else { return None };
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let mut trees = group.stream().into_iter();
    match (trees.next()?, trees.next()?, trees.next()?, trees.next()) {
        (TokenTree::Ident(doc), TokenTree::Punct(equals), TokenTree::Literal(text), None)
            if doc == "doc" && equals.as_char() == '=' =>
        {
            unquote(&text.to_string())
        }
        _ => None,
    }
}

/// The value of a string literal, raw or not.
pub fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let inner = raw.trim_start_matches('#');
        let hashes = raw.len() - inner.len();
        let inner = inner.strip_prefix('"')?;
        return Some(inner.get(..inner.len().checked_sub(hashes + 1)?)?.to_owned());
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            '0' => out.push('\0'),
            'x' => out.push(code(&chars.by_ref().take(2).collect::<String>())?),
            'u' => {
                let digits: String = chars.by_ref().take_while(|c| *c != '}').collect();
                out.push(code(&digits.trim_start_matches('{').replace('_', ""))?);
            }
            // A line break in the literal that is no part of its value.
            '\n' => {
                let rest = chars.as_str().trim_start();
                chars = rest.chars();
            }
            other => out.push(other),
        }
    }
    Some(out)
}

fn code(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Text {
        Text::new(source.parse().unwrap_or_else(|_| panic!("not tokens: {source}")))
    }

    #[test]
    fn tokens_stand_where_they_stood() {
        let source = "model Iris(n = 1e-3) {\n    input x: [4, 4]\n\n    h: dense(16)->relu -> tanh\n    let y = -x^2 + \"a\\tb\"\n}";
        assert_eq!(text(source).text, source);
    }

    #[test]
    fn comments_leave_their_place_empty() {
        let source = "model A { // what it is\n  /* where */ dense(3)\n}";
        assert_eq!(text(source).text, "model A {\n              dense(3)\n}");
    }

    #[test]
    fn doc_comments_are_comments_again() {
        let source = "/// Two \"lines\" and a \\ backslash,\n/// é\nmodel A {\n}";
        assert_eq!(text(source).text, source);
    }

    #[test]
    fn a_written_doc_attribute_is_a_doc_comment_too() {
        assert_eq!(text("#[doc = \" a\"] model A { }").text, "/// a\nmodel A { }");
    }

    #[test]
    fn places_lead_back_to_tokens() {
        let source = "model A {\n    dense(3)   relu\n}";
        let text = text(source);
        let place = |range: Range<usize>| {
            text.tokens(range).map(|(first, last)| {
                ((first.start().line, first.start().column), (last.end().line, last.end().column))
            })
        };
        let dense = source.find("dense").unwrap_or(0);
        assert_eq!(place(dense..dense + 5), Some(((2, 4), (2, 9))));
        assert_eq!(place(dense..dense + 8), Some(((2, 4), (2, 12))));
        // An insertion before `dense`, and the end of the text.
        assert_eq!(place(dense..dense), Some(((2, 4), (2, 9))));
        assert_eq!(place(source.len()..source.len()), Some(((3, 0), (3, 1))));
        // Between tokens: the one before.
        assert_eq!(place(dense + 9..dense + 9), Some(((2, 11), (2, 12))));
    }

    #[test]
    fn an_empty_macro_has_no_tokens() {
        assert!(text("").tokens(0..0).is_none());
    }

    #[test]
    fn tokens_without_a_place_are_kept_apart() {
        // Tokens that stand behind one another, as those of another macro do.
        let parts = ["model", "A", "{", "dense", "}"];
        let mut stream = TokenStream::new();
        let inner: TokenStream = "dense(3) -> relu".parse().unwrap_or_default();
        stream.extend("model A".parse::<TokenStream>().unwrap_or_default());
        stream.extend([TokenTree::Group(proc_macro2::Group::new(Delimiter::Brace, inner))]);
        let words = Text::new(stream).text;
        for part in parts {
            assert!(
                words.split(|c: char| c.is_whitespace() || c == '(').any(|word| word == part),
                "{part} in {words}"
            );
        }
        assert!(words.contains("->"), "{words}");
    }

    #[test]
    fn string_literals_have_values() {
        for (literal, value) in [
            (r#""models/iris.nn""#, "models/iris.nn"),
            (r#""a\\b\"c\u{e9}\x41""#, "a\\b\"cé\u{41}"),
            ("r\" raw \\ \"", " raw \\ "),
            ("r#\"a\"b\"#", "a\"b"),
        ] {
            assert_eq!(unquote(literal).as_deref(), Some(value));
        }
        assert_eq!(unquote("3"), None);
        assert_eq!(unquote("b\"3\""), None);
    }
}
