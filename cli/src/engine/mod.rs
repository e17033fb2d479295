//! What runs a model: the emitted code, compiled and loaded, or the reference interpreter.

mod cache;
mod compiled;
mod info;
mod library;
mod reference;
mod toolchain;

use clap::ValueEnum;
use nnc_compiler::CompiledModel;
use nnc_compiler::program::Precision;
use nnc_runtime::Error;
use nnc_runtime::model::Train;

use crate::output::Output;

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

/// Makes a model run: with `wanted`, or the best that this machine can.
///
/// # Errors
/// E0504 when the emitted code cannot be compiled or loaded; E0417 when the cache cannot be written.
pub fn load(
    model: &CompiledModel,
    wanted: Option<Engine>,
    seed: u64,
    output: &Output,
) -> Result<Box<Network>, Error> {
    let is_f64 = model.graph.precision == Precision::F64;
    if wanted == Some(Engine::Reference) || is_f64 {
        if is_f64 && wanted == Some(Engine::Compiled) {
            output.warning("the model is `precision f64`, which `nnc` runs with the reference interpreter");
        }
        return interpreted(model, seed);
    }
    match toolchain::Rustc::find() {
        Some(rustc) => {
            let library = library::Library::build(model, &rustc, output)?;
            Ok(Box::new(compiled::Compiled::new(library, info::leak(&model.info), seed)))
        }
        None if wanted == Some(Engine::Compiled) => {
            Err(Error::new("E0504", "there is no `rustc` to compile the model with")
                .help("install Rust from rustup.rs, set `RUSTC`, or take `--engine reference`"))
        }
        None => {
            output.warning(
                "there is no `rustc` to compile the model with: the slow reference interpreter runs it",
            );
            output.note("install Rust from rustup.rs, or set `RUSTC`, and it runs a hundred times as fast");
            interpreted(model, seed)
        }
    }
}

fn interpreted(model: &CompiledModel, seed: u64) -> Result<Box<Network>, Error> {
    Ok(Box::new(reference::Interpreted::new(&model.graph, info::leak(&model.info), seed)?))
}
