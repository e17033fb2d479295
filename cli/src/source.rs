//! Reading and compiling a model's file.

use std::io::Read;
use std::path::Path;

use nnc_compiler::files::Files;
use nnc_compiler::{Compilation, CompiledModel, Options, compile_with};
use nnc_grammar::MAX_SOURCE_BYTES;
use nnc_runtime::Error;

use crate::arguments::Source;
use crate::output::Output;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Everything was said.
    Reported,
    /// What is left to say.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The text of a file.
///
/// # Errors
/// E0414 when it cannot be read or is not UTF-8, E0106 when it is larger than a source file may be; it is then not read.
pub fn read(path: &Path) -> Result<String, Error> {
    let file = std::fs::File::open(path).map_err(|error| Error::read(path, &error))?;
    if file.metadata().map_err(|error| Error::read(path, &error))?.is_dir() {
        return Err(Error::new("E0414", format!("cannot read `{}`: it is a folder", path.display())).at(path));
    }
    // A pipe has no size: one byte more than is allowed tells as much.
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::read(path, &error))?;
    text(path, bytes)
}

/// The standard input as a text.
///
/// # Errors
/// As [`read`].
pub fn read_stdin() -> Result<String, Error> {
    let path = Path::new("<stdin>");
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_SOURCE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::read(path, &error))?;
    text(path, bytes)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.len() > MAX_SOURCE_BYTES {
        let most = MAX_SOURCE_BYTES >> 20;
        return Err(Error::new("E0106", format!("`{}` is larger than {most} MiB", path.display()))
            .at(path)
            .note("a model of a million parameters is described in a few lines")
            .help("is this a file of data?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::new("E0414", format!("`{}` is not UTF-8 text", path.display())).at(path).line(line as u64)
    })
}

/// Compiles a file, and with it those that it uses.
///
/// # Errors
/// When the file cannot be read. What is wrong with it, and with those that it uses, is in the compilation.
pub fn compile(file: &Path, options: &Options) -> Result<Compilation, Error> {
    let text = read(file)?;
    Ok(compile_with(&file.display().to_string(), &text, options, &mut Files::beside(file)))
}

impl Source {
    /// An option is not given together with the `--set` of what it says.
    ///
    /// # Errors
    /// E0205.
    pub fn not_set(&self, key: &str, option: &str, is_given: bool) -> Result<(), Error> {
        if !is_given || self.set.iter().all(|(name, _)| name != key) {
            return Ok(());
        }
        Err(Error::new("E0205", format!("`{option}` and `--set {key}` say the same thing"))
            .help("leave one of them out"))
    }
}

/// Compiles a file and shows what there is to say about it.
///
/// # Errors
/// When the file cannot be read, or has faults.
pub fn compiled(source: &Source, batch: Option<usize>, output: &Output) -> Result<Compilation, Failure> {
    let options = Options {
        set: source.set.clone(),
        model: source.model.clone(),
        batch,
        is_code: false,
        no_fold: source.no_fold,
    };
    let compilation = compile(&source.file, &options)?;
    output.diagnostics(&compilation.sources, &compilation.diagnostics);
    if compilation.has_errors() { Err(Failure::Reported) } else { Ok(compilation) }
}

/// The one model that a command is about.
///
/// # Errors
/// E0220 when the file has several and none was chosen, E0221 when it has none.
pub fn the_model(compilation: &Compilation, source: &Source) -> Result<CompiledModel, Error> {
    match compilation.models.as_slice() {
        [model] => Ok(model.clone()),
        [] => Err(Error::new("E0221", "no model in this file").at(&source.file)),
        several => {
            let names: Vec<String> = several.iter().map(|model| format!("`{}`", model.info.name)).collect();
            Err(Error::new("E0220", format!("`{}` has {} models", source.file.display(), several.len()))
                .at(&source.file)
                .note(format!("they are {}", names.join(", ")))
                .help(format!(
                    "choose one: `--model {}`",
                    several.first().map_or("", |model| model.info.name.as_str())
                )))
        }
    }
}
