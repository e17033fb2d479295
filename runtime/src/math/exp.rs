//! The exponential function and what is made of it.

use core::f32::consts::{LN_2, LOG2_E, SQRT_2};

use super::log::log_of_parts;
use crate::lanes::Lanes32;

/// What the f32 ln 2 lacks.
const LN_2_LOW: f32 = -1.904_654_2e-9;

/// `(n, r)` with x = n ln 2 + r: |r| ≤ ln 2 / 2, except that n is not above 127 and r then greater.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn reduce<L: Lanes32>(x: L) -> (L, L) {
    let n = (x * L::splat(LOG2_E)).round().min(L::splat(127.0));
    // The first step is exact: x and n ln 2 are near, and the product is not rounded.
    let r = n.mul_add(L::splat(-LN_2), x);
    (n, n.mul_add(L::splat(-LN_2_LOW), r))
}

/// (eʳ - 1 - r) / r², for r from -ln 2 / 2 to ln 2, to 2⁻²⁹ of eʳ: a minimax fit (Remez).
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn rest<L: Lanes32>(r: L) -> L {
    polynomial!(r, 0.499_999_94, 0.166_667, 0.041_668_072, 0.008_326_774, 0.001_383_861, 2.325_438_1e-4)
}

/// eʳ, for r from -ln 2 / 2 to ln 2.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn small_exp<L: Lanes32>(r: L) -> L {
    let one = L::splat(1.0);
    rest(r).mul_add(r, one).mul_add(r, one)
}

/// eˣ; 0 where it is below 2⁻¹²⁶. Error: 0.93.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn exp<L: Lanes32>(x: L) -> L {
    let (n, r) = reduce(x);
    // Beyond 127 r grows instead of n, up to an infinite result.
    let power = small_exp(r).scale_exponent(n);
    L::select(x.lt(L::splat(LEAST)), L::zero(), power)
}

/// The least number whose power is normal: above ln 2⁻¹²⁶.
const LEAST: f32 = -87.336_54;

/// eˣ - 1. Error: 1.44.
///
/// With eˣ = 2ⁿ (1 + t) it is 2ⁿ t + (2ⁿ - 1), where the sum is rounded once.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn expm1<L: Lanes32>(x: L) -> L {
    // From -18 down it is -1; the order of operands keeps NaN.
    let (n, r) = reduce(L::splat(-20.0).max(x));
    let t = (r * r).mul_add(rest(r), r);
    let power = L::splat(1.0).scale_exponent(n);
    let result = power.mul_add(t, power - L::splat(1.0));
    let result = L::select(x.gt(L::splat(MOST)), L::splat(f32::INFINITY), result);
    L::select(x.eq(L::zero()), x, result)
}

/// The greatest number whose power is finite.
const MOST: f32 = 88.722_83;

/// The hyperbolic tangent. Error: 1.44.
///
/// Up to 0.6 it is x (1 + x² P(x²)), a minimax fit (Remez) that is right to 2⁻²⁸; from there on 1 - 2 / (1 + e²ˣ).
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn tanh<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    let square = x * x;
    let rest = polynomial!(square, -0.333_333, 0.133_319_59, -0.053_786_684, 0.020_805_385, -0.005_905_868_5);
    // A product keeps the sign of zero, which a sum with the rest would not.
    let small = x * square.mul_add(rest, one);
    // From 9.02 on it is 1; the order of operands keeps NaN.
    let a = L::splat(9.5).min(x.abs());
    let (n, r) = reduce(a + a);
    let great = one - L::splat(2.0) / (one + small_exp(r).scale_exponent(n));
    let great = L::select(x.lt(L::zero()), -great, great);
    L::select(a.lt(L::splat(0.6)), small, great)
}

/// 1 / (1 + e⁻ˣ); 0 where it is below 2⁻¹²⁶. Error: 1.49.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn sigmoid<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    let e = exp(-x);
    let quotient = one / (one + e);
    // 1 + e was rounded: what quotient * (1 + e) lacks to 1 is the relative error of the quotient.
    let lacking = (-quotient).mul_add(e, one) - quotient;
    let quotient = quotient.mul_add(lacking, quotient);
    L::select(x.lt(L::splat(LEAST)), L::zero(), quotient)
}

/// log(1 + eˣ), as max(x, 0) + log(1 + e^-|x|); 0 where it is below 2⁻¹²⁶. Error: 1.67.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn softplus<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    let e = exp(-x.abs());
    // 1 + e is 2ⁿ (1 + f), with n = 1 from sqrt(2) on.
    let is_great = e.gt(L::splat(SQRT_2 - 1.0));
    let f = L::select(is_great, (e - one) * L::splat(0.5), e);
    let n = L::select(is_great, one, L::zero());
    // The order of operands keeps NaN.
    L::zero().max(x) + log_of_parts(n, f)
}
