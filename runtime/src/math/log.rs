//! Logarithms.

use core::f32::consts::LN_2;

use crate::lanes::Lanes32;

/// What the f32 ln 2 lacks.
const LN_2_LOW: f32 = -1.904_654_2e-9;

/// `(n, m)` with x = 2ⁿ m and m from sqrt(1/2) to sqrt(2), for positive x, subnormal or normal.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn split<L: Lanes32>(x: L) -> (L, L) {
    let is_subnormal = x.lt(L::splat(f32::MIN_POSITIVE));
    let normal = L::select(is_subnormal, x * L::splat(8_388_608.0), x);
    let (m, n) = normal.split_exponent();
    (n - L::select(is_subnormal, L::splat(23.0), L::zero()), m)
}

/// n ln 2 + log(1 + f), for 1 + f from sqrt(1/2) to sqrt(2).
///
/// log(1 + f) = f - f²/2 + f³ P(f), where P is a minimax fit (Remez) that is right to 2⁻³⁰ of the logarithm.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn log_of_parts<L: Lanes32>(n: L, f: L) -> L {
    let square = f * f;
    let rest = polynomial!(
        f,
        0.333_333_1,
        -0.249_999_87,
        0.200_022_27,
        -0.166_692_53,
        0.142_186_64,
        -0.123_843_35,
        0.118_729_26,
        -0.117_898_66,
        0.069_155_4
    );
    let small = n.mul_add(L::splat(LN_2_LOW), f * square * rest);
    let small = square.mul_add(L::splat(-0.5), small);
    n.mul_add(L::splat(LN_2), f + small)
}

/// The natural logarithm: -∞ at 0, NaN below. Error: 0.81.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn log<L: Lanes32>(x: L) -> L {
    let (n, m) = split(x);
    let log = log_of_parts(n, m - L::splat(1.0));
    let is_usual = x.gt(L::zero()) & x.lt(L::splat(f32::INFINITY));
    L::select(is_usual, log, outside(x, L::zero()))
}

/// log(1 + x): -∞ at -1, NaN below. Error: 1.36.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn log1p<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    // 1 + x as a rounded sum and its error (Knuth); the error is scaled like the sum, and counts no more where the
    // exponent is above 60.
    let sum = one + x;
    let from_x = sum - one;
    let error = (one - (sum - from_x)) + (x - from_x);
    let (m, n) = sum.split_exponent();
    let error = error.scale_exponent(-n.min(L::splat(60.0)));
    let log = log_of_parts(n, (m - one) + error);
    let is_usual = x.gt(-one) & x.lt(L::splat(f32::INFINITY)) & x.ne(L::zero());
    L::select(is_usual, log, outside(x, -one))
}

/// What a logarithm is where it is not computed: -∞ at its pole, NaN below, otherwise its argument.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn outside<L: Lanes32>(x: L, pole: L) -> L {
    let above = L::select(x.lt(pole), L::splat(f32::NAN), x);
    L::select(x.eq(pole), L::splat(f32::NEG_INFINITY), above)
}
