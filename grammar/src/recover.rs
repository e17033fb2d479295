//! Reading on after a fault: finds the faulty pieces of a text and makes the rest readable.
//!
//! The grammar stops at the first fault it meets. So the text is cut into items and statements by its tokens, each
//! piece is given to the grammar alone, and a faulty one is reported and overwritten with spaces, which keeps every
//! offset. Bodies inside a faulty statement come first: often only something inside of them is wrong. What is left
//! is a text that the grammar accepts.
//!
//! Pieces with a broken bracket or string were reported by the scan and go in silence.

use std::ops::Range;

use crate::{
    diagnostic::{Code, Diagnostic},
    parse::{Fault, Piece, check},
    scan::{MAX_DEPTH, MAX_FAULTS, Scan, Token, TokenKind},
    span::{FileId, Span},
};

mod explain;
mod split;

pub(crate) use explain::{END, explain, number_too_large};
use split::Cut;

/// So many statements of one item are taken out because they are wrong only beside each other.
const MAX_REPAIRS: usize = 16;

/// Words that open an item.
const ITEMS: [&str; 13] = [
    "model",
    "block",
    "cell",
    "activation",
    "loss",
    "init",
    "schedule",
    "optimizer",
    "import",
    "use",
    "allow",
    "data",
    "train",
];

/// Words that open a statement.
const STATEMENTS: [&str; 12] = [
    "input",
    "let",
    "loss",
    "optimizer",
    "metrics",
    "output",
    "state",
    "repeat",
    "residual",
    "frozen",
    "recompute",
    "branch",
];

/// The text without what the scan hides from the grammar, and with the braces that it adds.
pub(crate) fn visible(text: &str, scan: &Scan) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in &scan.hidden {
        blank(&mut bytes, *start, *end);
    }
    for at in &scan.added_braces {
        if let Some(byte) = bytes.get_mut(*at) {
            *byte = b'{';
        }
    }
    bytes
}

/// Reports every fault and gives back a text of equal length that holds only what is right.
pub(crate) fn recover(
    file: FileId,
    text: &str,
    scan: &Scan,
    visible: Vec<u8>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<u8> {
    let alive = vec![true; scan.tokens.len()];
    let mut recovery = Recovery { file, text, scan, bytes: visible, alive, diagnostics };
    recovery.numbers();
    for range in split::items(text, &scan.tokens) {
        recovery.item(range);
    }
    recovery.bytes
}

fn blank(bytes: &mut [u8], start: usize, end: usize) {
    if let Some(bytes) = bytes.get_mut(start..end) {
        bytes.fill(b' ');
    }
}

struct Recovery<'a> {
    file: FileId,
    text: &'a str,
    scan: &'a Scan,
    bytes: Vec<u8>,
    /// Which tokens are not blanked out.
    alive: Vec<bool>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Recovery<'_> {
    fn token(&self, idx: usize) -> Option<&Token> {
        self.scan.tokens.get(idx)
    }

    fn word(&self, idx: usize) -> &str {
        split::word(self.text, &self.scan.tokens, idx)
    }

    fn is_alive(&self, idx: usize) -> bool {
        self.alive.get(idx).copied().unwrap_or(false)
    }

    /// Whether a token of the range was reported by the scan.
    fn is_broken(&self, range: &Range<usize>) -> bool {
        range.clone().any(|idx| self.is_alive(idx) && self.token(idx).is_some_and(|token| token.broken))
    }

    fn bounds(&self, range: &Range<usize>) -> Option<(usize, usize)> {
        let first = self.token(range.start)?;
        let last = self.token(range.end.checked_sub(1)?)?;
        Some((first.start, last.end))
    }

    fn blank(&mut self, range: &Range<usize>) {
        if let Some((start, end)) = self.bounds(range) {
            blank(&mut self.bytes, start, end);
        }
        if let Some(alive) = self.alive.get_mut(range.clone()) {
            alive.fill(false);
        }
    }

    /// Asks the grammar; the place of a fault is given in the whole text.
    fn check(&self, piece: Piece, range: &Range<usize>) -> Result<(), Fault> {
        let Some((start, end)) = self.bounds(range) else { return Ok(()) };
        let text = self.bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("");
        if text.trim().is_empty() && piece != Piece::Item {
            return Ok(());
        }
        check(piece, text).map_err(|fault| Fault { at: fault.at + start, expected: fault.expected })
    }

    /// Index of the token that a fault lies at; `None` at the end of the text.
    fn found(&self, fault: &Fault) -> Option<usize> {
        let from = self.scan.tokens.partition_point(|token| token.end <= fault.at);
        (from..self.scan.tokens.len()).find(|idx| self.is_alive(*idx))
    }

    fn report(&mut self, fault: &Fault, range: &Range<usize>, piece: Piece) {
        let diagnostic = match self.misspelt_opening(fault, range, piece) {
            Some(diagnostic) => diagnostic,
            None => {
                let found = self.found(fault);
                let begins = found == Some(range.start);
                explain::fault(self.file, self.text, &self.scan.tokens, found, fault, (piece, begins))
            }
        };
        self.diagnostics.push(diagnostic);
    }

    /// A piece that fails right behind a first word that is nearly a keyword: the word is at fault.
    fn misspelt_opening(&self, fault: &Fault, range: &Range<usize>, piece: Piece) -> Option<Diagnostic> {
        let known: &[&str] = match piece {
            Piece::Item => &ITEMS,
            Piece::Statement => &STATEMENTS,
            Piece::Update => &["state", "let"],
            _ => return None,
        };
        let first = if piece == Piece::Item {
            split::item_keyword(self.text, &self.scan.tokens, range)
        } else {
            range.start
        };
        let token = self.token(first).filter(|token| token.kind == TokenKind::Name)?;
        let word = self.word(first);
        let is_early = self.found(fault).is_none_or(|found| found <= first + 1);
        if !is_early || known.contains(&word) || split::is_reserved(word) {
            return None;
        }
        let expected = if piece == Piece::Item { "a definition" } else { "a statement" };
        let label = format!("expected {expected}, found `{word}`");
        let span = Span::new(self.file, token.start, token.end);
        let diagnostic = Diagnostic::new(Code::E0101, format!("unexpected `{word}`"), span, label)
            .with_closest(word, known.iter().copied());
        diagnostic.suggestion.is_some().then_some(diagnostic)
    }

    // ---- Numbers ----

    /// Reports every number that is none, wherever it stands, and puts a right one in its place: what is around it
    /// can then be judged. The tree gets a hole there, for the number in the text is still the wrong one.
    fn numbers(&mut self) {
        let (text, scan) = (self.text, self.scan);
        for (idx, token) in scan.tokens.iter().enumerate() {
            if self.diagnostics.len() >= MAX_FAULTS {
                return;
            }
            let Some((diagnostic, first)) = explain::number(self.file, text, &scan.tokens, idx) else {
                continue;
            };
            self.diagnostics.push(diagnostic);
            self.blank(&(first..idx + 1));
            if let (Some(byte), Some(alive)) = (self.bytes.get_mut(token.start), self.alive.get_mut(idx)) {
                *byte = b'0';
                *alive = true;
            }
        }
    }

    // ---- Items ----

    fn item(&mut self, range: Range<usize>) {
        if self.diagnostics.len() >= MAX_FAULTS {
            return self.blank(&range);
        }
        if !self.is_broken(&range) && self.check(Piece::Item, &range).is_ok() {
            return;
        }
        let keyword = split::item_keyword(self.text, &self.scan.tokens, &range);
        let word = self.word(keyword).to_owned();
        let known = ITEMS.contains(&word.as_str());
        let meant = if known { Some(word.as_str()) } else { crate::diagnostic::closest(&word, ITEMS) };
        let piece = match meant {
            Some("model" | "block" | "cell") => Some(Piece::Statement),
            Some("optimizer") => Some(Piece::Update),
            Some("data" | "train") => Some(Piece::Setting),
            _ => None,
        };
        let body = split::top_level(&self.scan.tokens, &range)
            .find(|idx| self.token(*idx).is_some_and(|token| token.kind == TokenKind::Open(b'{')));
        if let (Some(piece), Some(body)) = (piece, body) {
            self.body(piece, body, 1);
        }
        if self.is_broken(&range) {
            return self.blank(&range);
        }
        // What is left are faults of the head, and statements that are wrong only beside each other.
        for _ in 0..MAX_REPAIRS {
            let Err(fault) = self.check(Piece::Item, &range) else { return };
            self.report(&fault, &range, Piece::Item);
            let statement = piece.zip(body).and_then(|(piece, body)| self.statement_at(piece, body, &fault));
            match statement {
                Some(statement) => self.blank(&statement),
                None if self.drops_token(Piece::Item, &range, &fault) => return,
                None => break,
            }
        }
        self.blank(&range);
    }

    /// The statement of a body that a fault lies in.
    fn statement_at(&self, piece: Piece, body: usize, fault: &Fault) -> Option<Range<usize>> {
        let found = self.found(fault)?;
        let statements =
            split::statements(self.text, &self.scan.tokens, &self.inside(body)?, piece, Cut::ByWords);
        statements.into_iter().find(|range| range.contains(&found))
    }

    fn inside(&self, open: usize) -> Option<Range<usize>> {
        let partner = self.token(open)?.partner;
        Some(open + 1..partner.min(self.scan.tokens.len()))
    }

    // ---- Statements ----

    /// The statements between a brace and its partner.
    fn body(&mut self, piece: Piece, open: usize, depth: usize) {
        let Some(inside) = self.inside(open) else { return };
        for range in split::statements(self.text, &self.scan.tokens, &inside, piece, Cut::ByWords) {
            self.statement(piece, &range, depth);
        }
    }

    fn statement(&mut self, piece: Piece, range: &Range<usize>, depth: usize) {
        if !self.is_broken(range) && self.check(piece, range).is_ok() {
            return;
        }
        let lines = split::statements(self.text, &self.scan.tokens, range, piece, Cut::ByLines);
        let is_one = lines.len() < 2;
        let n_before = self.diagnostics.len();
        for line in lines {
            self.faulty(piece, &line, depth);
        }
        // Lines that are right one by one, but wrong together.
        if !is_one && self.diagnostics.len() == n_before && !self.is_broken(range) {
            self.faulty(piece, range, depth);
        }
    }

    fn faulty(&mut self, piece: Piece, range: &Range<usize>, depth: usize) {
        if self.diagnostics.len() >= MAX_FAULTS {
            return self.blank(range);
        }
        if !self.is_broken(range) && self.check(piece, range).is_ok() {
            return;
        }
        // What the scan reported inside of it may well be what is wrong with all of it.
        let is_explained = self.is_broken(range);
        if piece == Piece::Statement && depth < MAX_DEPTH {
            for open in split::bodies(self.text, &self.scan.tokens, range) {
                self.body(piece, open, depth + 1);
            }
        }
        if self.is_broken(range) {
            return self.blank(range);
        }
        let Err(fault) = self.check(piece, range) else { return };
        if is_explained {
            return self.blank(range);
        }
        if self.adds_let(piece, range) {
            return;
        }
        self.report(&fault, range, piece);
        if !self.adds_parentheses(piece, range, &fault) && !self.drops_token(piece, range, &fault) {
            self.blank(range);
        }
    }

    /// `z = x -> dense(3)` lacks its `let`, with which it would be right: reports that, and reads it so where there is
    /// room for the word. Whether that was so.
    fn adds_let(&mut self, piece: Piece, range: &Range<usize>) -> bool {
        let Some((start, end)) = self.bounds(range).filter(|_| piece == Piece::Statement) else {
            return false;
        };
        let is_assignment =
            self.word(range.start + 1) == "=" && !STATEMENTS.contains(&self.word(range.start));
        let text = self.bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("");
        if !is_assignment || check(piece, &format!("let {text}")).is_err() {
            return false;
        }
        let name = self.word(range.start).to_owned();
        self.diagnostics.push(explain::no_let(self.file, &name, start));
        let room = start.checked_sub(4).and_then(|from| self.bytes.get_mut(from..start));
        match room.filter(|room| room.iter().all(|byte| *byte == b' ')) {
            Some(room) => room.copy_from_slice(b"let "),
            None => self.blank(range),
        }
        true
    }

    /// `dense 16` is read as `dense(16)`, so that later stages do not miss an argument. Whether that was so.
    fn adds_parentheses(&mut self, piece: Piece, range: &Range<usize>, fault: &Fault) -> bool {
        let Some(found) =
            self.found(fault).filter(|found| piece == Piece::Statement && range.contains(found))
        else {
            return false;
        };
        let (Some((start, end)), Some(token)) = (self.bounds(range), self.token(found)) else { return false };
        if !matches!(token.kind, TokenKind::Number | TokenKind::Text) || token.start == 0 {
            return false;
        }
        let parentheses = [(token.start - 1, b'('), (token.end, b')')];
        let mut bytes = self.bytes.clone();
        for (at, parenthesis) in parentheses {
            match bytes.get_mut(at).filter(|byte| byte.is_ascii_whitespace()) {
                Some(byte) => *byte = parenthesis,
                None => return false,
            }
        }
        let text = bytes.get(start..end.max(token.end + 1)).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let is_right = text.is_some_and(|text| check(piece, text).is_ok());
        if is_right {
            self.bytes = bytes;
        }
        is_right
    }

    /// Often one token is too much: without it the rest can stay. Whether that was so.
    fn drops_token(&mut self, piece: Piece, range: &Range<usize>, fault: &Fault) -> bool {
        let Some(found) = self.found(fault).filter(|found| range.contains(found)) else { return false };
        let Some(token) = self.token(found) else { return false };
        // In `dense(3) ->` and `loss mse` below it the arrow is too much, and both lines can stay.
        if token.kind == TokenKind::Name && token.first_on_line && found > range.start {
            let halves = [range.start..found - 1, found..range.end];
            let stands = halves.iter().all(|half| !half.is_empty() && self.check(piece, half).is_ok());
            if stands {
                self.blank(&(found - 1..found));
            }
            return stands;
        }
        let before = self.bounds(&(found..found + 1)).and_then(|(start, end)| {
            let bytes = self.bytes.get(start..end)?.to_vec();
            Some((start, bytes))
        });
        self.blank(&(found..found + 1));
        if self.check(piece, range).is_ok() {
            return true;
        }
        // Back again, so that what is left is judged as it was written.
        if let Some((start, bytes)) = before {
            if let Some(place) = self.bytes.get_mut(start..start + bytes.len()) {
                place.copy_from_slice(&bytes);
            }
            if let Some(alive) = self.alive.get_mut(found) {
                *alive = true;
            }
        }
        false
    }
}
