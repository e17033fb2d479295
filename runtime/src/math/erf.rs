//! The error function.

use super::{exp, keep_nan, polynomial};
use crate::lanes::Lanes32;

/// The error function. At most 2 ulp.
///
/// A polynomial near 0, and 1 - e^p(|x|) farther out; coefficients as published by N. Juffa.
#[inline(always)]
pub fn erf<L: Lanes32>(x: L) -> L {
    let square = x * x;
    let near = polynomial(
        square,
        [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 0.112_819_925, -0.376_125_34, 0.128_379_17],
    )
    .mul_add(x, x);
    // At 4 it is 1 already; farther out the polynomial turns round.
    let magnitude = x.abs().min(L::splat(4.0));
    let curve = polynomial(
        magnitude,
        [
            -1.728_534_7e-5,
            3.831_972_6e-4,
            -3.883_964_4e-3,
            2.425_462_2e-2,
            -0.106_777_88,
            -0.634_846_7,
            -0.128_717_51,
        ],
    );
    let far = L::splat(1.0) - exp(curve.mul_add(magnitude, -magnitude));
    let far = L::select(x.lt(L::zero()), -far, far);
    let y = L::select(x.abs().lt(L::splat(0.927_734_4)), near, far);
    let y = L::select(x.eq(L::zero()), x, y);
    keep_nan(x, y)
}
