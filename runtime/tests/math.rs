//! Functions of `f32` lanes against f64, over all exponents.

use nnc_runtime::lanes::{Lanes, Plain, Row};
use nnc_runtime::math64;

/// Every exponent, both signs, and dense numbers where networks live.
fn numbers() -> Vec<Row<f32>> {
    // A stride that is odd meets every part of the range.
    let any = (0..300_000u32).map(|n| f32::from_bits(n.wrapping_mul(14_317)));
    let dense = (-120_000..120_000).map(|n| n as f32 * 9.3e-4);
    let near_one = (-10_000..10_000).map(|n| 1.0 + n as f32 * 3.1e-5);
    let mut numbers: Vec<f32> = any.chain(dense).chain(near_one).filter(|x| !x.is_nan()).collect();
    numbers.resize(numbers.len().next_multiple_of(16), 0.0);
    numbers.as_chunks().0.to_vec()
}

/// Distance in units of the last place of the expected value, which is exact.
fn ulps(found: f32, expected: f64) -> f64 {
    let rounded = expected as f32;
    if found == rounded || (found.is_nan() && rounded.is_nan()) {
        return 0.0;
    }
    let next = f32::from_bits(rounded.abs().to_bits().saturating_add(1));
    let step = f64::from(next) - f64::from(rounded.abs());
    let step = if step.is_finite() { step } else { f64::from(f32::MAX) * f64::from(f32::EPSILON) };
    let ulps = (f64::from(found) - expected).abs() / step;
    if ulps.is_nan() { f64::INFINITY } else { ulps }
}

fn check(
    name: &str,
    found: fn(Plain<f32>) -> Plain<f32>,
    expected: fn(f64) -> f64,
    limit: f64,
    inside: fn(f32) -> bool,
) {
    let mut worst = (0.0, 0.0, 0.0);
    for row in numbers() {
        let mut out = [0.0; 16];
        found(Plain::load(&row)).store(&mut out);
        for (x, y) in row.into_iter().zip(out) {
            if inside(x) {
                let error = ulps(y, expected(f64::from(x)));
                if error > worst.0 {
                    worst = (error, x, y);
                }
            }
        }
    }
    println!("{name}: {:.2} ulp at {:e}", worst.0, worst.1);
    let (error, x, y) = worst;
    assert!(error <= limit, "{name}({x:e}) = {y:e}, expected {:e}: {error:.2} ulp", expected(f64::from(x)));
}

fn anywhere(_: f32) -> bool {
    true
}

#[test]
fn exponentials() {
    check("exp", Lanes::exp, f64::exp, 1.0, anywhere);
    check("expm1", Lanes::expm1, f64::exp_m1, 2.0, anywhere);
}

#[test]
fn sigmoids() {
    check("tanh", Lanes::tanh, f64::tanh, 2.5, anywhere);
    check("sigmoid", Lanes::sigmoid, math64::sigmoid, 2.0, anywhere);
    check("softplus", Lanes::softplus, math64::softplus, 2.0, anywhere);
    check("erf", Lanes::erf, math64::erf, 2.0, anywhere);
}

#[test]
fn logarithms() {
    check("log", Lanes::log, f64::ln, 1.0, anywhere);
    check("log1p", Lanes::log1p, f64::ln_1p, 2.0, anywhere);
}

#[test]
fn trigonometry() {
    // Near the zeros the error is one of the argument, so it is measured in units of 1.
    fn sine(x: f64) -> f64 {
        x.sin()
    }
    check("sin, small", Lanes::sin, sine, 2.0, |x| x.abs() < 1.5);
    for (name, function, exact) in [
        ("sin", Lanes::sin as fn(Plain<f32>) -> Plain<f32>, f64::sin as fn(f64) -> f64),
        ("cos", Lanes::cos, f64::cos),
    ] {
        let mut worst = (0.0f64, 0.0f32);
        for row in numbers() {
            let mut out = [0.0; 16];
            function(Plain::load(&row)).store(&mut out);
            for (x, y) in row.into_iter().zip(out) {
                if x.abs() <= 1e4 {
                    let error = (f64::from(y) - exact(f64::from(x))).abs();
                    if error > worst.0 {
                        worst = (error, x);
                    }
                } else if x.is_finite() {
                    assert!(y.abs() <= 1.000_001, "{name}({x:e}) = {y:e}");
                } else {
                    assert!(y.is_nan(), "{name}({x:e}) = {y:e}");
                }
            }
        }
        println!("{name}: {:.2e} at {:e}", worst.0, worst.1);
        assert!(worst.0 <= 1.2e-7, "{name}{worst:?}");
    }
}

#[test]
fn powers() {
    let mut state = 5u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    let mut worst = (0.0, 0.0, 0.0);
    for _ in 0..20_000 {
        let x: Row<f32> = std::array::from_fn(|_| ((next() * 40.0 - 20.0) as f64).exp() as f32);
        let y: Row<f32> = std::array::from_fn(|_| next() * 12.0 - 6.0);
        let mut out = [0.0; 16];
        Plain::<f32>::load(&x).pow(Plain::load(&y)).store(&mut out);
        for lane in 0..16 {
            let error = ulps(out[lane], f64::from(x[lane]).powf(f64::from(y[lane])));
            if error > worst.0 {
                worst = (error, x[lane], y[lane]);
            }
        }
    }
    println!("pow: {:.2} ulp at {:e}, {:e}", worst.0, worst.1, worst.2);
    assert!(worst.0 <= 4.0, "pow{worst:?}");
    let special =
        [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for x in special {
        for y in special {
            let mut out = [0.0; 16];
            Plain::<f32>::splat(x).pow(Plain::splat(y)).store(&mut out);
            let expected = x.powf(y);
            assert!(ulps(out[0], f64::from(expected)) <= 1.0, "pow({x}, {y}) = {}, expected {expected}", out[0]);
            if expected == 0.0 {
                assert_eq!(out[0].is_sign_negative(), expected.is_sign_negative(), "pow({x}, {y})");
            }
        }
    }
}

#[test]
fn special_values() {
    let at = |function: fn(Plain<f32>) -> Plain<f32>, x: f32| {
        let mut out = [0.0; 16];
        function(Plain::splat(x)).store(&mut out);
        out[0]
    };
    for function in [Lanes::exp, Lanes::expm1, Lanes::log, Lanes::log1p, Lanes::tanh, Lanes::sigmoid, Lanes::softplus,
        Lanes::erf, Lanes::sin, Lanes::cos] as [fn(Plain<f32>) -> Plain<f32>; 10]
    {
        assert!(at(function, f32::NAN).is_nan());
    }
    // Odd functions keep the sign of zero.
    for function in [Lanes::expm1, Lanes::log1p, Lanes::tanh, Lanes::erf, Lanes::sin] as [fn(Plain<f32>) -> Plain<f32>; 5] {
        assert_eq!(at(function, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(at(function, 0.0).to_bits(), 0);
    }
    assert_eq!(at(Lanes::log, 0.0), f32::NEG_INFINITY);
    assert!(at(Lanes::log, -1.0).is_nan());
    assert_eq!((at(Lanes::exp, 1000.0), at(Lanes::exp, -1000.0)), (f32::INFINITY, 0.0));
    assert_eq!((at(Lanes::softplus, f32::INFINITY), at(Lanes::softplus, f32::NEG_INFINITY)), (f32::INFINITY, 0.0));
    assert_eq!((at(Lanes::sigmoid, f32::INFINITY), at(Lanes::sigmoid, f32::NEG_INFINITY)), (1.0, 0.0));
}
