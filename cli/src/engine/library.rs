//! Emitted code as a library: compiled against the embedded core, kept in the cache, loaded.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::path::Path;

use nnc_compiler::hash::hash;
use nnc_compiler::{CompiledModel, to_rust};
use nnc_runtime::abi::{SYMBOL, Table, TableFunction, VERSION};
use nnc_runtime::{Error, Simd};

use super::cache;
use super::toolchain::Rustc;
use crate::embedded::SOURCES;
use crate::output::Output;

/// A loaded model.
#[derive(Debug)]
pub struct Library {
    table: &'static Table,
    /// The code that the table points into, which stays as long as the table is used; `None` where it stays for good.
    _code: Option<libloading::Library>,
}

/// What a library is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// To run fast.
    Fast,
    /// To run fast on several cores.
    Threaded,
    /// To have the time of its functions taken.
    Profiled,
}

impl Build {
    /// What it is compiled with.
    fn cfg(self) -> Option<&'static str> {
        match self {
            Self::Fast => None,
            Self::Threaded => Some("feature=\"threads\""),
            Self::Profiled => Some("nnc_profile"),
        }
    }

    /// The same for people.
    fn words(self) -> &'static str {
        match self {
            Self::Fast => "",
            Self::Threaded => " with threads",
            Self::Profiled => " with clocks",
        }
    }
}

/// Why there is no library.
pub enum Fault {
    /// rustc finds no program to link with: this machine cannot compile any model.
    NoLinker(String),
    /// What else is wrong.
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Library {
    /// Compiles a model, unless it was before, and loads it.
    ///
    /// # Errors
    /// E0504 when it cannot be compiled or loaded, E0417 when the cache cannot be written.
    pub fn build(model: &CompiledModel, rustc: &Rustc, build: Build, output: &Output) -> Result<Self, Fault> {
        let set = Simd::detect().set().name();
        let mut flags: Vec<String> =
            ["--edition", "2024", "-Copt-level=3", "-Cpanic=abort", "-Cdebuginfo=0", "-Awarnings"]
                .map(str::to_owned)
                .to_vec();
        flags.extend([
            "--cfg".to_owned(),
            "nnc_only".to_owned(),
            "--cfg".to_owned(),
            format!("nnc_only={set:?}"),
        ]);
        flags.extend(build.cfg().iter().flat_map(|cfg| ["--cfg".to_owned(), (*cfg).to_owned()]));
        let sources: String = SOURCES.iter().map(|(path, text)| format!("{path}\n{text}\n")).collect();
        let core_key = hash(&format!("{}\n{}\n{sources}", rustc.version, flags.join(" ")));
        let source = source(model);
        let model_key = hash(&format!("{core_key}\n{source}"));
        let file = cache::entry(&format!("model-{model_key}"), &library_name(), |folder| {
            let started = std::time::Instant::now();
            let core = cache::entry(&format!("core-{core_key}"), "libnnc.rlib", |folder| {
                core(rustc, &flags, folder)
            })?;
            compile_model(rustc, &flags, &source, &core, folder).inspect_err(|fault| {
                if let Fault::NoLinker(_) = fault {
                    // The source is not at fault, and of no use.
                    let _ = std::fs::remove_dir_all(folder);
                }
            })?;
            output.status(&format!(
                "compiled `{}` for {set}{} in {:.1} s",
                model.info.name,
                build.words(),
                started.elapsed().as_secs_f64()
            ));
            Ok::<(), Fault>(())
        })?;
        Ok(Self::load(&file, build)?)
    }

    fn load(file: &Path, build: Build) -> Result<Self, Error> {
        let fault = |reason: String| {
            Error::new("E0504", format!("the compiled model cannot be loaded: {reason}"))
                .at(file)
                .help("remove the folder, and it is compiled again")
        };
        // SAFETY: the file was compiled by `build` from code that runs nothing when it is loaded.
        let code = unsafe { libloading::Library::new(file) }.map_err(|error| fault(error.to_string()))?;
        // SAFETY: a library of this key exports the function with this type, from the macro `export_model!`.
        let table = unsafe {
            let function = code.get::<TableFunction>(SYMBOL).map_err(|error| fault(error.to_string()))?;
            &*function()
        };
        if table.version != VERSION {
            return Err(fault(format!("it has version {} of the table, expected {VERSION}", table.version)));
        }
        let code = match build {
            Build::Fast | Build::Profiled => Some(code),
            // Its threads run in it until the process ends: were it unloaded, they would run in nothing.
            Build::Threaded => {
                std::mem::forget(code);
                None
            }
        };
        Ok(Self { table, _code: code })
    }

    /// Gives models that are made from now on so many threads, and returns how many they have.
    pub fn set_threads(&self, count: usize) -> usize {
        (self.table.set_threads)(count)
    }

    /// What it can do.
    pub fn table(&self) -> &'static Table {
        self.table
    }
}

/// The emitted code with the function that exports it.
fn source(model: &CompiledModel) -> String {
    let train = if model.plan.train.is_some() { ", train" } else { "" };
    format!("{}\nrt::export_model! {{ {}{train} }}\n", to_rust(&model.tokens), model.info.name)
}

fn library_name() -> String {
    format!("{}nnc_model{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Compiles the runtime's core.
fn core(rustc: &Rustc, flags: &[String], folder: &Path) -> Result<(), Fault> {
    let root = folder.join("runtime");
    for (path, text) in SOURCES {
        let path = root.join(path);
        let parent = path.parent().unwrap_or(&root);
        std::fs::create_dir_all(parent).map_err(|error| Error::write(parent, &error))?;
        std::fs::write(&path, text).map_err(|error| Error::write(&path, &error))?;
    }
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    arguments.extend(
        ["--crate-type=rlib", "--crate-name=nnc", "-o", "libnnc.rlib", "runtime/lib.rs"].map(OsString::from),
    );
    run(rustc, &arguments, folder, "the runtime")
}

/// Compiles emitted code into a library.
fn compile_model(
    rustc: &Rustc,
    flags: &[String],
    source: &str,
    core: &Path,
    folder: &Path,
) -> Result<(), Fault> {
    let file = folder.join("model.rs");
    std::fs::write(&file, source).map_err(|error| Error::write(&file, &error))?;
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    let mut core_argument = OsString::from("nnc=");
    core_argument.push(core);
    arguments.extend(["--crate-type=cdylib", "--crate-name=nnc_model", "--extern"].map(OsString::from));
    arguments.push(core_argument);
    arguments.extend(["-o".into(), library_name().into(), "model.rs".into()]);
    run(rustc, &arguments, folder, "the emitted code")
}

fn run(rustc: &Rustc, arguments: &[OsString], folder: &Path, what: &str) -> Result<(), Fault> {
    let output = rustc
        .run(arguments, folder)
        .map_err(|error| Error::new("E0504", format!("rustc cannot be run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if let Some(linker) = missing_linker(&text) {
        return Err(Fault::NoLinker(linker.to_owned()));
    }
    let first: String = text.lines().take(12).collect::<Vec<_>>().join("\n");
    Err(Error::new("E0504", format!("rustc does not compile {what}"))
        .at(folder)
        .note(first)
        .help("this is a fault of nnc, not of the model: please report it with the model's text")
        .help("`--engine reference` runs the model without rustc")
        .into())
}

/// The linker that rustc says is not there: ``error: linker `cc` not found``.
fn missing_linker(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("error: linker `")?;
    let (linker, rest) = rest.split_once('`')?;
    rest.starts_with(" not found").then_some(linker)
}

#[cfg(test)]
mod tests {
    use super::missing_linker;

    #[test]
    fn a_missing_linker_is_told_from_other_faults() {
        assert_eq!(missing_linker("error: linker `cc` not found\n  |\n"), Some("cc"));
        assert_eq!(missing_linker("error: linking with `cc` failed"), None);
        assert_eq!(missing_linker("error[E0425]: cannot find value `linker` in this scope"), None);
    }
}
