//! Functions of sixteen `f32` at once, written once for all instruction sets.
//!
//! They are made of additions, products fused with sums, divisions and selections, in one order, without a branch: the
//! bits are the same for every set. NaN gives NaN; infinities and zeros give what C99 says, with their signs.
//!
//! Errors are in units in the last place of the result: the greatest of tens of millions of arguments. Where a
//! result below the least normal number, 2⁻¹²⁶, is made 0 instead, the function says so.

/// A polynomial of `$x` over the lanes `L`, from its coefficients in rising order.
macro_rules! polynomial {
    ($x:expr, $last:expr) => { L::splat($last) };
    ($x:expr, $first:expr, $($more:expr),+) => {
        polynomial!($x, $($more),+).mul_add($x, L::splat($first))
    };
}

mod erf;
mod exp;
mod log;
mod pow;
mod trig;

pub use erf::erf;
pub use exp::{exp, expm1, sigmoid, softplus, tanh};
pub use log::{log, log1p};
pub use pow::pow;
pub use trig::{cos, sin};
