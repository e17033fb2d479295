//! Text to syntax tree. Only here, and in `parse/`, are the rules of `nn.pest` named.
//!
//! [`parse`] scans the text, bounds its depth, and gives it whole to the grammar. If the grammar objects, the faulty
//! pieces are found, reported and blanked out (see `recover.rs`), and what is left is read. So a tree comes back for
//! every text, and it holds nothing that was reported as wrong.

use crate::{
    ast::Ast,
    diagnostic::{self, Code, Diagnostic},
    recover,
    scan::{Scan, scan},
    span::{FileId, SourceMap, Span},
};

mod expressions;
mod items;
mod rules;
mod statements;

pub(crate) use rules::{Fault, Piece, check};

use items::Builder;
use rules::read_bytes;

/// The largest text that is read, in bytes. A program that loads files need not read more than this and one byte.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// What a text was read as.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The tree; what was wrong is left out of it.
    pub ast: Ast,
    /// Faults, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads one file of `sources`.
///
/// Never fails and never panics: each fault of the text is a diagnostic, and the tree holds what was right.
///
/// # Errors, as diagnostics
///
/// E0101 unexpected text, E0102 empty file, E0103 nested too deeply, E0104 invalid number, E0105 unclosed bracket or
/// string, E0106 source file too large.
///
/// ```
/// use nnc_grammar::{parse, span::SourceMap};
///
/// let mut sources = SourceMap::new();
/// let file = sources.add("xor.nn", "model Xor { input [2]  dense(2) -> tanh  dense(1) }");
/// let parsed = parse(&sources, file);
/// assert!(parsed.diagnostics.is_empty());
/// assert_eq!(parsed.ast.items.len(), 1);
/// ```
pub fn parse(sources: &SourceMap, file: FileId) -> Parsed {
    let Some(source) = sources.get(file) else { return Parsed::default() };
    let text = source.text.as_str();
    if let Some(diagnostic) = check_size(file, text.len()) {
        return Parsed { ast: Ast::default(), diagnostics: vec![diagnostic] };
    }
    let mut scan = scan(file, text);
    let mut diagnostics = std::mem::take(&mut scan.diagnostics);
    if scan.tokens.is_empty() && diagnostics.is_empty() {
        diagnostics.push(empty(file, &scan));
    }
    let visible = recover::visible(text, &scan);
    let is_broken = scan.tokens.iter().any(|token| token.broken);
    let first = if is_broken { None } else { read_bytes(Piece::File, &visible).ok() };
    let repaired;
    let pairs = match first {
        Some(pairs) => Some(pairs),
        None => {
            repaired = recover::recover(file, text, &scan, visible.clone(), &mut diagnostics);
            let second = read_bytes(Piece::File, &repaired);
            if let Err(fault) = &second
                && diagnostics.is_empty()
            {
                diagnostics.push(recover::explain(file, text, &scan, fault));
            }
            second.ok()
        }
    };
    let mut builder = Builder::new(file, text, &scan, diagnostics);
    let mut ast = pairs.map_or_else(Ast::default, |pairs| builder.file(pairs));
    ast.comments = builder.comments();
    let mut diagnostics = builder.into_diagnostics();
    diagnostic::sort(&mut diagnostics);
    Parsed { ast, diagnostics }
}
fn check_size(file: FileId, bytes: usize) -> Option<Diagnostic> {
    if bytes <= MAX_SOURCE_BYTES {
        return None;
    }
    let label = format!("expected at most {MAX_SOURCE_BYTES} bytes, found {bytes}");
    let diagnostic = Diagnostic::new(Code::E0106, "source file is too large", Span::new(file, 0, 0), label);
    Some(diagnostic.with_note("a model is a few kilobytes; is this a data file?"))
}

fn empty(file: FileId, scan: &Scan) -> Diagnostic {
    let found = if scan.comments.is_empty() { "nothing" } else { "only comments" };
    let label = format!("expected a model or another definition, found {found}");
    Diagnostic::new(Code::E0102, "file is empty", Span::new(file, 0, 0), label)
        .with_help("the smallest model is `model Name { input [4]  dense(3) }`")
}
