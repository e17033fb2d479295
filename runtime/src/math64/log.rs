//! Logarithms.

use super::double::{polynomial, power_of_two, two_sum};
use super::exp::{LN_2_HIGH, LN_2_LOW};

/// 2/3, 2/5, … 2/23, of log((1 + s) / (1 - s)) = 2s + 2/3 s³ + …: |s| ≤ 0.172, and the rest is below 2⁻⁶⁰.
const SERIES: [f64; 11] = [
    2.0 / 3.0,
    2.0 / 5.0,
    2.0 / 7.0,
    2.0 / 9.0,
    2.0 / 11.0,
    2.0 / 13.0,
    2.0 / 15.0,
    2.0 / 17.0,
    2.0 / 19.0,
    2.0 / 21.0,
    2.0 / 23.0,
];

/// The bits of sqrt(1/2).
const HALF_SQRT_BITS: i64 = 0x3fe6_a09e_667f_3bcd;

/// `(n, m)` with x = 2ⁿ m and m from sqrt(1/2) to sqrt(2), for positive x.
pub(super) fn split(x: f64) -> (f64, f64) {
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * power_of_two(54), -54) } else { (x, 0) };
    let bits = x.to_bits() as i64;
    let n = (bits - HALF_SQRT_BITS) >> 52;
    ((n + shift) as f64, f64::from_bits((bits - (n << 52)) as u64))
}

/// n log 2 + log(1 + f) + correction, for 1 + f from sqrt(1/2) to sqrt(2).
///
/// log(1 + f) is written as f - f²/2 + s (f²/2 + R) with s = f / (2 + f), so that what is large is exact (Sun's
/// fdlibm, `e_log.c`).
fn join(n: f64, f: f64, correction: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let rest = z * polynomial(z, &SERIES);
    let half_square = 0.5 * f * f;
    let small = s * (half_square + rest) + (n * LN_2_LOW + correction);
    n * LN_2_HIGH - ((half_square - small) - f)
}

/// The natural logarithm: -∞ at 0, NaN below. Error: 0.8.
pub fn log(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    let (n, m) = split(x);
    join(n, m - 1.0, 0.0)
}

/// log(1 + x): -∞ at -1, NaN below. Error: 0.8.
pub fn log1p(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 || x == f64::INFINITY {
        return x;
    }
    if x == -1.0 {
        return f64::NEG_INFINITY;
    }
    if x < -1.0 {
        return f64::NAN;
    }
    let (sum, error) = two_sum(1.0, x);
    let (n, m) = split(sum);
    join(n, m - 1.0, error / sum)
}
