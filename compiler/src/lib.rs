//! The compiler of nnc: from a syntax tree to Rust tokens.

mod compile;
pub mod differentiate;
pub mod door;
pub mod emit;
pub mod graph;
pub mod hash;
pub mod infer;
pub mod ops;
pub mod plan;
pub mod program;
#[cfg(feature = "reference")]
pub mod reference;
pub mod resolve;
pub mod scalar;
pub mod simplify;
pub mod specialize;
mod std_library;

pub use compile::{Compilation, CompiledModel, Options, compile};
pub use emit::to_rust;
