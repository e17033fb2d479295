//! The compiler of nnc: from a syntax tree to Rust tokens.

mod compile;
pub mod graph;
pub mod ops;
pub mod program;
pub mod resolve;
pub mod scalar;

pub use compile::{Compilation, CompiledModel, Options, compile, to_rust};
