//! stub
use crate::{diagnostic::Diagnostic, span::SourceMap};
/// Whether to use terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}
/// Draws one diagnostic.
pub fn render(_sources: &SourceMap, _diagnostic: &Diagnostic, _color: Color) -> String { String::new() }
/// Draws several with a closing count.
pub fn render_all(_sources: &SourceMap, _diagnostics: &[Diagnostic], _color: Color) -> String { String::new() }
