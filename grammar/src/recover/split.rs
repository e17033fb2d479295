//! Where items and statements begin, judged by tokens alone.
//!
//! Line breaks carry no meaning, so a piece begins where a name follows what ends a value: in `dense(3) relu` that is
//! `relu`. Names behind the keyword of their statement, as in `loss mse`, belong to it.

use std::ops::Range;

use super::ITEMS;
use crate::{
    diagnostic::closest,
    parse::Piece,
    scan::{Token, TokenKind},
};

/// What may begin a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// A name behind the end of a value.
    ByWords,
    /// Also a name at the beginning of a line, unless an operator stands before it.
    ByLines,
}

/// The text of a token, empty if there is none.
pub(super) fn word<'a>(text: &'a str, tokens: &[Token], idx: usize) -> &'a str {
    tokens.get(idx).and_then(|token| text.get(token.start..token.end)).unwrap_or("")
}

/// Words that are never names.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(word, "let" | "if" | "else" | "true" | "false")
}

/// The tokens of a range that stand in no bracket of it; closing brackets are passed over.
pub(super) fn top_level<'a>(tokens: &'a [Token], range: &Range<usize>) -> impl Iterator<Item = usize> + 'a {
    let (mut next, end) = (range.start, range.end.min(tokens.len()));
    std::iter::from_fn(move || {
        let idx = next;
        let token = tokens.get(idx).filter(|_| idx < end)?;
        next = match token.kind {
            TokenKind::Open(_) if token.is_closed => token.partner + 1,
            TokenKind::Open(_) => token.partner.max(idx + 1),
            _ => idx + 1,
        };
        Some(idx)
    })
}

/// Whether a value can end with this token; an opening bracket stands for its whole group.
fn ends_value(token: &Token) -> bool {
    matches!(token.kind, TokenKind::Name | TokenKind::Number | TokenKind::Text | TokenKind::Open(_))
}

/// Cuts the whole text into items.
pub(super) fn items(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let whole = 0..tokens.len();
    let mut starts = vec![0];
    let mut start = 0;
    let mut before: Option<usize> = None;
    for idx in top_level(tokens, &whole) {
        if let Some(previous) = before
            && begins_item(text, tokens, start, previous, idx)
        {
            starts.push(idx);
            start = idx;
        }
        before = Some(idx);
    }
    ranges(&starts, tokens.len())
}

fn begins_item(text: &str, tokens: &[Token], start: usize, previous: usize, idx: usize) -> bool {
    let (Some(token), Some(previous_token)) = (tokens.get(idx), tokens.get(previous)) else { return false };
    let found = word(text, tokens, idx);
    let is_condition = matches!(word(text, tokens, previous), "if" | "else");
    if token.kind != TokenKind::Name || is_condition || matches!(found, "if" | "else") {
        return false;
    }
    let opens = ITEMS.contains(&found) || found == "pub";
    if token.first_on_line && opens && previous_token.kind == TokenKind::Stray {
        return true;
    }
    if !ends_value(previous_token) {
        return token.first_on_line && opens && begins_by_look(text, tokens, idx);
    }
    let keyword = item_keyword(text, tokens, &(start..idx + 1));
    if idx <= keyword {
        return false;
    }
    let opening = word(text, tokens, keyword);
    // `model data {` names a model `data`; `garbage model X {` begins a model.
    if previous == keyword {
        return opens && !ITEMS.contains(&opening);
    }
    let is_import = opening == "import" || closest(opening, ITEMS) == Some("import");
    if is_import { opens || (token.first_on_line && found != "from" && found != "weights") } else { true }
}

/// `model Name`, `data {`: a keyword with what follows it.
fn begins_by_look(text: &str, tokens: &[Token], idx: usize) -> bool {
    let Some(next) = tokens.get(idx + 1) else { return false };
    match word(text, tokens, idx) {
        "data" | "train" => next.kind == TokenKind::Open(b'{'),
        "use" => next.kind == TokenKind::Text,
        _ => next.kind == TokenKind::Name,
    }
}

/// Index of the word that says what an item is: the first, or the one behind `pub` or `pub(crate)`.
pub(super) fn item_keyword(text: &str, tokens: &[Token], range: &Range<usize>) -> usize {
    if word(text, tokens, range.start) != "pub" {
        return range.start;
    }
    let mut next = range.start + 1;
    if let Some(token) =
        tokens.get(next).filter(|token| token.kind == TokenKind::Open(b'(') && token.is_closed)
    {
        next = token.partner + 1;
    }
    next
}

/// Cuts a body, or a piece of it, into statements.
pub(super) fn statements(
    text: &str,
    tokens: &[Token],
    range: &Range<usize>,
    piece: Piece,
    cut: Cut,
) -> Vec<Range<usize>> {
    let mut starts = vec![range.start];
    let mut start = range.start;
    let mut before: Option<usize> = None;
    for idx in top_level(tokens, range) {
        if let Some(previous) = before
            && begins_statement(text, tokens, start, previous, idx, piece, cut)
        {
            starts.push(idx);
            start = idx;
        }
        before = Some(idx);
    }
    ranges(&starts, range.end).into_iter().filter(|range| !range.is_empty()).collect()
}

fn begins_statement(
    text: &str,
    tokens: &[Token],
    start: usize,
    previous: usize,
    idx: usize,
    piece: Piece,
    cut: Cut,
) -> bool {
    let (Some(token), Some(previous_token)) = (tokens.get(idx), tokens.get(previous)) else { return false };
    if token.kind != TokenKind::Name || matches!(word(text, tokens, idx), "if" | "else") {
        return false;
    }
    let by_line = cut == Cut::ByLines && token.first_on_line;
    let first = word(text, tokens, start);
    if word(text, tokens, idx) == "let" {
        return true;
    }
    match previous_token.kind {
        _ if ends_value(previous_token) => {}
        TokenKind::Stray => return by_line || (cut == Cut::ByLines && word(text, tokens, previous) == ";"),
        // Only lists of names go on behind a comma.
        _ if word(text, tokens, previous) == "," => {
            let is_setting = cut == Cut::ByLines && piece == Piece::Setting;
            return is_setting || (by_line && !matches!(first, "metrics" | "output" | "state"));
        }
        _ => return false,
    }
    if by_line {
        return true;
    }
    match piece {
        // The name behind a key is its value.
        Piece::Setting => previous != start,
        _ => {
            let keywords = ["input", "let", "loss", "optimizer", "metrics", "output", "state"];
            let before = word(text, tokens, previous);
            // `relu -> loss mse` is one statement, and a wrong one.
            let is_near = previous == start || !token.first_on_line;
            let follows_keyword = keywords.contains(&before) && is_near;
            !follows_keyword && !matches!(before, "if" | "repeat")
        }
    }
}

/// The braces of a statement that hold statements, in order; those of `if` and `else` hold values.
pub(super) fn bodies(text: &str, tokens: &[Token], range: &Range<usize>) -> Vec<usize> {
    let mut bodies = Vec::new();
    let mut is_if = false;
    let mut previous = "";
    for idx in top_level(tokens, range) {
        let word = word(text, tokens, idx);
        let is_brace = tokens.get(idx).is_some_and(|token| token.kind == TokenKind::Open(b'{'));
        if is_brace && !std::mem::take(&mut is_if) && previous != "else" {
            bodies.push(idx);
        }
        is_if |= word == "if";
        previous = word;
    }
    bodies
}

fn ranges(starts: &[usize], end: usize) -> Vec<Range<usize>> {
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .filter(|(start, end)| start < end)
        .map(|(start, end)| start..end)
        .collect()
}
