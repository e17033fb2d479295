//! The exponential, and what is made of it.

use super::{keep_nan, log1p, polynomial};
use crate::lanes::Lanes32;

/// log 2 with zeros at the end, so that products with exponents are exact.
pub(super) const LN2_HIGH: f32 = 0.693_359_375;
/// The rest of log 2.
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;

/// x = n log 2 + r, with r from -log(2) / 2 to log(2) / 2.
#[inline(always)]
fn reduce<L: Lanes32>(x: L) -> (L, L) {
    let n = (x * L::splat(core::f32::consts::LOG2_E)).round();
    let r = n.mul_add(L::splat(-LN2_HIGH), x);
    (n, n.mul_add(L::splat(-LN2_LOW), r))
}

/// (e^r - 1 - r) / r², for reduced r. The coefficients are those of Moshier's Cephes (1992).
#[inline(always)]
fn curve<L: Lanes32>(r: L) -> L {
    polynomial(r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.500_000_0])
}

/// eˣ. At most 1 ulp, subnormal results included.
#[inline(always)]
pub fn exp<L: Lanes32>(x: L) -> L {
    let inside = x.max(L::splat(-104.0)).min(L::splat(89.0));
    let (n, r) = reduce(inside);
    let power = curve(r).mul_add(r * r, r) + L::splat(1.0);
    // In two steps: one factor could not be written beyond 2^127, nor below 2^-126.
    let half = (n * L::splat(0.5)).round();
    keep_nan(x, power.scale_exponent(half).scale_exponent(n - half))
}

/// eˣ - 1. At most 2 ulp, near 0 as well.
#[inline(always)]
pub fn expm1<L: Lanes32>(x: L) -> L {
    let inside = x.max(L::splat(-20.0)).min(L::splat(89.0));
    let (n, r) = reduce(inside);
    let small = curve(r).mul_add(r * r, r);
    // 2^n e^r - 1 = 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)).
    let half = L::splat(1.0).scale_exponent(n - L::splat(1.0));
    let y = half.mul_add(small, half - L::splat(0.5));
    // Zero keeps its sign.
    let y = L::select(x.eq(L::zero()), x, y + y);
    keep_nan(x, y)
}

/// The hyperbolic tangent. At most 2.5 ulp.
#[inline(always)]
pub fn tanh<L: Lanes32>(x: L) -> L {
    // At 10 it is 1 already.
    let magnitude = x.abs().min(L::splat(10.0));
    let t = expm1(magnitude + magnitude);
    let y = t / (t + L::splat(2.0));
    let y = L::select(x.lt(L::zero()), -y, y);
    let y = L::select(x.eq(L::zero()), x, y);
    keep_nan(x, y)
}

/// 1 / (1 + e⁻ˣ). At most 2 ulp; no overflow on either side.
#[inline(always)]
pub fn sigmoid<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    let e = exp(-x.abs());
    let numerator = L::select(x.lt(L::zero()), e, one);
    keep_nan(x, numerator / (one + e))
}

/// log(1 + eˣ). At most 2 ulp.
#[inline(always)]
pub fn softplus<L: Lanes32>(x: L) -> L {
    let y = x.max(L::zero()) + log1p(exp(-x.abs()));
    keep_nan(x, y)
}
