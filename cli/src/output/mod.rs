//! What the command says: results on the standard output, everything about them on the standard error.

mod json;
mod progress;
mod table;

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use nnc_grammar::diagnostic::{Color, Diagnostic, render_all};
use nnc_grammar::span::SourceMap;
use nnc_runtime::Error;

pub use json::Object;
pub use progress::Progress;
pub use table::columns;

/// The form of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object a line, for programs.
    Json,
}

/// Where messages go, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    color: Color,
    /// Whether only faults and results are worth telling.
    is_quiet: bool,
}

impl Output {
    /// Messages in this form; in colour where a person reads them and `NO_COLOR` is not set.
    pub fn new(format: Format) -> Self {
        let color = if is_colored(&std::io::stderr()) { Color::Always } else { Color::Never };
        Self { format, color, is_quiet: false }
    }

    /// The same without warnings and all that is only for the person who waits: what is done again and again says
    /// this once.
    pub fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    /// Whether programs read along.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A line of the result, for people.
    pub fn line(&self, text: &str) {
        if !self.is_json() {
            print(&format!("{text}\n"));
        }
    }

    /// An event, for programs.
    pub fn event(&self, object: Object) {
        if self.is_json() {
            print(&format!("{}\n", object.finish()));
        }
    }

    /// What is being done, for people.
    pub fn status(&self, text: &str) {
        if !self.is_json() && !self.is_quiet {
            complain(&format!("{text}\n"));
        }
    }

    /// Something that works, but perhaps not as meant.
    pub fn warning(&self, text: &str) {
        if self.is_quiet {
            return;
        }
        match self.format {
            Format::Text => complain(&format!("{} {text}\n", self.painted("warning:", "33;1"))),
            Format::Json => print(&format!("{}\n", Object::event("warning").text("message", text).finish())),
        }
    }

    /// What may help with a warning.
    pub fn note(&self, text: &str) {
        if !self.is_json() && !self.is_quiet {
            complain(&format!("  = help: {text}\n"));
        }
    }

    /// Faults and warnings of a source.
    pub fn diagnostics(&self, sources: &SourceMap, diagnostics: &[Diagnostic]) {
        if self.is_quiet && !diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        match self.format {
            Format::Text if diagnostics.is_empty() => {}
            Format::Text => complain(&render_all(sources, diagnostics, self.color)),
            Format::Json => diagnostics.iter().for_each(|diagnostic| {
                let json = diagnostic.to_json(sources);
                print(&format!("{{\"event\":\"diagnostic\",{}\n", json.trim_start_matches('{')));
            }),
        }
    }

    /// A fault of data, weights or training.
    pub fn error(&self, error: &Error) {
        match self.format {
            Format::Text => {
                let text = error.to_string();
                let rest =
                    text.strip_prefix(error.code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
                let head = self.painted(&format!("error[{}]:", error.code), "31;1");
                complain(&format!("{head} {rest}\n"));
            }
            Format::Json => {
                let mut object =
                    Object::event("error").text("code", error.code).text("message", &error.message);
                if let Some(place) = &error.place {
                    object = object.text("file", &place.file.display().to_string());
                    if let Some(line) = place.line {
                        object = object.whole("line", line);
                    }
                    if let Some(column) = &place.column {
                        object = object.text("column", column);
                    }
                }
                let object = object.texts("notes", &error.notes).texts("help", &error.help);
                print(&format!("{}\n", object.finish()));
            }
        }
    }

    fn painted(&self, text: &str, style: &str) -> String {
        match self.color {
            Color::Always => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            Color::Never => text.to_owned(),
        }
    }
}

/// Whether a stream shows colours to a person.
pub fn is_colored(stream: &impl IsTerminal) -> bool {
    let is_forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_forbidden && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether something that was printed did not arrive.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Writes to the standard output.
///
/// Who closes it, as `head` does, has read enough; the work goes on, for training makes more than lines. Any other fault
/// is kept for [`lost`].
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => IS_LOST.store(true, Ordering::Relaxed),
        _ => {}
    }
}

/// The fault of a standard output that did not take everything.
pub fn lost() -> Option<Error> {
    IS_LOST
        .load(Ordering::Relaxed)
        .then(|| Error::new("E0417", "not everything could be written to the standard output"))
}

/// Writes to the standard error. Nobody can be told when that fails.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A figure with four digits behind the point, or in front of an exponent where that would say nothing.
pub fn figure(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e6).contains(&magnitude) || !value.is_finite() {
        format!("{value:.4}")
    } else {
        format!("{value:.4e}")
    }
}
