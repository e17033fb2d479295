//! Powers.

use super::exp::{reduce, small_exp};
use super::log::split;
use crate::lanes::Lanes32;

/// ln 2, with nine zeros at its end: products with exponents are exact.
const LN_2_HIGH: f32 = 0.693_145_75;
/// What `LN_2_HIGH` lacks.
const LN_2_LOW: f32 = 1.428_606_8e-6;

/// `x` to the power of `y`, with all the special cases of C99. Error: 1.29, and subnormal results are kept.
///
/// e^(y log |x|), where the logarithm and the product are sums of two numbers.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn pow<L: Lanes32>(x: L, y: L) -> L {
    let (zero, one, infinity) = (L::zero(), L::splat(1.0), L::splat(f32::INFINITY));
    let a = x.abs();
    let power = power_of_positive(a, y);
    let power = L::select(a.eq(zero), L::select(y.gt(zero), zero, infinity), power);
    let power = L::select(a.eq(infinity), L::select(y.gt(zero), infinity, zero), power);
    // One over it tells -0 from 0.
    let is_negative = x.lt(zero) | (one / x).lt(zero);
    let half = L::splat(0.5) * y;
    let is_whole = y.floor().eq(y);
    let is_odd = is_whole & half.floor().ne(half);
    let power = L::select(is_negative & is_odd, -power, power);
    let has_none = x.lt(zero) & a.lt(infinity) & !is_whole;
    let power = L::select(has_none, L::splat(f32::NAN), power);
    let power = L::select(x.ne(x) | y.ne(y), x + y, power);
    L::select(y.eq(zero) | x.eq(one), one, power)
}

/// `a` to the power of `y`, for finite a above 0.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn power_of_positive<L: Lanes32>(a: L, y: L) -> L {
    let (log, log_low) = log_parts(a);
    // With 2⁴⁰ any number but 1 has left the range; products of more could be infinite.
    let limit = L::splat(1_099_511_627_776.0);
    let y = limit.min((-limit).max(y));
    let product = log * y;
    let error = log_low.mul_add(y, log.mul_add(y, -product));
    // Far outside of the range there is no need of the error, which would be great.
    let range = L::splat(128.0);
    let error = L::select(product.abs().lt(range), error, L::zero());
    let product = range.min((-range).max(product));
    exp_of_sum(product, error)
}

/// e^(x + low), for |x| ≤ 128 and low much smaller: in two steps, for the result may be subnormal.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn exp_of_sum<L: Lanes32>(x: L, low: L) -> L {
    let (n, r) = reduce(x);
    let half = (n * L::splat(0.5)).floor();
    small_exp(r + low).scale_exponent(half).scale_exponent(n - half)
}

/// log a as a sum of two numbers, with an error of 2⁻³⁴ or so, for finite a above 0.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn log_parts<L: Lanes32>(a: L) -> (L, L) {
    let (n, m) = split(a);
    let (log, log_low) = small_log(m - L::splat(1.0));
    let high = n * L::splat(LN_2_HIGH);
    let (sum, error) = two_sum(high, log);
    two_sum(sum, error + n.mul_add(L::splat(LN_2_LOW), log_low))
}

/// log(1 + f) as a sum of two numbers: 2s + s³ (2/3 + s² P(s²)) with s = f / (2 + f).
///
/// Of each product the error is kept, except of those with P, a minimax fit (Remez).
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn small_log<L: Lanes32>(f: L) -> (L, L) {
    let two = L::splat(2.0);
    let (divisor, divisor_low) = two_sum(two, f);
    let s = f / divisor;
    let left = (-s).mul_add(divisor_low, (-s).mul_add(divisor, f));
    let s_low = left / divisor;
    let (z, error) = product(s, s);
    let z_low = (s + s).mul_add(s_low, error);
    let rest = polynomial!(z, 0.400_001_56, 0.285_466_3, 0.234_310_08);
    // 2/3 in two parts.
    let (u, error) = two_sum(L::splat(0.666_666_7), z * rest);
    let u_low = error + L::splat(-1.986_821_6e-8);
    let (cube, error) = product(s, z);
    let cube_low = s_low.mul_add(z, s.mul_add(z_low, error));
    let (t, error) = product(cube, u);
    let t_low = cube_low.mul_add(u, cube.mul_add(u_low, error));
    let (log, error) = two_sum(s + s, t);
    (log, error + two.mul_add(s_low, t_low))
}

/// `a + b` as a rounded sum and its error, where a is the greater in magnitude, or 0 (Dekker).
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn two_sum<L: Lanes32>(a: L, b: L) -> (L, L) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `a * b` as a rounded product and its error.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn product<L: Lanes32>(a: L, b: L) -> (L, L) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}
