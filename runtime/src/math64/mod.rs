//! Functions of one `f64`, with the same bits on every machine and in every build.
//!
//! Each is written from additions, products, divisions and square roots that IEEE 754 rounds in one way; none calls
//! the platform's library, and none fuses a product with a sum. NaN gives NaN, and infinities, zeros and subnormal
//! numbers give what C99 says.
//!
//! Errors are in units in the last place of the result: bounds on what thousands of values showed beside those of
//! mpmath with 48 digits.

mod basic;
mod double;
mod erf;
mod exp;
mod log;
mod pow;
mod trig;

pub use basic::{abs, floor, max, min, round, sign, sqrt};
pub use erf::erf;
pub use exp::{exp, expm1, sigmoid, softplus, tanh};
pub use log::{log, log1p};
pub use pow::pow;
pub use trig::{cos, sin};
