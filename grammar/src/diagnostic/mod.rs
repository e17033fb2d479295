//! Diagnostics as data: a code, places, what was expected and found, and what would help.
//!
//! Every stage returns diagnostics of this one type; `render.rs` only draws them. The text of a message is written
//! where the check is made: lower case, no full stop, names in backticks. Only `help` advises.

mod codes;
mod elsewhere;
#[cfg(feature = "render")]
mod excerpt;
mod json;
#[cfg(feature = "render")]
mod render;
mod suggest;

pub use codes::{Code, all_codes};
#[cfg(feature = "render")]
pub use render::{Color, render, render_all};
pub use suggest::closest;

use elsewhere::{advice, elsewhere};

use crate::span::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be made of this source.
    Error,
    /// It works, but probably not as meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place with a few words about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What there is to say about it; may be empty.
    pub text: String,
}

/// A replacement that would mend the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What to replace; empty for an insertion.
    pub span: Span,
    /// The new text.
    pub replacement: String,
}

/// One message about a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code that `nnc explain` knows.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The fact, in one line.
    pub message: String,
    /// The smallest place that is wrong; its text says "expected …, found …".
    pub primary: Label,
    /// Where the expectation came from.
    pub secondary: Vec<Label>,
    /// More facts.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Vec<String>,
    /// An edit that would mend it.
    pub suggestion: Option<Suggestion>,
}

impl Diagnostic {
    /// An error with its place; the severity follows from the code's letter.
    pub fn new(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: Label { span, text: label.into() },
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            suggestion: None,
        }
    }

    /// Adds a second place.
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a note.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds advice with the edit, if one of `known` is close to `found`, or is what other frameworks call by that name.
    pub fn with_closest<'a>(mut self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let is_elsewhere = elsewhere(found, &known).is_some();
        if let Some(advice) = advice(found).filter(|_| !is_elsewhere) {
            self.help.push(advice.to_owned());
        } else if let Some(name) = meant(found, known) {
            self.help.push(format!("did you mean `{name}`?"));
            self.suggestion = Some(Suggestion { span: self.primary.span, replacement: name.to_owned() });
        }
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The name of `known` that is meant by `found`: what other frameworks call by that name, or what is close to it.
///
/// ```
/// use nnc_grammar::diagnostic::meant;
///
/// assert_eq!(meant("Linear", ["relu", "dense"]), Some("dense"));
/// assert_eq!(meant("CrossEntropyLoss", ["mse", "cross_entropy"]), Some("cross_entropy"));
/// assert_eq!(meant("rleu", ["dense", "relu"]), Some("relu"));
/// ```
pub fn meant<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    elsewhere(found, &known).or_else(|| closest(found, known))
}

/// Sorts by place and drops what repeats a place and code: one message per cause.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (a.primary.span, a.severity, a.code.as_str()).cmp(&(b.primary.span, b.severity, b.code.as_str()))
    });
    diagnostics
        .dedup_by(|b, a| a.primary.span == b.primary.span && a.code == b.code && a.message == b.message);
}
