//! The standard library: the texts of `std/*.nn`, embedded, and read like any other source.

use nnc_grammar::ast::Ast;
use nnc_grammar::diagnostic::Diagnostic;
use nnc_grammar::span::{FileId, SourceMap};

/// Name and text of each file, in the order in which they are read.
pub static FILES: &[(&str, &str)] = &[
    ("std/activations.nn", include_str!("../std/activations.nn")),
    ("std/losses.nn", include_str!("../std/losses.nn")),
    ("std/optimizers.nn", include_str!("../std/optimizers.nn")),
    ("std/schedules.nn", include_str!("../std/schedules.nn")),
    ("std/initializers.nn", include_str!("../std/initializers.nn")),
    ("std/cells.nn", include_str!("../std/cells.nn")),
    ("std/blocks.nn", include_str!("../std/blocks.nn")),
];

/// The standard library, read.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// Its definitions, file by file.
    pub ast: Ast,
    /// Its files.
    pub files: Vec<FileId>,
    /// What is wrong with it: nothing, which a test holds.
    pub diagnostics: Vec<Diagnostic>,
}

impl Library {
    /// Adds the files of the library to `sources` and reads them.
    ///
    /// ```
    /// use nnc_compiler::std_library::Library;
    /// use nnc_grammar::span::SourceMap;
    ///
    /// let mut sources = SourceMap::new();
    /// let library = Library::load(&mut sources);
    /// assert!(library.diagnostics.is_empty());
    /// assert!(!library.ast.items.is_empty());
    /// ```
    pub fn load(sources: &mut SourceMap) -> Self {
        let mut library = Self::default();
        for (name, text) in FILES {
            let file = sources.add(*name, *text);
            let parsed = nnc_grammar::parse(sources, file);
            library.ast.items.extend(parsed.ast.items);
            library.diagnostics.extend(parsed.diagnostics);
            library.files.push(file);
        }
        library
    }
}
