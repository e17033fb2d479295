//! Brackets paired, unclosed and stray ones reported, depth bounded.

use super::{Scan, Token, TokenKind};
use crate::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Span},
};

/// Brackets, and conditions without brackets, may be nested so deep. The parser recurses no deeper than this.
pub(crate) const MAX_DEPTH: usize = 64;

/// An opening bracket that waits for its partner.
struct Waiting {
    token: usize,
    /// `if`s whose `{` has not come yet, outside of this bracket.
    pending_ifs: usize,
    /// Indentation of the line that it stands on.
    indent: usize,
}

/// Pairs the brackets of `scan.tokens`, in place. Closing brackets that close nothing are taken out.
pub(super) fn pair(file: FileId, text: &str, scan: &mut Scan) {
    let mut pairer =
        Pairer { file, text, scan, waiting: Vec::new(), pending_ifs: 0, indent: 0, by_indent: false };
    // Only where something is wrong is indentation believed: it tells which bracket was forgotten.
    pairer.by_indent = !pairer.is_balanced();
    pairer.run();
}

struct Pairer<'a> {
    file: FileId,
    text: &'a str,
    scan: &'a mut Scan,
    waiting: Vec<Waiting>,
    pending_ifs: usize,
    indent: usize,
    by_indent: bool,
}

impl Pairer<'_> {
    fn is_balanced(&self) -> bool {
        let mut open = Vec::new();
        for token in &self.scan.tokens {
            match token.kind {
                TokenKind::Open(byte) => open.push(byte),
                TokenKind::Close(byte) if open.pop() != Some(opening(byte)) => return false,
                _ => {}
            }
        }
        open.is_empty()
    }

    fn run(&mut self) {
        let old = std::mem::take(&mut self.scan.tokens);
        self.scan.tokens.reserve(old.len());
        let (mut deepest, mut too_deep) = (0, None);
        for (idx, token) in old.iter().enumerate() {
            if token.first_on_line {
                self.indent = indent(self.text, token.start);
                if self.by_indent && self.begins_item(&old, idx) {
                    self.leave_open(0, Span::new(self.file, token.start, token.end));
                    self.pending_ifs = 0;
                } else if self.by_indent {
                    self.add_brace(token);
                }
            }
            if self.by_indent && self.ends_arguments(&old, idx) {
                let braces = |waiting: &Waiting| {
                    let open = self.scan.tokens.get(waiting.token);
                    open.is_some_and(|open| open.kind == TokenKind::Open(b'{'))
                };
                let from = self.waiting.iter().rposition(braces).map_or(0, |brace| brace + 1);
                self.leave_open(from, Span::new(self.file, token.start, token.end));
            }
            match token.kind {
                TokenKind::Open(byte) => {
                    let pending_ifs =
                        if byte == b'{' { self.pending_ifs.saturating_sub(1) } else { self.pending_ifs };
                    self.pending_ifs = pending_ifs;
                    let waiting = Waiting { token: self.scan.tokens.len(), pending_ifs, indent: self.indent };
                    self.waiting.push(waiting);
                    self.scan.tokens.push(*token);
                }
                TokenKind::Close(byte) => self.close(idx, byte, &old),
                _ => {
                    self.pending_ifs += usize::from(self.text.get(token.start..token.end) == Some("if"));
                    self.scan.tokens.push(*token);
                }
            }
            let depth = self.waiting.len() + self.pending_ifs;
            if depth > MAX_DEPTH && deepest <= MAX_DEPTH {
                too_deep = self.scan.tokens.len().checked_sub(1);
            }
            if let Some(token) = self.scan.tokens.last_mut() {
                token.broken |= depth > MAX_DEPTH;
            }
            deepest = deepest.max(depth);
            if self.waiting.is_empty() && self.pending_ifs == 0 {
                self.report_depth(too_deep.take(), deepest);
                deepest = 0;
            }
        }
        self.report_depth(too_deep, deepest);
        let end = self.scan.tokens.last().map_or(0, |token| token.end);
        self.leave_open(0, Span::new(self.file, end, end));
    }

    /// `model Name`, `data {` and the like at the margin of the outermost open bracket.
    fn begins_item(&self, tokens: &[Token], idx: usize) -> bool {
        let margin = self.waiting.first().map_or(0, |outermost| outermost.indent);
        let Some(token) = tokens.get(idx) else { return false };
        if token.kind != TokenKind::Name || self.indent > margin {
            return false;
        }
        let word = |token: &Token| self.text.get(token.start..token.end).unwrap_or("");
        let next = tokens.get(idx + 1).map(|token| (token.kind, word(token)));
        match word(token) {
            "data" | "train" => next.is_some_and(|(kind, _)| kind == TokenKind::Open(b'{')),
            "model" | "block" | "cell" | "activation" | "loss" | "init" | "schedule" | "optimizer"
            | "import" | "allow" => next.is_some_and(|(kind, _)| kind == TokenKind::Name),
            "use" => next.is_some_and(|(kind, _)| kind == TokenKind::Text),
            "pub" => next.is_some_and(|(_, word)| matches!(word, "model" | "(")),
            _ => false,
        }
    }

    /// Opens a body whose brace was forgotten: `model Name`, and below it, further in, its first statement. The brace
    /// takes the place of the blank before that.
    fn add_brace(&mut self, token: &Token) {
        let Some(at) = token.start.checked_sub(1).filter(|_| token.kind == TokenKind::Name) else { return };
        let Some(head) = self.open_head().filter(|_| self.waiting.is_empty()) else { return };
        let head_indent = indent(self.text, head.start);
        if head_indent >= self.indent {
            return;
        }
        let found = self.text.get(token.start..token.end).unwrap_or("");
        let label = format!("expected `{{`, found `{found}`");
        let span = Span::new(self.file, token.start, token.end);
        let message = format!("unexpected `{found}`");
        self.scan.diagnostics.push(
            Diagnostic::new(Code::E0101, message, span, label)
                .with_label(Span::new(self.file, head.start, head.end), "this needs a body in `{ … }`"),
        );
        self.waiting.push(Waiting {
            token: self.scan.tokens.len(),
            pending_ifs: self.pending_ifs,
            indent: head_indent,
        });
        let brace =
            Token { kind: TokenKind::Open(b'{'), start: at, end: at + 1, first_on_line: false, ..*token };
        self.scan.tokens.push(brace);
        self.scan.added_braces.push(at);
    }

    /// The keyword of an item that goes up to here and lacks its body.
    fn open_head(&self) -> Option<Token> {
        let tokens = &self.scan.tokens;
        let word = |token: &Token| self.text.get(token.start..token.end).unwrap_or("");
        let mut last = tokens.len().checked_sub(1)?;
        if matches!(word(tokens.get(last)?), "data" | "train") {
            return tokens.get(last).filter(|token| token.first_on_line).copied();
        }
        if tokens.get(last)?.kind == TokenKind::Close(b')') {
            let opens = |token: &Token| token.is_closed && token.partner == last;
            last = tokens.iter().rposition(opens)?.checked_sub(1)?;
        }
        let keyword = tokens.get(last.checked_sub(1)?)?;
        let is_named = tokens.get(last)?.kind == TokenKind::Name;
        let needs_body = matches!(word(keyword), "model" | "block" | "cell" | "optimizer");
        (is_named && needs_body && keyword.first_on_line).then_some(*keyword)
    }

    /// What never stands in parentheses: `->`, a body, or the next statement.
    fn ends_arguments(&self, tokens: &[Token], idx: usize) -> bool {
        let Some(waiting) = self.waiting.last() else { return false };
        let open = self.scan.tokens.get(waiting.token).map(|open| open.kind);
        let (Some(token), Some(TokenKind::Open(b'(' | b'['))) = (tokens.get(idx), open) else { return false };
        match token.kind {
            TokenKind::Open(b'{') => {
                self.pending_ifs == waiting.pending_ifs && !self.follows_else(tokens, idx)
            }
            TokenKind::Operator if self.text.get(token.start..token.end) == Some("->") => {
                !closes_on_line(tokens, idx)
            }
            TokenKind::Name if token.first_on_line && self.indent <= waiting.indent => {
                let before = idx.checked_sub(1).and_then(|idx| tokens.get(idx)).map(|token| token.kind);
                !matches!(before, Some(TokenKind::Operator | TokenKind::Open(_)) | None)
            }
            _ => false,
        }
    }

    fn follows_else(&self, tokens: &[Token], idx: usize) -> bool {
        let before = idx.checked_sub(1).and_then(|idx| tokens.get(idx));
        before.is_some_and(|token| self.text.get(token.start..token.end) == Some("else"))
    }

    fn close(&mut self, idx: usize, byte: u8, old: &[Token]) {
        let Some(token) = old.get(idx) else { return };
        let span = Span::new(self.file, token.start, token.end);
        let fits = |waiting: &Waiting| {
            self.scan
                .tokens
                .get(waiting.token)
                .is_some_and(|open| open.kind == TokenKind::Open(opening(byte)))
        };
        // Bounded, so that a text of closing brackets alone is read in linear time.
        let nearest = self.waiting.len().saturating_sub(2 * MAX_DEPTH);
        let near = self.waiting.get(nearest..).unwrap_or(&[]);
        let mut partner = near.iter().rposition(fits).map(|at| nearest + at);
        if self.by_indent && token.first_on_line && byte == b'}' {
            // `}` at the margin of an outer bracket closes that one: what lies between was forgotten.
            let indent = self.indent;
            let top = self.waiting.last().map_or(0, |waiting| waiting.indent);
            let outer = near.iter().rposition(|waiting| waiting.indent == indent && fits(waiting));
            if top > indent {
                partner = outer.map(|at| nearest + at).or(partner);
            }
        }
        let Some(partner) = partner else {
            let found = char::from(byte);
            let follows_stray = self.scan.hidden.last().is_some_and(|(_, end)| {
                self.text.get(*end..token.start).is_some_and(|between| between.trim().is_empty())
            });
            self.scan.hidden.push((token.start, token.end));
            if follows_stray {
                return;
            }
            self.scan.diagnostics.push(Diagnostic::new(
                Code::E0105,
                format!("`{found}` closes nothing"),
                span,
                format!("no `{}` is open here", char::from(opening(byte))),
            ));
            return;
        };
        self.leave_open(partner + 1, span);
        if let Some(waiting) = self.waiting.pop() {
            self.pending_ifs = waiting.pending_ifs;
            let close = self.scan.tokens.len();
            if let Some(open) = self.scan.tokens.get_mut(waiting.token) {
                open.partner = close;
                open.is_closed = true;
            }
        }
        self.scan.tokens.push(*token);
    }

    /// Gives up on all brackets from the `from`th that waits: one message, at the place where they had to end.
    fn leave_open(&mut self, from: usize, found: Span) {
        let left = self.waiting.split_off(from.min(self.waiting.len()));
        let Some(first) = left.first() else { return };
        self.pending_ifs = first.pending_ifs;
        let end = self.scan.tokens.len();
        let mut opens = Vec::new();
        for waiting in left.iter().rev() {
            if let Some(open) = self.scan.tokens.get_mut(waiting.token) {
                open.partner = end;
                open.broken = true;
                if let TokenKind::Open(byte) = open.kind {
                    opens.push((byte, Span::new(self.file, open.start, open.end)));
                }
            }
        }
        let Some((innermost, _)) = opens.first() else { return };
        let expected = char::from(closing(*innermost));
        let label = match self.text.get(found.start as usize..found.end as usize) {
            Some("") | None => format!("expected `{expected}`, found the end of the file"),
            Some(text) if text.starts_with(expected) => {
                format!("expected another `{expected}` before this one")
            }
            Some(text) => format!("expected `{expected}`, found `{text}`"),
        };
        let message = match opens.len() {
            1 => format!("unclosed `{}`", char::from(*innermost)),
            count => format!("{count} unclosed brackets"),
        };
        let mut diagnostic = Diagnostic::new(Code::E0105, message, found, label);
        for (byte, span) in opens.iter().take(4) {
            diagnostic = diagnostic.with_label(*span, format!("this `{}` is not closed", char::from(*byte)));
        }
        self.scan.diagnostics.push(diagnostic);
    }

    fn report_depth(&mut self, too_deep: Option<usize>, deepest: usize) {
        let Some(token) = too_deep.and_then(|idx| self.scan.tokens.get(idx)) else { return };
        self.scan.diagnostics.push(depth_error(
            Span::new(self.file, token.start, token.end),
            &format!("expected at most {MAX_DEPTH} levels, found {deepest}"),
        ));
    }
}

/// Whether the bracket that is open at a token is closed on the same line.
fn closes_on_line(tokens: &[Token], idx: usize) -> bool {
    // Enough for any line that is meant to be read; a bound keeps long lines linear.
    const MAX_AHEAD: usize = 64;
    let mut depth = 0usize;
    for token in tokens.iter().skip(idx + 1).take(MAX_AHEAD) {
        match token.kind {
            _ if token.first_on_line => return false,
            TokenKind::Open(_) => depth += 1,
            TokenKind::Close(_) if depth == 0 => return true,
            TokenKind::Close(_) => depth -= 1,
            _ => {}
        }
    }
    false
}

fn depth_error(span: Span, label: &str) -> Diagnostic {
    Diagnostic::new(Code::E0103, "brackets are nested too deeply", span, label)
        .with_help("name inner parts with `let` or `block`")
}

fn opening(close: u8) -> u8 {
    match close {
        b')' => b'(',
        b']' => b'[',
        _ => b'{',
    }
}

fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

/// Columns before the first token of the line that `at` lies on.
fn indent(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or("");
    at - before.rfind('\n').map_or(0, |newline| newline + 1)
}
