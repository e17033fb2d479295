//! Why there is no code.

use std::fmt;
use std::path::Path;

use nnc_compiler::files::reason;

/// Why a model was not compiled, in words for whoever reads the output of cargo.
///
/// `Debug` prints the same text as `Display`: it is what `fn main() -> Result<(), nnc_build::Error>` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
}

impl Error {
    pub(crate) fn model(path: &Path, rendered: String) -> Self {
        Self { message: format!("cannot compile `{}`\n\n{}", path.display(), rendered.trim_end()) }
    }

    pub(crate) fn read(path: &Path, error: &std::io::Error) -> Self {
        let message = format!(
            "E0414: cannot read `{}`: {}\n  = note: paths are relative to the folder of Cargo.toml",
            path.display(),
            reason(error)
        );
        Self { message }
    }

    pub(crate) fn not_text(path: &Path) -> Self {
        Self { message: format!("E0414: `{}` is not a file of UTF-8 text", path.display()) }
    }

    pub(crate) fn write(path: &Path, error: &std::io::Error) -> Self {
        Self { message: format!("E0417: cannot write `{}`: {}", path.display(), reason(error)) }
    }

    pub(crate) fn claimed(target: &Path, source: &Path, first: &Path) -> Self {
        let before = if source == first {
            "with other parameters".to_owned()
        } else {
            format!("for `{}`", first.display())
        };
        let message = format!(
            "E0417: cannot write `{}` for `{}`: this script has written it {before}\n  = help: give the file of the model \
             another name, or name a folder with `Builder::out_dir`",
            target.display(),
            source.display()
        );
        Self { message }
    }

    pub(crate) fn no_out_dir() -> Self {
        let message = "cargo has not set `OUT_DIR`\n  = help: call this from a build script, or name a folder with \
                       `Builder::out_dir`";
        Self { message: message.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
