//! The compiler of nnc: from a syntax tree to Rust tokens.

pub mod allow;
pub mod catalogue;
mod compile;
pub mod costs;
pub mod differentiate;
pub mod door;
pub mod emit;
#[cfg(feature = "files")]
pub mod files;
pub mod gain;
pub mod graph;
pub mod hash;
pub mod infer;
pub mod lints;
pub mod load;
pub mod ops;
pub mod plan;
pub mod program;
#[cfg(feature = "reference")]
pub mod reference;
pub mod resolve;
pub mod scalar;
pub mod simplify;
pub mod specialize;
pub mod std_library;

pub use compile::{Compilation, CompiledModel, Options, compile, compile_with};
pub use emit::to_rust;
