//! Text being written: lines, indents, and comments, behind which a line always ends.

/// Spaces an indent.
pub(super) const INDENT: usize = 4;

/// Columns that a line may fill.
pub(super) const WIDTH: usize = 110;

/// Comments are aligned with each other up to this column; behind longer lines they stand where the text ends.
const MAX_ALIGNED: usize = 60;

/// The printed text so far.
#[derive(Default)]
pub(super) struct Output {
    text: String,
    /// Characters in the last line.
    column: usize,
    indent: usize,
    /// Whether the last line ends with a comment, so that nothing may follow in it.
    has_comment: bool,
    /// Number of the last line.
    line: usize,
    /// Comments behind other text.
    trailing: Vec<Trailing>,
}

/// A comment behind other text.
struct Trailing {
    line: usize,
    /// Columns before it.
    column: usize,
    /// Offset of its slashes.
    at: usize,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Columns left in the line.
    pub(super) fn room(&self) -> usize {
        if self.has_comment { WIDTH.saturating_sub(self.indent) } else { WIDTH.saturating_sub(self.column) }
    }

    pub(super) fn push(&mut self, text: &str) {
        if self.has_comment {
            self.line(self.indent, false);
        }
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    /// Begins a line, behind an empty one if `is_wide`.
    pub(super) fn line(&mut self, indent: usize, is_wide: bool) {
        self.has_comment = false;
        self.indent = indent;
        self.column = indent;
        if self.text.is_empty() {
            return;
        }
        self.trim();
        self.text.push('\n');
        self.line += 1;
        if is_wide {
            self.text.push('\n');
            self.line += 1;
        }
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.push("//");
        self.push(text);
        self.has_comment = true;
    }

    /// Whether nothing may follow in the line.
    pub(super) fn ends_with_comment(&self) -> bool {
        self.has_comment
    }

    /// A comment behind what the line holds.
    pub(super) fn trailing_comment(&mut self, text: &str) {
        self.trim();
        self.push(" ");
        self.trailing.push(Trailing { line: self.line, column: self.column, at: self.text.len() });
        self.comment(text);
    }

    fn trim(&mut self) {
        let len = self.text.trim_end_matches(' ').len();
        self.column = self.column.saturating_sub(self.text.len() - len);
        self.text.truncate(len);
    }

    /// The text, ending with one line break. Comments behind neighbouring lines stand below each other.
    pub(super) fn finish(mut self) -> String {
        self.trim();
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let mut aligned = String::with_capacity(self.text.len());
        let mut copied = 0;
        for group in self.trailing.chunk_by(|above, below| above.line + 1 == below.line) {
            let column = group.iter().map(|comment| comment.column).max().unwrap_or(0);
            let column = if column <= MAX_ALIGNED { column } else { 0 };
            for comment in group {
                aligned.push_str(self.text.get(copied..comment.at).unwrap_or(""));
                aligned.extend(std::iter::repeat_n(' ', column.saturating_sub(comment.column)));
                copied = comment.at;
            }
        }
        aligned.push_str(self.text.get(copied..).unwrap_or(""));
        aligned
    }
}
