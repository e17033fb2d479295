//! Compiles `.nn` models from a build script.
//!
//! In `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), nnc_build::Error> {
//!     nnc_build::compile("models/iris.nn")
//! }
//! ```
//!
//! and in the crate, which depends on `nnc`:
//!
//! ```ignore
//! nnc::include_model!("iris");
//!
//! let iris = Iris::new(7);
//! ```
//!
//! The code is that of `nnc::network!("models/iris.nn")`. It lies in cargo's `OUT_DIR` as a file, formatted and
//! commented, so that editors and debuggers show it; the macro needs no build script.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nnc_compiler::files::Files;
use nnc_compiler::{Compilation, Options, compile_with, door};
use nnc_grammar::diagnostic::{Color, Severity, render, render_all};
use quote::quote;

mod error;
mod write;

pub use error::Error;

/// Compiles the models of a file, with the parameters it gives itself. The path is relative to the folder of
/// `Cargo.toml`.
///
/// `models/iris.nn` becomes `iris.rs` in `OUT_DIR`. Cargo is told to run the script again when the file changes, or one
/// that it uses, and warnings about the model are shown as warnings of cargo.
///
/// # Errors
/// When the file cannot be read, the model has an error, or the code cannot be written.
pub fn compile(path: impl AsRef<Path>) -> Result<(), Error> {
    Builder::new().compile(path)
}

/// [`compile`] with model parameters or another folder.
///
/// ```no_run
/// # fn main() -> Result<(), nnc_build::Error> {
/// nnc_build::Builder::new().set("hidden", 128).compile("models/digits.nn")
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    options: Options,
    out_dir: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// No parameters, and `OUT_DIR`.
    pub fn new() -> Self {
        Self { options: Options { is_code: true, ..Options::default() }, out_dir: None }
    }

    /// Gives a parameter of the model its value, a number, `true` or `false`; or `loss`, `optimizer`, `lr`, `batch` and
    /// `precision` another than the file says: `set("optimizer", "sgd(lr = 0.5)")`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.options.set.push((name.into(), value.to_string()));
        self
    }

    /// Where to write, instead of `OUT_DIR`; the folder is made. Within it the files of one model with other parameters
    /// stand side by side: what is written to `OUT_DIR/wide` is included as `include_model!("wide/net")`.
    #[must_use]
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// Compiles the models of a file, as [`compile`] does.
    ///
    /// # Errors
    /// When the file cannot be read, the model has an error, or the code cannot be written: also where the script has
    /// written the same file already, for a model of the same name in another folder, or with other parameters.
    pub fn compile(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        tell_cargo(&format!("rerun-if-changed={}", path.display()));
        let out_dir = match &self.out_dir {
            Some(folder) => folder.clone(),
            None => std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(Error::no_out_dir)?,
        };
        let bytes = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::not_text(path))?;
        let mut files = Files::beside(path);
        let compilation = compile_with(&door::source_name(path), &text, &self.options, &mut files);
        // A file that is not there yet counts too.
        for used in files.looked_for() {
            tell_cargo(&format!("rerun-if-changed={}", used.display()));
        }
        if compilation.has_errors() {
            return Err(Error::model(
                path,
                render_all(&compilation.sources, &compilation.diagnostics, Color::Never),
            ));
        }
        warn(&compilation);
        let mut name = path.file_stem().ok_or_else(|| Error::not_text(path))?.to_owned();
        name.push(".rs");
        let target = out_dir.join(name);
        self.claim(&target, path)?;
        std::fs::create_dir_all(&out_dir).map_err(|error| Error::write(&out_dir, &error))?;
        write::whole(&target, &door::file(&compilation, &quote!(pub)))
            .map_err(|error| Error::write(&target, &error))
    }
}

/// What a file was written for: its source, and the parameters that the script gave.
type Claim = (PathBuf, Vec<(String, String)>);

impl Builder {
    /// Refuses a file that this script has written for something else.
    fn claim(&self, target: &Path, source: &Path) -> Result<(), Error> {
        static CLAIMS: Mutex<Vec<(PathBuf, Claim)>> = Mutex::new(Vec::new());
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Claim = (source.to_owned(), self.options.set.clone());
        match claims.iter().find(|(known, _)| known == target) {
            Some((_, claim)) if *claim != new => return Err(Error::claimed(target, source, &claim.0)),
            Some(_) => {}
            None => claims.push((target.to_owned(), new)),
        }
        Ok(())
    }
}

/// Warnings of the model as warnings of cargo, which takes them a line at a time.
fn warn(compilation: &Compilation) {
    let warnings =
        compilation.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    for diagnostic in warnings {
        for line in render(&compilation.sources, diagnostic, Color::Never).lines() {
            tell_cargo(&format!("warning={line}"));
        }
    }
}

/// Build scripts talk to cargo on standard output.
#[expect(clippy::print_stdout, reason = "this is how build scripts talk to cargo")]
fn tell_cargo(instruction: &str) {
    println!("cargo:{instruction}");
}
