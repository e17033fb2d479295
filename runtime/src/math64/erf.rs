//! The error function.

use super::exp;

/// The error function. At most 2 ulp.
///
/// A power series to 2, and behind it a continued fraction for the complement, which is small there.
pub fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    if x.is_nan() || x == 0.0 {
        return x;
    }
    let y = if magnitude > 6.0 {
        1.0
    } else if magnitude > 2.0 {
        1.0 - complement(magnitude)
    } else {
        series(magnitude)
    };
    y.copysign(x)
}

/// 2 / sqrt(pi) e^(-x²) sum of (2x²)^n x / (1 3 5 … (2n + 1)): all terms are positive, so that none cancel
/// (Abramowitz and Stegun, 7.1.6).
fn series(x: f64) -> f64 {
    let square = 2.0 * x * x;
    let mut term = x;
    let mut sum = 0.0;
    let mut lost = 0.0;
    let mut divisor = 1.0;
    while term > 1e-18 * x {
        // Kahan's sum: the terms are many.
        let next = term - lost;
        let new = sum + next;
        lost = (new - sum) - next;
        sum = new;
        divisor += 2.0;
        term = term * square / divisor;
    }
    core::f64::consts::FRAC_2_SQRT_PI * (sum - lost) * exp(-x * x)
}

/// e^(-x²) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / (x + …)))) (Abramowitz and Stegun, 7.1.14).
fn complement(x: f64) -> f64 {
    let mut fraction = x;
    for n in (1..=60).rev() {
        fraction = x + 0.5 * f64::from(n) / fraction;
    }
    exp(-x * x) / fraction * (0.5 * core::f64::consts::FRAC_2_SQRT_PI)
}
