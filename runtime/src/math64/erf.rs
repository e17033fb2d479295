//! The error function.

use super::double::polynomial;
use super::exp::exp;

/// erf(x) / x - 1 as a polynomial of x², to 2⁻⁶² for |x| ≤ 0.85: a minimax fit (Remez).
const SMALL: [f64; 12] = [
    0.1283791670955126,
    -0.3761263890318375,
    0.11283791670954693,
    -0.026866170645018943,
    0.005223977623935396,
    -0.0008548326904087714,
    0.00012055326980402322,
    -1.4925451340578222e-05,
    1.6457697245538046e-06,
    -1.6300709922886525e-07,
    1.4190830683010916e-08,
    -8.840343205835899e-10,
];

/// erfc(x) e^(x²) as a polynomial of (x - 2) / (x + 2), to 2⁻⁵⁶ for x from 0.84 to 6: a minimax fit (Remez).
const SCALED: [f64; 17] = [
    0.25539567631050575,
    -0.42718584741395843,
    0.2416581942424735,
    -0.07897858101572326,
    0.0037328924035034054,
    0.00699746173887081,
    -0.0008471432140332262,
    -0.0009819770301462505,
    4.355478810996463e-05,
    0.0001743615413652402,
    2.7535266282984987e-05,
    -2.7587241494298668e-05,
    -1.4033253371094504e-05,
    1.4574467045925752e-06,
    4.014259869957075e-06,
    9.096238250532472e-07,
    -8.440368328613974e-07,
];

/// The error function. Error: 1.2.
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() {
        return x;
    }
    if a < 0.85 {
        return x + x * polynomial(x * x, &SMALL);
    }
    // 1 - erfc(x), which is so small that its error hardly counts; from 6 on it is nothing.
    let rest = if a < 6.0 { exp(-a * a) * polynomial((a - 2.0) / (a + 2.0), &SCALED) } else { 0.0 };
    (1.0 - rest).copysign(x)
}
