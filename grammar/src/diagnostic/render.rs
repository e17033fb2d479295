//! Diagnostics drawn as text, the way rustc does. It adds no words of its own but the closing count.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, excerpt::Excerpt};
use crate::span::{FileId, SourceFile, SourceMap, Span};

/// Whether to use terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

/// Draws one diagnostic, without a line break at its end.
///
/// Lines too long for a terminal are cut around what is pointed at.
pub fn render(sources: &SourceMap, diagnostic: &Diagnostic, color: Color) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let mut drawing = Drawing { sources, diagnostic, group: Group::with_title(title), columns: Vec::new() };
    drawing.file(diagnostic.primary.span);
    for first in other_files(diagnostic) {
        drawing.file(first);
    }
    let Drawing { mut group, columns, .. } = drawing;
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    // Lines are cut here already, around every place and not around one.
    let text = renderer(color).term_width(usize::MAX / 2).render(&[group]);
    columns.into_iter().fold(text, |text, (drawn, real)| text.replacen(&drawn, &real, 1))
}

/// Draws several diagnostics, each followed by an empty line, and closes with a count such as
/// `error: 2 errors, 1 warning in iris.nn`. Nothing at all for no diagnostics.
pub fn render_all(sources: &SourceMap, diagnostics: &[Diagnostic], color: Color) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&render(sources, diagnostic, color));
        text.push_str("\n\n");
    }
    if let Some(closing) = closing(sources, diagnostics, color) {
        text.push_str(&closing);
        text.push('\n');
    }
    text
}

fn renderer(color: Color) -> Renderer {
    match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    }
}

/// The first place in each other file that labels point into, in order of mention.
fn other_files(diagnostic: &Diagnostic) -> Vec<Span> {
    let mut places: Vec<Span> = vec![diagnostic.primary.span];
    for label in &diagnostic.secondary {
        if places.iter().all(|known| known.file != label.span.file) {
            places.push(label.span);
        }
    }
    places.split_off(1)
}

struct Drawing<'a> {
    sources: &'a SourceMap,
    diagnostic: &'a Diagnostic,
    group: Group<'a>,
    /// Places as they would be drawn for lines that were cut, with what they should be.
    columns: Vec<(String, String)>,
}

impl<'a> Drawing<'a> {
    /// Adds the labels of one file.
    fn file(&mut self, first: Span) {
        let Some(source) = self.sources.get(first.file) else { return };
        let element = self.snippet(source, first);
        let group = std::mem::replace(&mut self.group, Group::with_level(Level::ERROR));
        self.group = group.element(element);
    }

    fn snippet(&mut self, source: &'a SourceFile, first: Span) -> Element<'a> {
        let primary = Some(&self.diagnostic.primary).filter(|label| label.span.file == first.file);
        let secondary = self.diagnostic.secondary.iter().filter(|label| label.span.file == first.file);
        let labels: Vec<(AnnotationKind, &Label)> = primary
            .map(|label| (AnnotationKind::Primary, label))
            .into_iter()
            .chain(secondary.map(|label| (AnnotationKind::Context, label)))
            .collect();
        let range = |label: &Label| clamp(&source.text, label.span);
        let places: Vec<Range<usize>> = labels.iter().map(|(_, label)| range(label)).collect();
        let excerpt = Excerpt::new(&source.text, &places);
        if excerpt.is_cut {
            self.columns.push((excerpt.place_name(&source.name, first), self.sources.place(first)));
        }
        let annotations: Vec<_> = labels
            .iter()
            .map(|(kind, label)| annotation(*kind, excerpt.place(&range(label)), label))
            .collect();
        let snippet = Snippet::source(excerpt.text).path(source.name.as_str()).line_start(excerpt.first_line);
        snippet.annotations(annotations).into()
    }
}

fn annotation<'a>(kind: AnnotationKind, range: Range<usize>, label: &'a Label) -> Annotation<'a> {
    let annotation = kind.span(range);
    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
}

/// The bytes of a span, made to fit the text.
fn clamp(text: &str, span: Span) -> Range<usize> {
    let fit = |at: u32| {
        let at = (at as usize).min(text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = fit(span.start);
    start..fit(span.end).max(start)
}

fn closing(sources: &SourceMap, diagnostics: &[Diagnostic], color: Color) -> Option<String> {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (n_errors, n_warnings) = (count(Severity::Error), count(Severity::Warning));
    let counts: Vec<String> = [(n_errors, "error"), (n_warnings, "warning")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") })
        .collect();
    if counts.is_empty() {
        return None;
    }
    let mut files: Vec<FileId> = diagnostics.iter().map(|diagnostic| diagnostic.primary.span.file).collect();
    files.sort_unstable();
    files.dedup();
    let place = match files.as_slice() {
        [file] => sources.get(*file).map_or_else(String::new, |file| format!(" in {}", file.name)),
        files => format!(" in {} files", files.len()),
    };
    let level = if n_errors > 0 { Level::ERROR } else { Level::WARNING };
    let title = format!("{}{place}", counts.join(", "));
    Some(renderer(color).render(&[Group::with_title(level.primary_title(title))]))
}

#[cfg(test)]
mod tests;
