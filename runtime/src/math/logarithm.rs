//! Logarithms.

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::polynomial;
use crate::lanes::Lanes32;

/// The natural logarithm. At most 1 ulp, for subnormal numbers as well.
#[inline(always)]
pub fn log<L: Lanes32>(x: L) -> L {
    // Subnormal numbers are made normal first.
    let is_small = x.lt(L::splat(f32::MIN_POSITIVE));
    let normal = L::select(is_small, x * L::splat(8_388_608.0), x);
    let below = L::select(is_small, L::splat(23.0), L::zero());
    let (m, n) = normal.split_exponent();
    special(x, log_of(m - L::splat(1.0), n - below))
}

/// log(1 + f) + n log 2. The coefficients are those of Moshier's Cephes (1992).
#[inline(always)]
fn log_of<L: Lanes32>(f: L, n: L) -> L {
    let square = f * f;
    let curve = polynomial(
        f,
        [
            7.037_683_6e-2,
            -0.115_146_1,
            0.116_769_98,
            -0.124_201_41,
            0.142_493_23,
            -0.166_680_57,
            0.200_007_14,
            -0.249_999_94,
            0.333_333_3,
        ],
    );
    let y = curve * (square * f);
    let y = n.mul_add(L::splat(LN2_LOW), y);
    let y = square.mul_add(L::splat(-0.5), y);
    n.mul_add(L::splat(LN2_HIGH), f + y)
}

/// log(1 + x). At most 2 ulp, near 0 as well.
#[inline(always)]
pub fn log1p<L: Lanes32>(x: L) -> L {
    let one = L::splat(1.0);
    let sum = one + x;
    // What the sum has lost, from the side that loses nothing itself, as a share of the sum.
    let lost = L::select(x.lt(one), x - (sum - one), one - (sum - x)) / sum;
    let (m, n) = sum.split_exponent();
    let y = log_of(m - one, n) + lost;
    // Near 0 nothing is left of the sum.
    let y = L::select(x.abs().lt(L::splat(1e-4)), (x * x).mul_add(polynomial(x, [1.0 / 3.0, -0.5]), x), y);
    let y = special(sum, y);
    L::select(x.eq(L::zero()), x, y)
}

/// What the logarithm of `x` is where it is not a positive finite number; `y` elsewhere.
#[inline(always)]
fn special<L: Lanes32>(x: L, y: L) -> L {
    let infinity = L::splat(f32::INFINITY);
    let y = L::select(x.eq(infinity), infinity, y);
    let y = L::select(x.eq(L::zero()), -infinity, y);
    // Below zero, and NaN, for which nothing is true.
    L::select(x.ge(L::zero()), y, L::splat(f32::NAN))
}
