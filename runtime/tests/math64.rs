//! Functions of `f64` against the platform's library, over all exponents and around every turn of their methods.

use nnc_runtime::math64;

/// Numbers of all exponents, and dense ones where networks live.
fn numbers() -> impl Iterator<Item = f64> {
    let mut state = 7u64;
    let any = (0..200_000).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(state)
    });
    let dense = (-400_000..400_000).map(|n| f64::from(n) * 1.900_1e-3);
    let near_one = (-20_000..20_000).map(|n| 1.0 + f64::from(n) * 4.1e-5);
    any.chain(dense).chain(near_one).filter(|x| !x.is_nan())
}

/// Distance in units of the last place of the expected value.
fn ulps(found: f64, expected: f64) -> f64 {
    if found == expected || (found.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let step = f64::from_bits((expected.abs().to_bits()).saturating_add(1)) - expected.abs();
    let ulps = (found - expected).abs() / step.max(5e-324);
    if ulps.is_nan() { f64::INFINITY } else { ulps }
}

fn check(name: &str, found: fn(f64) -> f64, expected: fn(f64) -> f64, limit: f64, inside: fn(f64) -> bool) {
    let worst = numbers().filter(|x| inside(*x)).map(|x| (ulps(found(x), expected(x)), x)).max_by(|a, b| a.0.total_cmp(&b.0));
    let (worst, at) = worst.expect("there are numbers");
    println!("{name}: {worst:.2} ulp at {at:e}");
    assert!(worst <= limit, "{name}({at:e}) = {:e}, expected {:e}: {worst:.2} ulp", found(at), expected(at));
}

fn anywhere(_: f64) -> bool {
    true
}

#[test]
fn exponentials() {
    // Subnormal results are rounded twice.
    check("exp", math64::exp, f64::exp, 1.5, |x| x > -708.0);
    check("exp below", math64::exp, f64::exp, 2.0, |x| x <= -708.0);
    check("expm1", math64::expm1, f64::exp_m1, 1.5, anywhere);
    check("tanh", math64::tanh, f64::tanh, 3.0, anywhere);
    check("sigmoid", math64::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 3.0, |x| x > -700.0);
    check("sigmoid, left", math64::sigmoid, |x| x.exp() / (1.0 + x.exp()), 3.0, |x| (-700.0..0.0).contains(&x));
    check("softplus", math64::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), 2.0, anywhere);
}

#[test]
fn logarithms() {
    check("log", math64::log, f64::ln, 1.0, |x| x >= 0.0);
    check("log1p", math64::log1p, f64::ln_1p, 1.5, |x| x >= -1.0);
    assert!(math64::log(-1.0).is_nan() && math64::log1p(-1.5).is_nan());
    assert_eq!(math64::log(0.0), f64::NEG_INFINITY);
}

#[test]
fn trigonometry() {
    check("sin", math64::sin, f64::sin, 1.5, |x| x.abs() < 1e5);
    check("cos", math64::cos, f64::cos, 1.5, |x| x.abs() < 1e5);
    for x in [1e9, -1e12, 1e15, 1e300] {
        assert!(math64::sin(x).abs() <= 1.0 && math64::cos(x).abs() <= 1.0);
    }
    assert!(math64::sin(f64::INFINITY).is_nan());
}

#[test]
fn roots_and_roundings() {
    check("sqrt", math64::sqrt, f64::sqrt, 0.0, anywhere);
    check("floor", math64::floor, f64::floor, 0.0, anywhere);
    check("round", math64::round, f64::round_ties_even, 0.0, anywhere);
    for x in [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 4_503_599_627_370_495.5, -4_503_599_627_370_495.5] {
        assert_eq!(math64::floor(x).to_bits(), x.floor().to_bits(), "floor({x})");
        assert_eq!(math64::round(x).to_bits(), x.round_ties_even().to_bits(), "round({x})");
    }
}

#[test]
fn powers() {
    let mut state = 3u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut worst = (0.0, 0.0, 0.0);
    for _ in 0..200_000 {
        let x = (next() * 40.0 - 20.0).exp();
        let y = next() * 60.0 - 30.0;
        let error = ulps(math64::pow(x, y), x.powf(y));
        if error > worst.0 {
            worst = (error, x, y);
        }
    }
    println!("pow: {:.2} ulp at {:e}, {:e}", worst.0, worst.1, worst.2);
    assert!(worst.0 <= 2.0, "pow{worst:?}");
    // Rates of optimizers: 0.999 to the power of the step.
    for step in 1..20_000 {
        let error = ulps(math64::pow(0.999, f64::from(step)), 0.999f64.powf(f64::from(step)));
        assert!(error <= 1.0, "0.999^{step}: {error} ulp");
    }
    let special = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    for x in special {
        for y in special {
            let (found, expected) = (math64::pow(x, y), x.powf(y));
            assert!(ulps(found, expected) <= 1.0, "pow({x}, {y}) = {found}, expected {expected}");
            if found == 0.0 {
                assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "pow({x}, {y})");
            }
        }
    }
}

/// Values computed with 40 digits.
#[test]
fn error_function() {
    let table = [
        (1e-10, 1.128_379_167_095_512_573_9e-10),
        (0.1, 0.112_462_916_018_284_892_203_275_071_744),
        (0.5, 0.520_499_877_813_046_537_682_746_653_892),
        (0.84375, 0.767_225_662_323_416_333_458_978),
        (1.0, 0.842_700_792_949_714_869_341_220_635_083),
        (1.5, 0.966_105_146_475_310_727_066_976_261_646),
        (2.0, 0.995_322_265_018_952_734_162_069_256_367),
        (2.5, 0.999_593_047_982_555_041_060_435_784_26),
        (3.0, 0.999_977_909_503_001_414_558_627_223_870),
        (4.0, 0.999_999_984_582_742_099_719_981_147_840),
        (5.9, 0.999_999_999_999_999_928_095_902_2),
    ];
    for (x, expected) in table {
        assert!(ulps(math64::erf(x), expected) <= 2.0, "erf({x}) = {:e}, expected {expected:e}", math64::erf(x));
        assert_eq!(math64::erf(-x), -math64::erf(x));
    }
    assert_eq!((math64::erf(f64::INFINITY), math64::erf(-7.0)), (1.0, -1.0));
    // Without a step where the methods meet.
    let (left, right) = (math64::erf(2.0), math64::erf(2.0 + 1e-12));
    assert!(right >= left && right - left < 1e-13);
}
