//! Sine and cosine.

use super::polynomial;
use crate::lanes::Lanes32;

/// pi / 2 in three parts; products of the first two with small whole numbers are exact.
const HALF_PI: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_79e-8];

/// The sine. At most 2 ulp of 1 for |x| to 10^4; the error grows in proportion beyond, and from 2^23 on it is 0.
#[inline(always)]
pub fn sin<L: Lanes32>(x: L) -> L {
    let y = quarter(x, L::zero());
    // Zero keeps its sign.
    L::select(x.eq(L::zero()), x, y)
}

/// The cosine, to the same errors as [`sin`].
#[inline(always)]
pub fn cos<L: Lanes32>(x: L) -> L {
    quarter(x, L::splat(1.0))
}

/// The sine of x + `more` quarter turns.
#[inline(always)]
fn quarter<L: Lanes32>(x: L, more: L) -> L {
    // Numbers so large are apart by more than a turn.
    let is_large = x.abs().ge(L::splat(8_388_608.0));
    let finite = L::select(is_large, L::zero(), x);
    let n = (finite * L::splat(core::f32::consts::FRAC_2_PI)).round();
    let [a, b, c] = HALF_PI;
    let r = n.mul_add(L::splat(-a), finite);
    let r = n.mul_add(L::splat(-b), r);
    let r = n.mul_add(L::splat(-c), r);
    let turns = n + more;
    // turns modulo 4, as 0, 1, 2 or 3.
    let quadrant = turns - (turns * L::splat(0.25)).floor() * L::splat(4.0);
    let square = r * r;
    let sine = (square * r).mul_add(polynomial(square, [-1.951_529_6e-4, 8.332_161e-3, -0.166_666_55]), r);
    let cosine = polynomial(square, [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5, 1.0]);
    let is_odd = quadrant.eq(L::splat(1.0)) | quadrant.eq(L::splat(3.0));
    let y = L::select(is_odd, cosine, sine);
    let y = L::select(quadrant.ge(L::splat(2.0)), -y, y);
    // Infinity has no sine; NaN stays.
    let is_number = x.abs().lt(L::splat(f32::INFINITY));
    L::select(is_number, y, L::splat(f32::NAN))
}
