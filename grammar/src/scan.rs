//! A tolerant scan ahead of the grammar: tokens, comments and brackets of any text, however broken.
//!
//! The grammar stops at the first fault. The scan never stops: it tells where statements lie, so that the parser can
//! read on behind a fault, and it bounds the depth of what the recursive parser is given. It knows brackets, strings
//! and words, and nothing of what they mean.

use crate::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Span},
};

mod brackets;

pub(crate) use brackets::MAX_DEPTH;

/// So many faults of one file are reported; what comes after is left unread.
pub(crate) const MAX_FAULTS: usize = 200;

/// What a token is, as far as reading on needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A word, keywords among them.
    Name,
    /// A number, well formed or not.
    Number,
    /// A string.
    Text,
    /// `(`, `[` or `{`
    Open(u8),
    /// `)`, `]` or `}`
    Close(u8),
    /// `->`, `=`, `+` and the like.
    Operator,
    /// What no text of the language contains.
    Stray,
}

/// One token of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    /// Whether only white space stands before it on its line.
    pub first_on_line: bool,
    /// Whether a fault of it was reported already: what contains it is dropped in silence.
    pub broken: bool,
    /// For an opening bracket the index of its partner, or of the token before which it is taken to end.
    pub partner: usize,
    /// Whether it is an opening bracket with a partner.
    pub is_closed: bool,
}

/// A comment of the text, docs among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedComment {
    /// Offset of the first slash.
    pub start: usize,
    /// Offset after the last character of the line.
    pub end: usize,
    /// Whether it begins with exactly three slashes.
    pub is_doc: bool,
    /// Whether only white space stands before it on its line.
    pub is_own_line: bool,
}

/// A scanned text.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Tokens in order, without closing brackets that close nothing.
    pub tokens: Vec<Token>,
    /// Comments in order.
    pub comments: Vec<ScannedComment>,
    /// Ranges that the grammar must not see: closing brackets that close nothing, a byte order mark.
    pub hidden: Vec<(usize, usize)>,
    /// Offsets of blanks where an opening brace was forgotten, and where the grammar sees one.
    pub added_braces: Vec<usize>,
    /// What is wrong with brackets and strings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Scans a text.
pub(crate) fn scan(file: FileId, text: &str) -> Scan {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        file,
        line_is_blank: true,
        line_end: 0,
        scan: Scan::default(),
    };
    if text.starts_with('\u{feff}') {
        scanner.at = '\u{feff}'.len_utf8();
        scanner.scan.hidden.push((0, scanner.at));
    }
    while scanner.at < text.len() {
        scanner.step();
    }
    let mut scan = scanner.scan;
    brackets::pair(file, text, &mut scan);
    scan.diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span);
    scan.diagnostics.truncate(MAX_FAULTS);
    scan
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    file: FileId,
    line_is_blank: bool,
    /// Where the line ends that was looked at last.
    line_end: usize,
    scan: Scan,
}

impl<'a> Scanner<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn step(&mut self) {
        match self.peek(0) {
            b'\n' => {
                self.line_is_blank = true;
                self.at += 1;
            }
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'/' if self.peek(1) == b'/' => self.comment(),
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'"' => self.string(),
            b'\'' => self.quote(),
            b'0'..=b'9' => self.number(),
            byte @ (b'(' | b'[' | b'{') => self.push(TokenKind::Open(byte), 1),
            byte @ (b')' | b']' | b'}') => self.push(TokenKind::Close(byte), 1),
            byte if is_word(byte) || !byte.is_ascii() => self.word(),
            _ => self.operator(),
        }
    }

    fn push(&mut self, kind: TokenKind, len: usize) {
        let start = self.at;
        self.at += len;
        let first_on_line = std::mem::replace(&mut self.line_is_blank, false);
        let (end, partner) = (self.at, usize::MAX);
        let token = Token { kind, start, end, first_on_line, broken: false, partner, is_closed: false };
        self.scan.tokens.push(token);
    }

    fn rest_of_line(&mut self) -> &'a str {
        // A line is searched for its end once, however many strings it holds.
        if self.line_end <= self.at {
            let rest = self.text.get(self.at..).unwrap_or("");
            self.line_end = rest.find('\n').map_or(self.text.len(), |len| self.at + len);
        }
        let line = self.text.get(self.at..self.line_end).unwrap_or("");
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn comment(&mut self) {
        let (start, line) = (self.at, self.rest_of_line());
        let is_doc = line.starts_with("///") && !line.starts_with("////");
        self.at += line.len();
        self.scan.comments.push(ScannedComment {
            start,
            end: self.at,
            is_doc,
            is_own_line: self.line_is_blank,
        });
    }

    fn block_comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        let len =
            rest.get(2..).and_then(|rest| rest.find("*/")).map_or(self.rest_of_line().len(), |at| at + 4);
        self.push(TokenKind::Stray, len);
    }

    /// A string ends with its line: one that spans lines is far more often a forgotten quote.
    fn string(&mut self) {
        let (start, line) = (self.at, self.rest_of_line());
        let mut is_escaped = false;
        for (idx, byte) in line.bytes().enumerate().skip(1) {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => return self.push(TokenKind::Text, idx + 1),
                _ => {}
            }
        }
        let len = line.trim_end().len();
        self.push(TokenKind::Text, len);
        if let Some(token) = self.scan.tokens.last_mut() {
            token.broken = true;
        }
        let end = Span::new(self.file, self.at, self.at);
        self.scan.diagnostics.push(
            Diagnostic::new(Code::E0105, "unclosed string", end, "expected `\"`, found the end of the line")
                .with_label(Span::new(self.file, start, start + 1), "the string begins here"),
        );
    }

    fn quote(&mut self) {
        let line = self.rest_of_line();
        let len = line.get(1..).and_then(|rest| rest.find('\'')).map_or(1, |at| at + 2);
        self.push(TokenKind::Stray, len);
    }

    /// Takes all that a reader would see as one number, so that a wrong one is reported whole.
    fn number(&mut self) {
        let mut len = 1;
        loop {
            let (byte, next) = (self.peek(len), self.peek(len + 1));
            let is_exponent = matches!(self.peek(len - 1), b'e' | b'E') && self.peek(1) != b'x';
            let is_part = match byte {
                _ if is_word(byte) => true,
                b'.' => next != b'.',
                b'+' | b'-' => is_exponent && (next.is_ascii_digit() || next == b'_'),
                _ => false,
            };
            if !is_part {
                break;
            }
            len += 1;
        }
        self.push(TokenKind::Number, len);
    }

    fn word(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        // A character that belongs to no word stands for itself.
        let len = if len == 0 { rest.chars().next().map_or(1, char::len_utf8) } else { len };
        let is_name = rest.as_bytes().iter().take(len).all(|byte| is_word(*byte));
        self.push(if is_name { TokenKind::Name } else { TokenKind::Stray }, len);
    }

    fn operator(&mut self) {
        const TWO: [&[u8; 2]; 8] = [b"->", b"==", b"!=", b"<=", b">=", b"&&", b"||", b"::"];
        let pair = [self.peek(0), self.peek(1)];
        if TWO.contains(&&pair) {
            return self.push(TokenKind::Operator, 2);
        }
        let is_known = b"=:,+-*/^<>!".contains(&pair[0]);
        self.push(if is_known { TokenKind::Operator } else { TokenKind::Stray }, 1);
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
