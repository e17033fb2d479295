//! Places in source text: files, byte ranges, lines and columns.
//!
//! A [`SourceMap`] owns every text that one compilation reads: the user's file, imported files and the standard
//! library. A [`Span`] is a byte range in one of them. Spans never own text and are cheap to copy.

use std::fmt;

use crate::one_line::one_line;

/// One text in a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u32);

/// A byte range `start..end` in one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file that the range lies in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self { file, start: start as u32, end: end as u32 }
    }

    /// The smallest span that covers both; both must lie in one file, else `self` is kept.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One source text with its name as shown to the user.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Name shown in messages and emitted comments, e.g. `iris.nn` or `std/losses.nn`: as whoever gave the text calls it.
    pub name: String,
    /// The text.
    pub text: String,
    line_starts: Vec<u32>,
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// All source texts of one compilation.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts
            .extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1));
        self.files.push(SourceFile { name: name.into(), text, line_starts });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file with this id, if it is in the map.
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// All files in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(idx, file)| (FileId(idx as u32), file))
    }

    /// The text under `span`, empty if the span is not in the map.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }

    /// The text under `span` on one line, without comments: as it is written in one, where it was written in one, and
    /// else as it would be.
    pub fn one_line(&self, span: Span) -> String {
        one_line(self.text(span))
    }

    /// Line and column of the start of `span`.
    pub fn line_column(&self, span: Span) -> LineColumn {
        let Some(file) = self.get(span.file) else { return LineColumn { line: 1, column: 1 } };
        let line = file.line_starts.partition_point(|start| *start <= span.start).max(1);
        let line_start = file.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let column =
            file.text.get(line_start..span.start as usize).map_or(0, |text| text.chars().count()) + 1;
        LineColumn { line, column }
    }

    /// `iris.nn:6:5`, as shown in messages and emitted comments.
    pub fn place(&self, span: Span) -> String {
        let name = self.get(span.file).map_or("<unknown>", |file| file.name.as_str());
        format!("{name}:{}", self.line_column(span))
    }
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
