//! The exponential function and what is made of it.

use core::f64::consts::LOG2_E;

use super::basic::round;
use super::double::{polynomial, power_of_two, scale, two_sum};
use super::log::log1p;

/// ln 2, with 13 zeros at its end: products with exponents are exact.
pub(super) const LN_2_HIGH: f64 = 0.693_147_180_559_663;
/// What `LN_2_HIGH` lacks.
pub(super) const LN_2_LOW: f64 = 2.823_529_056_303_157_7e-13;

/// Above, eˣ is infinite.
const OVERFLOW: f64 = 710.0;
/// Below, eˣ is nearer to 0 than to the least number.
const UNDERFLOW: f64 = -746.0;

/// 1/2!, 1/3!, … 1/13!: the rest of the series is below 2⁻⁵⁷ where it is used, for |r| ≤ ln 2 / 2.
const SERIES: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// `(n, r, t)` with e^(x + tail) = 2ⁿ (1 + r + t), where t is small beside r or both are beside 1.
pub(super) fn parts(x: f64, tail: f64) -> (i32, f64, f64) {
    let n = round(x * LOG2_E);
    let (high, low) = (x - n * LN_2_HIGH, n * LN_2_LOW);
    let r = high - low;
    let tail = (high - r) - low + tail;
    let rest = r * r * polynomial(r, &SERIES);
    (n as i32, r, rest + tail * (1.0 + (r + rest)))
}

/// eˣ. Error: 0.6, of subnormal results 1.
pub fn exp(x: f64) -> f64 {
    exp_of_sum(x, 0.0)
}

/// e^(x + tail), for a tail much smaller than x.
pub(super) fn exp_of_sum(x: f64, tail: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > OVERFLOW {
        return f64::INFINITY;
    }
    if x < UNDERFLOW {
        return 0.0;
    }
    let (n, r, t) = parts(x, tail);
    let (sum, error) = two_sum(1.0, r);
    scale(sum + (error + t), n)
}

/// eˣ - 1. Error: 1.0.
pub fn expm1(x: f64) -> f64 {
    if x.is_nan() || x.abs() < power_of_two(-54) {
        return x;
    }
    if x < -40.0 {
        return -1.0;
    }
    if x > 40.0 {
        return exp(x);
    }
    let (n, r, t) = parts(x, 0.0);
    // 2ⁿ (1 + r + t) - 1 = 2ⁿ ((1 - 2⁻ⁿ) + r + t)
    let (sum, error) = two_sum(1.0 - power_of_two(-n), r);
    scale(sum + (error + t), n)
}

/// The hyperbolic tangent. Error: 2.0.
pub fn tanh(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a < power_of_two(-28) {
        return x;
    }
    let tanh = if a > 22.0 {
        1.0
    } else if a >= 1.0 {
        1.0 - 2.0 / (expm1(2.0 * a) + 2.0)
    } else {
        // The sum is rounded: its error is taken out of the quotient.
        let t = expm1(2.0 * a);
        let (divisor, error) = two_sum(2.0, t);
        let quotient = t / divisor;
        quotient - quotient * error / divisor
    };
    tanh.copysign(x)
}

/// 1 / (1 + e⁻ˣ). Error: 2.0.
pub fn sigmoid(x: f64) -> f64 {
    if x < 0.0 {
        // Never e to a great power, which would overflow.
        let e = exp(x);
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + exp(-x))
    }
}

/// log(1 + eˣ). Error: 1.5.
pub fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + log1p(exp(-x)) } else { log1p(exp(x)) }
}
