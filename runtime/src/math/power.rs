//! Powers.

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::{exp, polynomial};
use crate::lanes::Lanes32;

/// `x` to the power of `y`, with the special cases of C99. At most 4 ulp.
#[inline(always)]
pub fn pow<L: Lanes32>(x: L, y: L) -> L {
    let (zero, one, infinity) = (L::zero(), L::splat(1.0), L::splat(f32::INFINITY));
    let magnitude = x.abs();
    let (high, low) = log_in_two(magnitude);
    // y log x in two numbers: the product, and what it lost.
    let product = high * y;
    let rest = high.mul_add(y, -product) + low * y;
    let is_finite = product.abs().lt(L::splat(200.0));
    let rest = L::select(is_finite, rest, zero);
    let power = exp(product);
    let power = L::select(power.lt(infinity), power.mul_add(rest, power), power);
    // 0 and infinity have no logarithm to multiply.
    let grows = y.gt(zero);
    let power = L::select(magnitude.eq(zero), L::select(grows, zero, infinity), power);
    let power = L::select(magnitude.eq(infinity), L::select(grows, infinity, zero), power);
    // Endless powers: of numbers above 1, of 1, and below.
    let is_endless = y.abs().eq(infinity);
    let endless =
        L::select(magnitude.gt(one), L::select(grows, infinity, zero), L::select(grows, zero, infinity));
    let endless = L::select(magnitude.eq(one), one, endless);
    let power = L::select(is_endless, endless, power);
    // Below zero whole powers alone are defined, and odd ones are negative.
    let is_whole = y.floor().eq(y);
    let half = y * L::splat(0.5);
    let is_odd = is_whole & half.floor().ne(half) & y.abs().lt(L::splat(16_777_216.0));
    let is_negative = x.lt(zero) | (x.eq(zero) & (one / x).lt(zero));
    let power = L::select(is_negative & is_odd, -power, power);
    let is_undefined = x.lt(zero) & !is_whole & magnitude.lt(infinity);
    let nan = L::splat(f32::NAN);
    let power = L::select(is_undefined | x.ne(x) | y.ne(y), nan, power);
    L::select(x.eq(one) | y.eq(zero), one, power)
}

/// log x in two numbers, for positive x: 2 atanh(s) + n log 2 with s = (m - 1) / (m + 1).
#[inline(always)]
fn log_in_two<L: Lanes32>(x: L) -> (L, L) {
    let one = L::splat(1.0);
    let is_small = x.lt(L::splat(f32::MIN_POSITIVE));
    let normal = L::select(is_small, x * L::splat(8_388_608.0), x);
    let below = L::select(is_small, L::splat(23.0), L::zero());
    let (m, n) = normal.split_exponent();
    let n = n - below;
    let f = m - one;
    let (d, d_low) = plus(m, one);
    let s = f / d;
    // What s has lost.
    let s_low = (s.mul_add(-d, f) - s * d_low) / d;
    let z = s * s;
    let z_low = s.mul_add(s, -z) + (s + s) * s_low;
    // atanh(s) / s - 1 = z / 3 + z² (1/5 + z/7 + …); the first term in two numbers.
    let third = L::splat(0.333_333_34);
    let third_low = L::splat(-9.934_108e-9);
    let t = z * third;
    let t_low = z.mul_add(third, -t) + z.mul_add(third_low, z_low * third);
    let tail = z * z * polynomial(z, [0.117, 1.0 / 9.0, 1.0 / 7.0, 0.2]);
    let (u, u_low) = plus(t, tail);
    let u_low = u_low + t_low;
    let v = s * u;
    let v_low = s.mul_add(u, -v) + s.mul_add(u_low, s_low * u);
    let (w, w_low) = plus(s, v);
    let w_low = w_low + v_low + s_low;
    let (high, high_low) = plus(n * L::splat(LN2_HIGH), w + w);
    let low = n.mul_add(L::splat(LN2_LOW), high_low + (w_low + w_low));
    // Where the parts nearly cancel the sum is made anew.
    plus(high, low + n * L::splat(LN2_REST))
}

/// log 2 - LN2_HIGH - LN2_LOW.
const LN2_REST: f32 = 1.646_594_9e-12;

/// A sum, and what it lost.
#[inline(always)]
fn plus<L: Lanes32>(a: L, b: L) -> (L, L) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}
