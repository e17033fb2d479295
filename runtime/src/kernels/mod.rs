//! Loops of emitted code: products with matrices, convolutions, windows, means and variances, random draws, and the
//! borders between samples and lanes.
//!
//! Sizes are constants of the types. Each kernel computes every output in one order, whatever the tile or the block, so
//! that all instruction sets give the same bits.

#[macro_use]
mod tile;

pub mod ahead;
pub mod attention;
pub mod conv;
pub mod dense;
pub mod embedding;
pub mod norm;
pub mod pack;
pub mod pool;
pub mod random;
pub mod resample;
pub mod sequence;
