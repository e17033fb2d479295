//! The installed Rust compiler.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A compiler that answers.
#[derive(Debug, Clone)]
pub struct Rustc {
    program: OsString,
    /// What it says of itself: version, commit, host.
    pub version: String,
}

impl Rustc {
    /// The compiler that `RUSTC` names, or else `rustc` on the path.
    pub fn find() -> Option<Self> {
        let program =
            std::env::var_os("RUSTC").filter(|name| !name.is_empty()).unwrap_or_else(|| "rustc".into());
        let output = Command::new(&program).arg("-vV").stdin(Stdio::null()).output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && version.starts_with("rustc")).then_some(Self { program, version })
    }

    /// Runs it.
    pub fn run(&self, arguments: &[OsString], folder: &Path) -> std::io::Result<Output> {
        Command::new(&self.program).args(arguments).current_dir(folder).stdin(Stdio::null()).output()
    }
}
