//! Functions of sixteen `f32` at once, written over the operations of [`Lanes32`].
//!
//! Each is a sequence of operations without a branch, the same for every set of lanes, so that all sets give the same
//! bits. Errors are in units of the last place (ulp), as measured by `tests/math.rs` over all exponents.

mod erf;
mod exponential;
mod logarithm;
mod power;
mod trigonometric;

pub use erf::erf;
pub use exponential::{exp, expm1, sigmoid, softplus, tanh};
pub use logarithm::{log, log1p};
pub use power::pow;
pub use trigonometric::{cos, sin};

use crate::lanes::Lanes32;

/// c0 + c1 x + c2 x² + …, by Horner's rule; the coefficients stand highest first.
#[inline(always)]
fn polynomial<L: Lanes32, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::zero();
    for (n, coefficient) in coefficients.into_iter().enumerate() {
        let coefficient = L::splat(coefficient);
        sum = if n == 0 { coefficient } else { sum.mul_add(x, coefficient) };
    }
    sum
}

/// `x` where it is NaN, otherwise `y`.
#[inline(always)]
fn keep_nan<L: Lanes32>(x: L, y: L) -> L {
    L::select(x.eq(x), y, x)
}
