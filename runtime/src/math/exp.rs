//! The exponential function and what is made of it.

use core::f32::consts::{LN_2, LOG2_E, SQRT_2};

use super::log::log_of_parts;
use crate::lanes::Lanes32;

/// What the f32 ln 2 lacks.
const LN_2_LOW: f32 = -1.904_654_2e-9;

/// `(n, r)` with x = n ln 2 + r: |r| ≤ ln 2 / 2, except that n is not above 127 and r then greater.
#[inline(always)]
pub(super) fn reduce<L: Lanes32>(x: L) -> (L, L) {
    let n = (x * L::splat(LOG2_E)).round().min(L::splat(127.0));
    // The first step is exact: x and n ln 2 are near, and the product is not rounded.
    let r = n.mul_add(L::splat(-LN_2), x);
    (n, n.mul_add(L::splat(-LN_2_LOW), r))
}

/// (eʳ - 1 - r) / r², for r from -ln 2 / 2 to ln 2, to 2⁻²⁹ of eʳ: a minimax fit (Remez).
#[inline(always)]
fn rest<L: Lanes32>(r: L) -> L {
    polynomial!(r, 0.499_999_94, 0.166_667, 0.041_668_072, 0.008_326_774, 0.001_383_861, 2.325_438_1e-4)
}

/// eʳ, for r from -ln 2 / 2 to ln 2.
#[inline(always)]
pub(super) fn small_exp<L: Lanes32>(r: L) -> L {
    let one = L::splat(1.0);
    rest(r).mul_add(r, one).mul_add(r, one)
}

/// eˣ; 0 where it is below 2⁻¹²⁶. Error: 1.0.
#[inline(always)]
pub fn exp<L: Lanes32>(x: L) -> L {
    let (n, r) = reduce(x);
    // Beyond 127 r grows instead of n, up to an infinite result.
    let power = small_exp(r).scale_exponent(n);
    L::select(x.lt(L::splat(LEAST)), L::zero(), power)
}

/// The least number whose power is normal: above ln 2⁻¹²⁶.
const LEAST: f32 = -87.336_54;

/// `(2ⁿ, 2ⁿ - 1 + 2ⁿ t)`, where eˣ = 2ⁿ (1 + t): the second is eˣ - 1, with a sum that is rounded once.
#[inline(always)]
fn less_one<L: Lanes32>(x: L) -> L {
    let (n, r) = reduce(x);
    let t = (r * r).mul_add(rest(r), r);
    let power = L::splat(1.0).scale_exponent(n);
    power.mul_add(t, power - L::splat(1.0))
}

/// eˣ - 1. Error: 1.5.
#[inline(always)]
pub fn expm1<L: Lanes32>(x: L) -> L {
    // From -18 down it is -1; the order of operands keeps NaN.
    let result = less_one(L::splat(-20.0).max(x));
    let result = L::select(x.gt(L::splat(MOST)), L::splat(f32::INFINITY), result);
    L::select(x.eq(L::zero()), x, result)
}

/// The greatest number whose power is finite.
const MOST: f32 = 88.722_83;

/// The hyperbolic tangent, as (e²ˣ - 1) / (e²ˣ + 1). Error: 2.0.
#[inline(always)]
pub fn tanh<L: Lanes32>(x: L) -> L {
    // From 9.02 on it is 1; the order of operands keeps NaN.
    let a = L::splat(9.5).min(x.abs());
    let e = less_one(a + a);
    let tanh = e / (e + L::splat(2.0));
    let tanh = L::select(x.lt(L::zero()), -tanh, tanh);
    L::select(x.eq(L::zero()), x, tanh)
}

/// 1 / (1 + e⁻ˣ); 0 below -88.73. Error: 2.0.
#[inline(always)]
pub fn sigmoid<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    one / (one + exp(-x))
}

/// log(1 + eˣ), as max(x, 0) + log(1 + e^-|x|); 0 where it is below 2⁻¹²⁶. Error: 2.0.
#[inline(always)]
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
