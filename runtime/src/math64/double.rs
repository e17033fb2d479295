//! Sums and products with their rounding errors, and powers of two.

/// `a + b` as a rounded sum and its error, both exact together (Knuth).
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}

/// `a + b` where a is the greater in magnitude, or 0 (Dekker).
pub fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `a * b` as a rounded product and its error (Dekker). The factors are below 2⁹⁹⁵.
pub fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let ((a, a_low), (b, b_low)) = (halves(a), halves(b));
    let error = ((a * b - product) + a * b_low + a_low * b) + a_low * b_low;
    (product, error)
}

/// A number as two of 26 digits, so that products of them are exact (Veltkamp).
fn halves(x: f64) -> (f64, f64) {
    let shifted = 134_217_729.0 * x;
    let high = shifted - (shifted - x);
    (high, x - high)
}

/// 2ⁿ, for n from -1022 to 1023.
pub fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((i64::from(n) + 1023) as u64) << 52)
}

/// `x * 2^n`, rounded once, for x near 1 and any n that an exponent of f64 can have.
pub fn scale(x: f64, n: i32) -> f64 {
    let half = n / 2;
    x * power_of_two(half) * power_of_two(n - half)
}

/// A polynomial of `x`, from its coefficients in rising order.
pub fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}
