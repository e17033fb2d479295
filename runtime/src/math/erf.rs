//! The error function.

use super::exp::{reduce, small_exp};
use crate::lanes::Lanes32;

/// The error function. Error: 1.12.
///
/// Up to 0.95 it is x times a polynomial of x², from there on 1 - e^-P(x). Both are minimax fits (Remez), right to
/// 2⁻²⁹. From 3.92 on it is 1.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn erf<L: Lanes32>(x: L) -> L {
    // The order of operands keeps NaN.
    let a = L::splat(4.0).min(x.abs());
    let small = small_erf(x);
    let large = large_erf(a);
    let large = L::select(x.lt(L::zero()), -large, large);
    L::select(a.lt(L::splat(0.95)), small, large)
}

/// x + x P(x²), for |x| ≤ 0.95.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn small_erf<L: Lanes32>(x: L) -> L {
    let rest = polynomial!(
        x * x,
        0.128_379_17,
        -0.376_126_32,
        0.112_836_726,
        -0.026_858_104,
        0.005_197_797_4,
        -8.105_966e-4,
        8.215_427e-5
    );
    x.mul_add(rest, x)
}

/// 1 - e^-P(a), for a from 0.95 to 4.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn large_erf<L: Lanes32>(a: L) -> L {
    let p = polynomial!(
        a,
        2.430_776_8e-4,
        1.127_481_6,
        0.637_506_07,
        0.103_649_76,
        -0.022_092_113,
        0.003_009_640_8,
        -1.925_368_9e-4
    );
    let (n, r) = reduce(-p);
    L::splat(1.0) - small_exp(r).scale_exponent(n)
}
