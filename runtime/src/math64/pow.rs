//! Powers.

use super::basic::floor;
use super::double::{fast_two_sum, polynomial, power_of_two, two_product, two_sum};
use super::exp::{LN_2_HIGH, LN_2_LOW, exp_of_sum};
use super::log::split;

/// What the f64 2/3 lacks.
const TWO_THIRDS_LOW: f64 = 3.700_743_415_417_188e-17;

/// 2/5, 2/7, … 2/23: as in the logarithm.
const SERIES: [f64; 10] = [
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

/// `x` to the power of `y`, with all the special cases of C99. Error: 0.8, of subnormal results 1.
pub fn pow(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    let a = x.abs();
    if y.is_infinite() && a == 1.0 {
        return 1.0;
    }
    let is_whole = floor(y) == y;
    if x < 0.0 && x.is_finite() && !is_whole && y.is_finite() {
        return f64::NAN;
    }
    let is_odd = y.is_finite() && is_whole && floor(0.5 * y) != 0.5 * y;
    let power = power_of_positive(a, y);
    if is_odd && x.is_sign_negative() { -power } else { power }
}

/// `a` to the power of `y`, neither of them NaN.
fn power_of_positive(a: f64, y: f64) -> f64 {
    if a == 1.0 {
        return 1.0;
    }
    // From 2⁶⁵ on, any number but 1 has left the range.
    if a == 0.0 || a == f64::INFINITY || y.abs() >= power_of_two(65) {
        return if (a > 1.0) == (y > 0.0) { f64::INFINITY } else { 0.0 };
    }
    let (log, log_low) = log_parts(a);
    let (product, error) = two_product(log, y);
    exp_of_sum(product, error + log_low * y)
}

/// log a as a sum of two numbers, with an error of 2⁻⁶⁴.
fn log_parts(a: f64) -> (f64, f64) {
    let (n, m) = split(a);
    let f = m - 1.0;
    // s = f / (2 + f), with what the division left.
    let (divisor, divisor_low) = two_sum(2.0, f);
    let s = f / divisor;
    let (back, back_low) = two_product(s, divisor);
    let s_low = ((f - back) - back_low - s * divisor_low) / divisor;
    // 2s + s³ (2/3 + s² (2/5 + …)): of each product the error is kept, except of the last.
    let (z, error) = two_product(s, s);
    let z_low = error + 2.0 * s * s_low;
    let (u, error) = fast_two_sum(SERIES_FIRST, z * polynomial(z, &SERIES));
    let u_low = error + TWO_THIRDS_LOW;
    let (cube, error) = two_product(s, z);
    let cube_low = error + s * z_low + s_low * z;
    let (t, error) = two_product(cube, u);
    let t_low = error + cube * u_low + cube_low * u;
    let (log, error) = fast_two_sum(2.0 * s, t);
    let log_low = error + (t_low + 2.0 * s_low);
    let (sum, error) = two_sum(n * LN_2_HIGH, log);
    fast_two_sum(sum, error + (log_low + n * LN_2_LOW))
}

/// The coefficient of s³, rounded.
const SERIES_FIRST: f64 = 2.0 / 3.0;
