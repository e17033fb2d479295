//! What runs a model: the emitted code, compiled and loaded, or the reference interpreter.

mod cache;
mod compiled;
mod info;
mod library;
mod profiler;
pub mod reference;
mod threads;
mod toolchain;

use std::rc::Rc;

use clap::ValueEnum;
use nnc_compiler::CompiledModel;
use nnc_compiler::program::Precision;
use nnc_runtime::Error;
use nnc_runtime::model::{ModelInfo, Train};

use crate::output::Output;
use library::{Build, Fault, Library};
pub use profiler::{Look, Profiler, Times, Watched};
pub use threads::{Threads, Unless, of_environment};

/// Which engine runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The emitted code, compiled with the installed rustc.
    Compiled,
    /// The interpreter that gives operators their meaning: slow, in f64.
    Reference,
}

/// A model that can be trained and asked; one without a loss and an optimizer answers that it cannot be trained.
pub type Network = dyn Train<Elem = f32>;

/// What a model says of itself.
pub fn describe(model: &CompiledModel) -> &'static ModelInfo {
    info::leak(&model.info)
}

/// A model that runs.
pub struct Loaded {
    /// The model.
    pub network: Box<Network>,
    /// How many threads it has.
    pub threads: usize,
}

/// Makes a model run: with `wanted`, or the best that this machine can.
///
/// # Errors
/// E0501 when more threads are asked for than the reference interpreter has, if that is what runs it; E0205 for a wrong
/// `NNC_THREADS`; E0504 when the emitted code cannot be compiled or loaded; E0417 when the cache cannot be written.
pub fn load(
    model: &CompiledModel,
    info: &'static ModelInfo,
    wanted: Option<Engine>,
    threads: Threads,
    seed: u64,
    output: &Output,
) -> Result<Loaded, Error> {
    let is_f64 = model.graph.precision == Precision::F64;
    if wanted == Some(Engine::Reference) {
        threads.only_one("`--engine reference` has one thread", "leave one of both out")?;
    } else if is_f64 {
        threads.only_one(
            "a model of `precision f64` has one thread: the reference interpreter runs it",
            "leave `--threads` out, or `precision f64`",
        )?;
    }
    if wanted == Some(Engine::Reference) || is_f64 {
        if is_f64 && wanted == Some(Engine::Compiled) {
            output.warning("the model is `precision f64`, which `nnc` runs with the reference interpreter");
        }
        return interpreted(model, info, seed);
    }
    let missing = match toolchain::Rustc::find() {
        Some(rustc) => {
            let count = threads.of_compiled(model, output)?;
            let build = if count > 1 { Build::Threaded } else { Build::Fast };
            match Library::build(model, &rustc, build, output) {
                Ok(library) => {
                    let threads = library.set_threads(count);
                    let network = Box::new(compiled::Compiled::new(library.into(), info, seed));
                    return Ok(Loaded { network, threads });
                }
                Err(Fault::Error(error)) => return Err(error),
                Err(Fault::NoLinker(linker)) => no_linker(&linker),
            }
        }
        None => NO_RUSTC.to_owned(),
    };
    if wanted == Some(Engine::Compiled) {
        return Err(Error::new("E0504", missing).help(
            "install Rust from rustup.rs and the system's C compiler, set `RUSTC`, or take `--engine reference`",
        ));
    }
    output.warning(&format!("{missing}: the slow reference interpreter runs it"));
    output.note(
        "install Rust from rustup.rs and the system's C compiler, or set `RUSTC`, and it runs much faster",
    );
    if let Some(asked) = threads.several() {
        output.note(&format!("`--threads {asked}`: the reference interpreter has one thread"));
    }
    interpreted(model, info, seed)
}

/// Makes a model run whose functions have their time taken, which is compiled for it.
///
/// # Errors
/// E0501 for what only the reference interpreter runs, and for more than one thread; E0504 when the emitted code cannot be compiled or loaded; E0417
/// when the cache cannot be written.
pub fn load_profiled(
    model: &CompiledModel,
    info: &'static ModelInfo,
    wanted: Option<Engine>,
    threads: Threads,
    seed: u64,
    output: &Output,
) -> Result<(Loaded, Profiler), Error> {
    threads.only_one("the time by layer is taken of one thread", "leave `--threads` out")?;
    if wanted == Some(Engine::Reference) {
        return Err(Error::new(
            "E0501",
            "`--engine reference` has no time by layer: it is taken of compiled code",
        )
        .help("leave `--engine` out"));
    }
    if model.graph.precision == Precision::F64 {
        let message = "a model of `precision f64` has no time by layer: the reference interpreter runs it";
        return Err(
            Error::new("E0501", message).help("leave `precision f64` out to measure the same model in f32")
        );
    }
    let missing = match toolchain::Rustc::find() {
        Some(rustc) => match Library::build(model, &rustc, Build::Profiled, output) {
            Ok(library) => {
                let library = Rc::new(library);
                let profiler = Profiler::new(Rc::clone(&library));
                let model = compiled::Compiled::new(library, info, seed).profiled(profiler.clone());
                return Ok((Loaded { network: Box::new(model), threads: 1 }, profiler));
            }
            Err(Fault::Error(error)) => return Err(error),
            Err(Fault::NoLinker(linker)) => no_linker(&linker),
        },
        None => NO_RUSTC.to_owned(),
    };
    Err(Error::new("E0504", missing)
        .help("install Rust from rustup.rs and the system's C compiler, or set `RUSTC`")
        .note("the time by layer is taken of compiled code"))
}

const NO_RUSTC: &str = "there is no `rustc` to compile the model with";

fn no_linker(linker: &str) -> String {
    format!("`rustc` finds no linker `{linker}` to compile the model with")
}

fn interpreted(model: &CompiledModel, info: &'static ModelInfo, seed: u64) -> Result<Loaded, Error> {
    let network = Box::new(reference::Interpreted::new(&model.graph, info, seed)?);
    Ok(Loaded { network, threads: 1 })
}
