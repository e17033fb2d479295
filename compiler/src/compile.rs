//! The whole way from text to tokens.

use nnc_grammar::diagnostic::Diagnostic;
use nnc_grammar::span::{FileId, SourceMap};
use proc_macro2::TokenStream;

use crate::program::Program;

/// What the user sets from outside.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--set hidden=64`: model parameters by name, values as written.
    pub set: Vec<(String, String)>,
    /// Which model of the file, when it holds several; all of them without it.
    pub model: Option<String>,
}

/// One model, through all stages.
#[derive(Debug, Clone)]
pub struct CompiledModel {
    /// Resolved.
    pub program: Program,
    /// Emitted: one module's worth of items.
    pub tokens: TokenStream,
}

/// What a text was compiled to.
#[derive(Debug, Clone, Default)]
pub struct Compilation {
    /// All texts that were read, the user's first.
    pub sources: SourceMap,
    /// The user's file.
    pub file: FileId,
    /// The models that could be compiled.
    pub models: Vec<CompiledModel>,
    /// Errors, warnings and notes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a text; `name` is shown in messages and emitted comments.
pub fn compile(_name: &str, _text: &str, _options: &Options) -> Compilation {
    Compilation::default()
}

/// Emitted tokens as formatted Rust.
pub fn to_rust(_tokens: &TokenStream) -> String {
    String::new()
}
