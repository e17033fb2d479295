//! What a fault of the grammar is in the user's words.

use crate::{
    diagnostic::{Code, Diagnostic},
    parse::{Fault, Piece, check},
    scan::{Scan, Token, TokenKind},
    span::{FileId, Span},
};

/// How many alternatives an "expected …" lists.
const MAX_EXPECTED: usize = 5;

/// The message for a fault of the whole text.
pub(crate) fn explain(file: FileId, text: &str, scan: &Scan, at: &Fault) -> Diagnostic {
    let from = scan.tokens.partition_point(|token| token.end <= at.at);
    let found = (from < scan.tokens.len()).then_some(from);
    fault(file, text, &scan.tokens, found, at, (Piece::File, true))
}

/// The message for a fault at the token `found`, or at the end of the text. With the piece goes whether the token is
/// its first.
pub(super) fn fault(
    file: FileId,
    text: &str,
    tokens: &[Token],
    found: Option<usize>,
    fault: &Fault,
    (piece, is_first): (Piece, bool),
) -> Diagnostic {
    let cx = Context { file, text, tokens, fault, piece, is_first };
    let Some((idx, token)) = found.and_then(|idx| Some((idx, tokens.get(idx)?))) else { return cx.at_end() };
    let special = match token.kind {
        TokenKind::Text => cx.string(token),
        TokenKind::Name => cx.glued(token),
        _ => None,
    };
    special.unwrap_or_else(|| cx.unexpected(idx, token))
}

/// The message for a number that is none or too large, with the index of its first token: the point of `.5` is one of
/// its own.
pub(super) fn number(file: FileId, text: &str, tokens: &[Token], idx: usize) -> Option<(Diagnostic, usize)> {
    let token = tokens.get(idx).filter(|token| token.kind == TokenKind::Number)?;
    let point = idx.checked_sub(1).and_then(|idx| tokens.get(idx)).filter(|point| {
        point.kind == TokenKind::Stray
            && point.end == token.start
            && text.get(point.start..point.end) == Some(".")
    });
    let start = point.map_or(token.start, |point| point.start);
    let first = if point.is_some() { idx - 1 } else { idx };
    let found = text.get(start..token.end)?;
    let span = Span::new(file, start, token.end);
    if point.is_none() && check(Piece::Number, found).is_ok() {
        let value = found.replace('_', "").parse::<f64>();
        return value.is_ok_and(f64::is_infinite).then(|| (number_too_large(span, found), first));
    }
    let shown = shorten(found);
    let label = format!("expected a number such as `16`, `0.5` or `1e-3`, found `{shown}`");
    let diagnostic = Diagnostic::new(Code::E0104, format!("invalid number `{shown}`"), span, label);
    let digits = found.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let diagnostic = match found.as_bytes() {
        [b'.', ..] => diagnostic.with_help(format!("write `0{shown}`")),
        [b'0', b'x' | b'o' | b'b', ..] => diagnostic.with_note("numbers are decimal"),
        _ if found.matches('.').count() > 1 => diagnostic.with_note("a number has one decimal point"),
        _ if digits != found && check(Piece::Number, digits).is_ok() => {
            diagnostic.with_help(format!("numbers have no unit or suffix: `{digits}`"))
        }
        _ => diagnostic,
    };
    Some((diagnostic, first))
}

/// The message for a number that no `f64` holds.
pub(crate) fn number_too_large(span: Span, found: &str) -> Diagnostic {
    let label = format!("expected a number up to 1.79e308, found `{}`", shorten(found));
    Diagnostic::new(Code::E0104, "number is too large", span, label)
}

/// The message for `name = …` with layers behind it.
pub(super) fn no_let(file: FileId, name: &str, at: usize) -> Diagnostic {
    let span = Span::new(file, at, at + name.len());
    let label = format!("expected `let {name}`, found `{name}`");
    Diagnostic::new(Code::E0101, format!("`{name}` is given layers without `let`"), span, label)
        .with_help(format!("write `let {name} = …`"))
        .with_note("without `let` only a state of a cell is assigned, and it takes a formula")
}

struct Context<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    fault: &'a Fault,
    piece: Piece,
    is_first: bool,
}

impl<'a> Context<'a> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn word(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    fn at_end(&self) -> Diagnostic {
        let end = self.tokens.last().map_or(0, |token| token.end);
        let label = format!("expected {}, found the end of the file", self.expected());
        Diagnostic::new(Code::E0101, "unexpected end of the file", self.span(end, end), label)
    }

    fn unexpected(&self, idx: usize, token: &Token) -> Diagnostic {
        let found = shorten(self.word(token));
        let label = format!("expected {}, found `{found}`", self.expected());
        let span = self.span(token.start, token.end);
        let mut diagnostic = Diagnostic::new(Code::E0101, format!("unexpected `{found}`"), span, label);
        if token.first_on_line
            && !self.is_first
            && let Some(before) = idx.checked_sub(1).and_then(|idx| self.tokens.get(idx))
        {
            diagnostic = diagnostic.with_label(self.span(before.start, before.end), "after this");
        }
        let before = idx.checked_sub(1).and_then(|idx| self.tokens.get(idx));
        let is_bare_argument = self.piece == Piece::Statement
            && matches!(token.kind, TokenKind::Number | TokenKind::Text)
            && before.is_some_and(|before| before.kind == TokenKind::Name)
            && self.fault.expected.contains(&"`(`");
        if is_bare_argument && let Some(name) = before {
            let call = format!("{}({found})", self.word(name));
            return diagnostic.with_help(format!("arguments stand in parentheses: `{call}`"));
        }
        self.advise(diagnostic, token, &found)
    }

    /// Habits from other languages.
    fn advise(&self, diagnostic: Diagnostic, token: &Token, found: &str) -> Diagnostic {
        match found {
            ";" => diagnostic.with_help("statements end by themselves: leave out the `;`"),
            "," if self.ends_piece() => {
                diagnostic.with_help("statements end by themselves: leave out the `,`")
            }
            "=" | ":" if self.piece == Piece::Setting => {
                diagnostic.with_help(format!("settings are a key and a value: leave out the `{found}`"))
            }
            "#" if self.text.get(token.end..).is_some_and(|behind| behind.starts_with('[')) => diagnostic
                .with_help(
                    "a model has no attributes: they stand before `network!`, or on a module around it",
                ),
            "#" => diagnostic.with_help("comments begin with `//`"),
            "." => diagnostic.with_help("chains are written `dense(16) -> relu`"),
            "|" => diagnostic.with_help("`or` is written `||`; stages are joined by `->`"),
            "&" => diagnostic.with_help("`and` is written `&&`"),
            "*" if self.text.get(..token.start).is_some_and(|before| before.ends_with('*')) => {
                diagnostic.with_help("powers are written `x^2`")
            }
            "let" | "if" | "else" | "true" | "false" if !self.is_first => {
                diagnostic.with_note(format!("`{found}` is a reserved word"))
            }
            _ if found.starts_with("/*") => {
                diagnostic.with_help("comments begin with `//` and end with the line")
            }
            _ if found.starts_with('\'') => diagnostic.with_help("strings stand in double quotes"),
            _ if !found.is_ascii() && token.kind == TokenKind::Stray => {
                diagnostic.with_note("names are made of the letters a to z, digits and `_`")
            }
            _ => diagnostic,
        }
    }

    fn ends_piece(&self) -> bool {
        self.fault.expected.contains(&END)
    }

    fn string(&self, token: &Token) -> Option<Diagnostic> {
        let found = self.word(token);
        if check(Piece::Text, found).is_ok() {
            return self.glued(token);
        }
        let mut at = 0;
        while let Some(backslash) = found.get(at..).and_then(|rest| rest.find('\\')) {
            at += backslash;
            let rest = found.get(at..).unwrap_or("");
            let len = 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
            let escape = rest.get(..len).unwrap_or("");
            let is_long = matches!(escape, "\\x" | "\\u");
            let end = rest.find('}').filter(|_| escape == "\\u").map_or(4, |brace| brace + 1);
            let whole = if is_long { rest.get(..end).unwrap_or(escape) } else { escape };
            if check(Piece::Text, &format!("\"{whole}\"")).is_err() {
                let label = format!("expected an escape such as `\\n`, `\\\\` or `\\\"`, found `{escape}`");
                let span = self.span(token.start + at, token.start + at + len);
                return Some(Diagnostic::new(Code::E0101, format!("unknown escape `{escape}`"), span, label));
            }
            at += whole.len().max(1);
        }
        let span = self.span(token.start, token.end);
        Some(Diagnostic::new(
            Code::E0101,
            "string holds a character that must be escaped",
            span,
            "expected `\\r`",
        ))
    }

    /// Rust reads `csv"a"` and `"a"csv` as one token each.
    fn glued(&self, token: &Token) -> Option<Diagnostic> {
        let next = self.text.get(token.end..)?.chars().next()?;
        let is_glued = match token.kind {
            TokenKind::Name => matches!(next, '"' | '\'' | '#'),
            _ => next.is_alphanumeric() || matches!(next, '_' | '"' | '\'' | '#'),
        };
        if !is_glued {
            return None;
        }
        let found = shorten(self.word(token));
        let label = format!("expected a space after `{found}`, found `{next}`");
        let span = self.span(token.start, token.end + next.len_utf8());
        Some(Diagnostic::new(Code::E0101, "words and strings run together", span, label))
    }

    /// `a, b or c`
    fn expected(&self) -> String {
        let end = match self.piece {
            Piece::Statement | Piece::Update => "the end of the statement",
            Piece::Setting => "the end of the setting",
            _ => "the end of the definition",
        };
        let words = self.fault.expected.iter().map(|words| if *words == END { end } else { words });
        let words: Vec<&str> = words.take(MAX_EXPECTED).collect();
        match words.split_last() {
            None => "something else".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }
}

/// How the grammar calls the end of the piece that it was given.
pub(crate) const END: &str = "the end";

/// A long token is told by its beginning.
fn shorten(text: &str) -> String {
    const MAX_LEN: usize = 40;
    if text.chars().count() <= MAX_LEN {
        return text.to_owned();
    }
    text.chars().take(MAX_LEN).chain(['…']).collect()
}
