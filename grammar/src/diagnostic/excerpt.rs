//! The part of a source text that a message shows, with over-long lines cut around what is pointed at.

use std::ops::Range;

use crate::span::Span;

/// Lines up to so many bytes are shown whole.
const MAX_LINE: usize = 240;

/// So many bytes are kept on each side of a place in a line that is cut.
const MARGIN: usize = 32;

/// What stands for text that was cut.
const CUT: &str = " … ";

/// A piece of source text, with the places of the whole text mapped into it.
pub(super) struct Excerpt {
    /// The text to show.
    pub text: String,
    /// Number of its first line, from 1.
    pub first_line: usize,
    /// Whether a line was cut, so that columns in it are not those of the source.
    pub is_cut: bool,
    /// Kept stretches: their range in the source, and where they begin in `text`.
    kept: Vec<(Range<usize>, usize)>,
}

impl Excerpt {
    /// The lines of `source` from the first place to the last.
    pub(super) fn new(source: &str, places: &[Range<usize>]) -> Self {
        let start = places.iter().map(|place| place.start).min().unwrap_or(0);
        let end = places.iter().map(|place| place.end).max().unwrap_or(0).max(start);
        let start = line_start(source, start);
        let end = source.get(end..).and_then(|rest| rest.find('\n')).map_or(source.len(), |at| end + at);
        let first_line = source.get(..start).map_or(0, |before| before.matches('\n').count()) + 1;
        let mut excerpt = Self { text: String::new(), first_line, is_cut: false, kept: Vec::new() };
        let mut at = start;
        for line in source.get(start..end).unwrap_or("").split_inclusive('\n') {
            excerpt.line(source, at..at + line.len(), places);
            at += line.len();
        }
        // The end of a text that ends with a line break is a line of its own.
        excerpt.keep(source, at..at);
        excerpt
    }

    fn line(&mut self, source: &str, line: Range<usize>, places: &[Range<usize>]) {
        if line.len() <= MAX_LINE {
            return self.keep(source, line);
        }
        self.is_cut = true;
        let has_break = source.get(line.clone()).is_some_and(|text| text.ends_with('\n'));
        let inner = line.start..line.end - usize::from(has_break);
        let mut ends: Vec<usize> = places.iter().flat_map(|place| [place.start, place.end]).collect();
        ends.retain(|end| inner.start <= *end && *end <= inner.end);
        ends.push(inner.start);
        ends.sort_unstable();
        let mut windows: Vec<Range<usize>> = Vec::new();
        for end in ends {
            let from = boundary(source, end.saturating_sub(MARGIN).max(inner.start));
            let to = boundary(source, (end + MARGIN).min(inner.end));
            match windows.last_mut() {
                Some(last) if from <= last.end + CUT.len() => last.end = last.end.max(to),
                _ => windows.push(from..to),
            }
        }
        let last = windows.last().map_or(inner.start, |window| window.end);
        for (idx, window) in windows.into_iter().enumerate() {
            if idx > 0 {
                self.text.push_str(CUT);
            }
            self.keep(source, window);
        }
        if last < inner.end {
            self.text.push_str(CUT.trim_end());
        }
        self.keep(source, inner.end..line.end);
    }

    fn keep(&mut self, source: &str, range: Range<usize>) {
        self.kept.push((range.clone(), self.text.len()));
        self.text.push_str(source.get(range).unwrap_or(""));
    }

    /// Where a place of the source lies in the excerpt.
    pub(super) fn place(&self, place: &Range<usize>) -> Range<usize> {
        let start = self.offset(place.start);
        start..self.offset(place.end).max(start)
    }

    /// How a place would be named if the excerpt were the source.
    pub(super) fn place_name(&self, name: &str, span: Span) -> String {
        let before = self.text.get(..self.offset(span.start as usize)).unwrap_or("");
        let line = self.first_line + before.matches('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("{name}:{line}:{column}")
    }

    fn offset(&self, at: usize) -> usize {
        let holds = |(range, _): &&(Range<usize>, usize)| range.start <= at && at <= range.end;
        // The last stretch that holds it: a place at a line's start belongs to that line.
        let stretch = self.kept.iter().rev().find(holds);
        stretch.map_or(self.text.len(), |(range, start)| (start + at - range.start).min(self.text.len()))
    }
}

fn line_start(source: &str, at: usize) -> usize {
    source.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The nearest place before `at` between two characters.
fn boundary(source: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
}
