//! What went wrong with data, weights or training: one type for all of it.
//!
//! The core of the runtime has errors of its own ([`ShapeError`], [`StepError`]) that need no allocator; they become
//! an [`Error`] here. Codes are those that `nnc explain` knows.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::{ShapeError, StepError, TensorError};

/// A fault in data, weights or training, with its code, its place, and what may help.
///
/// ```
/// use nnc_runtime::Error;
///
/// let error = Error::new("E0408", "missing value in column `width`").at("iris.csv").line(17).column("width");
/// assert_eq!(error.to_string(), "E0408: missing value in column `width`\n  --> iris.csv:17, column `width`");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// The code: `E0408`.
    pub code: &'static str,
    /// What is wrong, with what was expected and found.
    pub message: String,
    /// Where, if it is in a file.
    pub place: Option<Box<Place>>,
    /// Further facts, one sentence each.
    pub notes: Vec<String>,
    /// What to do about it, where a remedy is likely right.
    pub help: Vec<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: Option<u64>,
    /// The column, by its name in the header.
    pub column: Option<String>,
}

impl Error {
    /// An error with a code and a message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), place: None, notes: Vec::new(), help: Vec::new() }
    }

    /// Puts it in a file.
    pub fn at(mut self, file: impl AsRef<Path>) -> Self {
        self.place_mut().file = file.as_ref().to_path_buf();
        self
    }

    /// Puts it on a line of the file, counted from 1.
    pub fn line(mut self, line: u64) -> Self {
        self.place_mut().line = Some(line);
        self
    }

    /// Puts it in a named column of the file.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.place_mut().column = Some(column.into());
        self
    }

    /// Adds a fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// E0414: a file that cannot be read.
    pub fn read(path: &Path, error: &std::io::Error) -> Self {
        Self::new("E0414", format!("cannot read `{}`: {}", path.display(), reason(error))).at(path)
    }

    /// E0417: a file that cannot be written.
    pub fn write(path: &Path, error: &std::io::Error) -> Self {
        Self::new("E0417", format!("cannot write `{}`: {}", path.display(), reason(error))).at(path)
    }

    fn place_mut(&mut self) -> &mut Place {
        self.place.get_or_insert_default()
    }
}

/// The system's reason without its number, beginning in lower case as all messages do.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// As it is displayed: that is what a program shows whose `main` returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  --> {place}")?;
        }
        for note in &self.notes {
            write!(f, "\n  = note: {note}")?;
        }
        for help in &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<ShapeError> for Error {
    fn from(error: ShapeError) -> Self {
        Self::new("E0416", error.to_string())
    }
}

impl From<TensorError> for Error {
    fn from(error: TensorError) -> Self {
        Self::new("E0413", error.to_string())
    }
}

impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        Self::new("E0416", error.to_string())
    }
}

/// The first few of many names, for a message: `a, b, c and 4 more`.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn count(n: usize, what: &str) -> String {
    let plural = if what.ends_with("ss") { "es" } else { "s" };
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}{plural}") }
}

/// The known name that a misspelt one stands for, if one is close enough: at most a third of its letters wrong.
pub(crate) fn closest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = found.chars().take(64).flat_map(char::to_lowercase).collect();
    let limit = (letters.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let other: Vec<char> = name.chars().take(64).flat_map(char::to_lowercase).collect();
        if other.len().abs_diff(letters.len()) > limit || other.len().max(letters.len()) < 2 {
            continue;
        }
        let distance = edits(&letters, &other);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Letters added, dropped or changed to make one word of the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut above_left = i;
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            before = (above_left + usize::from(left != right)).min(above + 1).min(before + 1);
            above_left = above;
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_in_both_directions() {
        let steps = |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(steps("kitten", "sitting"), 3);
        assert_eq!(steps("sitting", "kitten"), 3);
        assert_eq!(steps("", "abc"), 3);
        assert_eq!(steps("abc", ""), 3);
        assert_eq!(steps("abc", "abc"), 0);
    }

    #[test]
    fn a_close_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(closest("specis", ["sepal_length", "species"]), Some("species"));
        assert_eq!(closest("Species", ["species"]), Some("species"));
        assert_eq!(closest("colour", ["species"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }

    #[test]
    fn a_reason_is_lower_case_and_has_no_number() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        assert!(listed(&names).ends_with("`11` and 8 more"));
        assert_eq!(listed(&["a"]), "`a`");
    }
}
