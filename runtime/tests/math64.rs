//! Functions of `f64`: against the standard library over all magnitudes, and against stored values of many digits.

use std::f64::consts::{FRAC_PI_2, PI};

use nnc_runtime::math64;

/// Numbers of all signs, magnitudes and digits.
fn all_magnitudes() -> impl Iterator<Item = f64> {
    // Not NaN, of which some are signals that libraries treat in a way of their own.
    (0..100_000_u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).filter(|x| !x.is_nan())
}

/// Numbers from `low` to `high`, unevenly, so that all digits are in use.
fn between(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (0..50_000_u32).map(move |i| low + (high - low) * (f64::from(i) * 0.618_033_988_749_894_8).fract())
}

fn special() -> impl Iterator<Item = f64> {
    let positive = [
        0.0,
        1.0,
        0.5,
        2.0,
        1e-300,
        5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::EPSILON,
        f64::INFINITY,
        f64::NAN,
    ];
    positive.into_iter().flat_map(|x| [x, -x])
}

/// The distance in numbers between; 0 between two NaN.
fn distance(a: f64, b: f64) -> u64 {
    // Bits in the order of the numbers, with both zeros apart.
    let ordered = |x: f64| if x.is_sign_negative() { !x.to_bits() } else { x.to_bits() | 1 << 63 };
    if a.is_nan() && b.is_nan() { 0 } else { ordered(a).abs_diff(ordered(b)) }
}

/// That two functions of a number agree to `limit` places: the error of both of them.
fn check(
    name: &str,
    limit: u64,
    x: impl Iterator<Item = f64>,
    function: impl Fn(f64) -> f64,
    reference: impl Fn(f64) -> f64,
) {
    for x in x.chain(all_magnitudes()).chain(special()) {
        let (got, expected) = (function(x), reference(x));
        let distance = distance(got, expected);
        assert!(distance <= limit, "{name}({x:e}) is {got:e}, not {expected:e}: {distance} places");
    }
}

#[test]
fn functions_agree_with_the_standard_library() {
    check("exp", 1, between(-745.0, 710.0), math64::exp, f64::exp);
    check("exp", 1, between(-2.0, 2.0), math64::exp, f64::exp);
    check("expm1", 2, between(-40.0, 710.0), math64::expm1, f64::exp_m1);
    check("expm1", 2, between(-2.0, 2.0), math64::expm1, f64::exp_m1);
    check("log", 1, between(0.0, 3.0), math64::log, f64::ln);
    check("log1p", 2, between(-1.0, 3.0), math64::log1p, f64::ln_1p);
    check("tanh", 3, between(-3.0, 3.0), math64::tanh, f64::tanh);
    check("sqrt", 0, between(0.0, 4.0), math64::sqrt, f64::sqrt);
    check("floor", 0, between(-4.0, 4.0), math64::floor, f64::floor);
    check("round", 0, between(-4.0, 4.0), math64::round, f64::round_ties_even);
    check("abs", 0, between(-4.0, 4.0), math64::abs, f64::abs);
}

#[test]
fn sines_agree_with_the_standard_library_everywhere() {
    let multiples = || (0..100_000).map(|n| f64::from(n) * FRAC_PI_2);
    check("sin", 1, between(-1e6, 1e6).chain(multiples()), math64::sin, f64::sin);
    check("cos", 1, between(-1e6, 1e6).chain(multiples()), math64::cos, f64::cos);
}

#[test]
fn powers_agree_with_the_standard_library() {
    let exponents = [0.5, -0.5, 2.0, 3.0, -1.0, 1.0 / 3.0, 1.7, -7.3, 150.0, -1e3, 1e6, 1e-5, 1e300, -1e300];
    for y in exponents.into_iter().chain(special()) {
        check(
            &format!("pow(_, {y:e})"),
            1,
            between(-3.0, 3.0).step_by(20),
            |x| math64::pow(x, y),
            |x| x.powf(y),
        );
    }
    for x in between(0.999, 1.001).step_by(20) {
        for y in [3e5, -6e5] {
            assert!(distance(math64::pow(x, y), x.powf(y)) <= 1, "pow({x:e}, {y:e})");
        }
    }
}

/// x and erf(x), from mpmath with 390 digits.
#[rustfmt::skip]
const ERF: [(f64, f64); 23] = [
    (1e-300, 1.1283791670955126e-300),
    (1e-05, 1.1283791670579e-05),
    (0.1, 0.1124629160182849),
    (0.3, 0.3286267594591274),
    (0.5, 0.5204998778130465),
    (0.7, 0.6778011938374184),
    (0.84, 0.7651427114549945),
    (0.8499999, 0.7706680028213762),
    (0.85, 0.7706680576083526),
    (0.9, 0.7969082124228322),
    (1.0, 0.8427007929497149),
    (1.25, 0.9229001282564583),
    (1.5, 0.9661051464753108),
    (1.75, 0.9866716712191824),
    (2.0, 0.9953222650189527),
    (2.5, 0.999593047982555),
    (3.0, 0.9999779095030014),
    (3.5, 0.9999992569016276),
    (4.0, 0.9999999845827421),
    (4.5, 0.9999999998033839),
    (5.0, 0.9999999999984626),
    (5.5, 0.9999999999999927),
    (5.9, 0.9999999999999999),
];

#[test]
fn erf_has_the_stored_values() {
    for (x, expected) in ERF {
        assert!(distance(math64::erf(x), expected) <= 1, "{x}: {:e}, {expected:e}", math64::erf(x));
        assert_eq!(math64::erf(-x), -math64::erf(x));
    }
    for (x, expected) in
        [(0.0, 0.0), (-0.0, -0.0), (7.0, 1.0), (f64::INFINITY, 1.0), (f64::NEG_INFINITY, -1.0)]
    {
        assert_eq!(math64::erf(x).to_bits(), f64::to_bits(expected));
    }
    assert!(math64::erf(f64::NAN).is_nan());
}

/// The series of erf, where it loses no digits.
#[test]
fn erf_agrees_with_its_series() {
    for x in between(-1.0, 1.0) {
        let terms = (0..30).scan(x, |power, n| {
            let term = *power / f64::from(2 * n + 1);
            *power *= -x * x / f64::from(n + 1);
            Some(term)
        });
        let series = 2.0 / PI.sqrt() * terms.sum::<f64>();
        assert!((math64::erf(x) - series).abs() <= 4.0 * f64::EPSILON * series.abs(), "{x}");
    }
}

/// x, sin x and cos x of great numbers, from mpmath with 390 digits; one is nearer to a multiple of π/2 than any other.
#[rustfmt::skip]
const SINES: [(f64, f64, f64); 10] = [
    (1e5, 0.03574879797201651, -0.9993608074382124),
    (123456789.0, 0.9901147518020355, 0.14025968153390964),
    (1e10, -0.4875060250875107, 0.873119622676856),
    (1e15, 0.8582727931702359, -0.5131937377869703),
    (1e22, -0.8522008497671888, 0.523214785395139),
    (5.319372648326541e+255, 1.0, -4.687165924254628e-19),
    (f64::MAX, 0.004961954789184062, -0.9999876894265599),
    (1e100, -0.3806377310050287, 0.9247242387519338),
    (PI, 1.2246467991473532e-16, -1.0),
    (1e300, -0.8178819121159085, -0.5753861119575491),
];

#[test]
fn sines_have_the_stored_values() {
    for (x, sin, cos) in SINES {
        assert!(distance(math64::sin(x), sin) <= 1, "sin {x:e}: {:e}, {sin:e}", math64::sin(x));
        assert!(distance(math64::cos(x), cos) <= 1, "cos {x:e}: {:e}, {cos:e}", math64::cos(x));
    }
}

#[test]
fn sigmoid_and_softplus_neither_overflow_nor_lose_digits() {
    for x in between(-700.0, 700.0).chain(between(-3.0, 3.0)) {
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        assert!((math64::sigmoid(x) - sigmoid).abs() <= 4.0 * f64::EPSILON * sigmoid, "{x}");
        let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
        assert!((math64::softplus(x) - softplus).abs() <= 4.0 * f64::EPSILON * softplus, "{x}");
    }
    let limits = [(f64::INFINITY, 1.0, f64::INFINITY), (f64::NEG_INFINITY, 0.0, 0.0), (1e300, 1.0, 1e300)];
    for (x, sigmoid, softplus) in limits {
        assert_eq!((math64::sigmoid(x), math64::softplus(x)), (sigmoid, softplus));
    }
    assert!(math64::sigmoid(f64::NAN).is_nan() && math64::softplus(f64::NAN).is_nan());
}

#[test]
fn choices_are_by_comparison() {
    assert_eq!((math64::min(1.0, 2.0), math64::max(1.0, 2.0)), (1.0, 2.0));
    assert_eq!((math64::min(f64::NAN, 2.0), math64::max(f64::NAN, 2.0)), (2.0, 2.0));
    assert!(math64::min(2.0, f64::NAN).is_nan() && math64::max(2.0, f64::NAN).is_nan());
    let signs = [-3.0, -0.0, 0.0, 5e-324, f64::INFINITY, f64::NAN].map(math64::sign);
    assert_eq!(signs, [-1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
}
