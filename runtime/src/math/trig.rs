//! Sine and cosine.

use core::f32::consts::{FRAC_2_PI, FRAC_PI_2};

use crate::lanes::Lanes32;

/// What the f32 π/2 lacks, and what then is lacking.
const FRAC_PI_2_PARTS: [f32; 2] = [-4.371_139e-8, -1.715_124_5e-15];

/// The sine; NaN at infinity. Error: 1.52 for |x| ≤ 10⁶.
///
/// From 2·10⁶ on the digits of x do not suffice for the reduction: the result is only some number from -1 to 1.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn sin<L: Lanes32>(x: L) -> L {
    // The sum with which the reduction ends would lose the sign of zero.
    L::select(x.eq(L::zero()), x, quarter(x, 0.0))
}

/// The cosine; NaN at infinity. Error: 1.81 for |x| ≤ 10⁶.
///
/// From 2·10⁶ on the digits of x do not suffice for the reduction: the result is only some number from -1 to 1.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn cos<L: Lanes32>(x: L) -> L {
    quarter(x, 1.0)
}

/// sin(x + quarters π/2)
///
/// x = n π/2 + r, where π/2 is a sum of three numbers (Cody and Waite); n chooses the sine or the cosine of r, and its
/// sign.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn quarter<L: Lanes32>(x: L, quarters: f32) -> L {
    let n = (x * L::splat(FRAC_2_PI)).round();
    let r = n.mul_add(L::splat(-FRAC_PI_2), x);
    let r = n.mul_add(L::splat(-FRAC_PI_2_PARTS[0]), r);
    let r = n.mul_add(L::splat(-FRAC_PI_2_PARTS[1]), r);
    // Where n has more digits than an f32, r can be anything; the order of operands keeps NaN.
    let r = L::splat(1.0).min(L::splat(-1.0).max(r));
    let n = n + L::splat(quarters);
    let quadrant = n - L::splat(4.0) * (n * L::splat(0.25)).floor();
    let is_odd = quadrant.eq(L::splat(1.0)) | quadrant.eq(L::splat(3.0));
    let square = r * r;
    let value = L::select(is_odd, small_cos(square), small_sin(r, square));
    L::select(quadrant.ge(L::splat(2.0)), -value, value)
}

/// sin r, for |r| ≤ π/4: r + r³ P(r²), a minimax fit (Remez), to 2⁻³⁷.
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn small_sin<L: Lanes32>(r: L, square: L) -> L {
    let rest = polynomial!(square, -0.166_666_67, 0.008_333_329, -1.983_925_6e-4, 2.717_564_5e-6);
    (r * square).mul_add(rest, r)
}

/// cos r, for |r| ≤ π/4: 1 - r²/2 + r⁴ P(r²), a minimax fit (Remez), to 2⁻³².
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn small_cos<L: Lanes32>(square: L) -> L {
    let rest = polynomial!(square, -0.5, 0.041_666_646, -0.001_388_725_1, 2.442_568e-5);
    square.mul_add(rest, L::splat(1.0))
}
