//! The language of nnc: text to syntax tree, and back.
//!
//! This crate knows no operator and no shape. [`parse`] reads a text into an [`ast::Ast`] with spans and reports
//! every fault; [`format()`] prints a tree canonically; [`diagnostic`] holds the one type of message that all of nnc
//! uses.

pub mod ast;
pub mod diagnostic;
mod escape;
mod expression;
mod format;
mod one_line;
mod parse;
mod recover;
mod scan;
pub mod span;

pub use escape::quote as quoted;
pub use format::format;
pub use parse::{MAX_SOURCE_BYTES, Parsed, parse};
