//! Functions of `f32` lanes: error over all magnitudes, special values, and the same bits for every instruction set.

use nnc_runtime::lanes::{LANES, Lanes, Row};
use nnc_runtime::{Kernel, Set, Simd, math64};

/// A function over rows, as a kernel.
macro_rules! kernels {
    ($($name:ident: $x:ident, $y:ident => $value:expr;)*) => {
        $(
            struct $name<'a>(&'a mut [Row<f32>], Row<f32>);

            impl Kernel<f32> for $name<'_> {
                type Output = ();

                #[inline(always)]
                fn run<L: Lanes<Elem = f32>>(self) {
                    let $y = L::load(&self.1);
                    for row in self.0 {
                        let $x = L::load(row);
                        $value.store(row);
                    }
                }
            }
        )*
    };
}

kernels! {
    Exp: x, _y => x.exp();
    Expm1: x, _y => x.expm1();
    Log: x, _y => x.log();
    Log1p: x, _y => x.log1p();
    Tanh: x, _y => x.tanh();
    Sigmoid: x, _y => x.sigmoid();
    Softplus: x, _y => x.softplus();
    Erf: x, _y => x.erf();
    Sin: x, _y => x.sin();
    Cos: x, _y => x.cos();
    Pow: x, y => x.pow(y);
}

/// Values of `$kernel` at the numbers `$x`, with the instructions `$simd`.
macro_rules! values {
    ($kernel:ident, $simd:expr, $x:expr) => {
        values!($kernel, $simd, $x, 0.0)
    };
    ($kernel:ident, $simd:expr, $x:expr, $y:expr) => {{
        let mut rows = rows(&$x);
        $simd.run($kernel(&mut rows, [$y; LANES]));
        rows.as_flattened()[..$x.len()].to_vec()
    }};
}

/// The numbers in rows, the last filled up with 1.
fn rows(x: &[f32]) -> Vec<Row<f32>> {
    let mut rows = vec![[1.0; LANES]; x.len().div_ceil(LANES)];
    rows.as_flattened_mut()[..x.len()].copy_from_slice(x);
    rows
}

/// Numbers of all signs, magnitudes and digits, infinities and NaN among them.
fn all_magnitudes(count: u32) -> Vec<f32> {
    let stride = (u32::MAX / count) | 1;
    (0..count).map(|i| f32::from_bits(i.wrapping_mul(stride))).collect()
}

/// Numbers from `low` to `high`, evenly spaced.
fn between(low: f32, high: f32, count: u32) -> Vec<f32> {
    (0..=count).map(|i| low + (high - low) * (i as f32 / count as f32)).collect()
}

/// Both, and special values.
fn sweep(low: f32, high: f32) -> Vec<f32> {
    let mut x = all_magnitudes(200_000);
    x.extend(between(low, high, 50_000));
    x.extend([0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE]);
    x
}

/// The distance of `got` from `expected` in units of the last place of `expected`; 0 where both are beyond the range.
fn ulps(got: f32, expected: f64) -> f64 {
    let rounded = expected as f32;
    if got.to_bits() == rounded.to_bits() || (got.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    if !rounded.is_finite() || !got.is_finite() {
        return f64::INFINITY;
    }
    let exponent = ((expected.abs().to_bits() >> 52) as i32 - 1023).max(-126);
    (f64::from(got) - expected).abs() / f64::from(exponent - 23).exp2()
}

/// The greatest error, which is asserted to be at most `limit`.
///
/// Where `flushes`, 0 is right for results below 2⁻¹²⁶.
fn check(name: &str, limit: f64, flushes: bool, x: &[f32], got: &[f32], expected: impl Fn(f64) -> f64) {
    let mut worst = (0.0, 0.0, 0.0, 0.0);
    for (&x, &got) in x.iter().zip(got) {
        let expected = expected(f64::from(x));
        if flushes && got == 0.0 && expected.abs() <= f64::from(f32::MIN_POSITIVE) {
            continue;
        }
        let error = ulps(got, expected);
        if error > worst.0 {
            worst = (error, x, got, expected);
        }
    }
    let (error, x, got, expected) = worst;
    assert!(error <= limit, "{name}({x:e}) is {got:e}, not {expected:e}: {error:.3} ulp, above {limit}");
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn errors_are_as_stated() {
    let simd = Simd::detect();
    let x = sweep(-110.0, 95.0);
    check("exp", 1.0, true, &x, &values!(Exp, simd, x), f64::exp);
    check("sigmoid", 1.5, true, &x, &values!(Sigmoid, simd, x), sigmoid);
    check(
        "softplus",
        2.0,
        true,
        &x,
        &values!(Softplus, simd, x),
        |x| if x.is_nan() { x } else { softplus(x) },
    );
    let x = sweep(-20.0, 95.0);
    check("expm1", 1.5, false, &x, &values!(Expm1, simd, x), f64::exp_m1);
    let x = sweep(-2.0, 2.0);
    check("expm1", 1.5, false, &x, &values!(Expm1, simd, x), f64::exp_m1);
    check("tanh", 2.0, false, &x, &values!(Tanh, simd, x), f64::tanh);
    check("erf", 1.5, false, &x, &values!(Erf, simd, x), math64::erf);
    check("log", 1.0, false, &x, &values!(Log, simd, x), f64::ln);
    check("log1p", 1.5, false, &x, &values!(Log1p, simd, x), f64::ln_1p);
    let x = sweep(-10.0, 10.0);
    check("tanh", 2.0, false, &x, &values!(Tanh, simd, x), f64::tanh);
    check("erf", 1.5, false, &x, &values!(Erf, simd, x), math64::erf);
    check("log", 1.0, false, &x, &values!(Log, simd, x), f64::ln);
    check("log1p", 1.5, false, &x, &values!(Log1p, simd, x), f64::ln_1p);
}

#[test]
fn sines_are_right_up_to_a_million() {
    let simd = Simd::detect();
    let mut x = between(-8.0, 8.0, 60_000);
    x.extend(between(-1e6, 1e6, 100_000));
    x.extend(all_magnitudes(60_000).into_iter().filter(|x| x.abs() <= 1e6));
    // Multiples of π/2, where most digits cancel.
    x.extend((0..60_000).map(|n| (f64::from(10 * n + n % 10) * std::f64::consts::FRAC_PI_2) as f32));
    x.extend([f32::INFINITY, f32::NAN]);
    check("sin", 1.6, false, &x, &values!(Sin, simd, x), f64::sin);
    check("cos", 2.0, false, &x, &values!(Cos, simd, x), f64::cos);
}

#[test]
fn sines_of_great_numbers_are_at_most_one() {
    let x: Vec<f32> = all_magnitudes(60_000).into_iter().filter(|x| x.is_finite() && x.abs() > 1e6).collect();
    let (sin, cos) = (values!(Sin, Simd::detect(), x), values!(Cos, Simd::detect(), x));
    for value in sin.into_iter().chain(cos) {
        assert!(value.abs() <= 1.0, "{value}");
    }
}

#[test]
fn powers_are_right_within_range_and_at_its_ends() {
    let simd = Simd::detect();
    let mut x = all_magnitudes(40_000);
    x.extend(between(-4.0, 4.0, 20_000));
    let exponents = [
        0.5,
        -0.5,
        2.0,
        3.0,
        -1.0,
        -3.0,
        0.1,
        1.7,
        -2.3,
        7.0,
        25.5,
        100.0,
        -77.7,
        1e3,
        1e5,
        -1e6,
        16_777_217.0,
        3e9,
        1e-3,
        1e-10,
        1e-40,
        0.0,
        -0.0,
        1e30,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        1.0,
    ];
    for y in exponents {
        let got = values!(Pow, simd, x, y);
        check(&format!("pow(_, {y})"), 1.5, false, &x, &got, |x| x.powf(f64::from(y)));
    }
    let near: Vec<f32> = (0..20_000).map(|i| f32::from_bits(0x3f7f_0000 + 10 * i)).collect();
    for y in [1e3, -3e4, 1e5, 1e7, -4e8] {
        let got = values!(Pow, simd, near, y);
        check(&format!("pow(_, {y})"), 1.5, false, &near, &got, |x| x.powf(f64::from(y)));
    }
}

#[test]
fn powers_have_the_special_values_of_c99() {
    let special =
        [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 2.5, -2.5, f32::INFINITY, f32::NEG_INFINITY];
    for y in special.into_iter().chain([f32::NAN, f32::MAX, 1e-45]) {
        let x: Vec<f32> = special.into_iter().chain([f32::NAN, f32::MAX, f32::MIN, 1e-45, -1e-45]).collect();
        for (&x, &got) in x.iter().zip(&values!(Pow, Simd::detect(), x, y)) {
            let expected = x.powf(y);
            let same = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
            assert!(
                same || ulps(got, f64::from(x).powf(f64::from(y))) < 2.0,
                "pow({x:e}, {y:e}): {got:e}, {expected:e}"
            );
        }
    }
}

#[test]
fn whole_powers_are_products() {
    struct Powi<'a>(&'a mut [Row<f32>], i32);
    impl Kernel<f32> for Powi<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes<Elem = f32>>(self) {
            for row in self.0 {
                L::load(row).powi(self.1).store(row);
            }
        }
    }
    let x = between(-3.0, 3.0, 1_000);
    for n in [-5, -1, 0, 1, 2, 3, 9] {
        let mut rows = rows(&x);
        Simd::detect().run(Powi(&mut rows, n));
        check(&format!("powi(_, {n})"), 6.0, false, &x, rows.as_flattened(), |x| x.powi(n));
    }
}

#[test]
fn odd_functions_are_odd() {
    let simd = Simd::detect();
    let x = sweep(-5.0, 5.0);
    let negative: Vec<f32> = x.iter().map(|x| -x).collect();
    let pairs = [
        (values!(Tanh, simd, x), values!(Tanh, simd, negative)),
        (values!(Erf, simd, x), values!(Erf, simd, negative)),
        (values!(Sin, simd, x), values!(Sin, simd, negative)),
    ];
    for (positive, negative) in pairs {
        for ((x, a), b) in x.iter().zip(positive).zip(negative) {
            assert!(a.to_bits() == (-b).to_bits() || (a.is_nan() && b.is_nan()), "{x:e}: {a:e}, {b:e}");
        }
    }
}

#[test]
fn zeros_keep_their_sign() {
    let simd = Simd::detect();
    let x = [0.0, -0.0];
    for values in [
        values!(Tanh, simd, x),
        values!(Erf, simd, x),
        values!(Sin, simd, x),
        values!(Expm1, simd, x),
        values!(Log1p, simd, x),
    ] {
        assert_eq!([values[0].to_bits(), values[1].to_bits()], x.map(f32::to_bits));
    }
}

#[test]
fn sigmoids_of_opposite_numbers_sum_to_one() {
    let simd = Simd::detect();
    let x = between(0.0, 100.0, 20_000);
    let negative: Vec<f32> = x.iter().map(|x| -x).collect();
    for (a, b) in values!(Sigmoid, simd, x).into_iter().zip(values!(Sigmoid, simd, negative)) {
        assert!((a + b - 1.0).abs() <= 2.0 * f32::EPSILON, "{a} + {b}");
    }
}

#[test]
fn rising_functions_do_not_fall() {
    let simd = Simd::detect();
    let x = between(-100.0, 100.0, 60_000);
    let functions = [
        ("exp", values!(Exp, simd, x)),
        ("sigmoid", values!(Sigmoid, simd, x)),
        ("softplus", values!(Softplus, simd, x)),
    ];
    for (name, values) in functions {
        for (pair, x) in values.windows(2).zip(&x) {
            assert!(pair[0] <= pair[1], "{name} after {x}: {pair:?}");
        }
    }
}

#[test]
fn bits_are_the_same_for_every_set() {
    let mut x = all_magnitudes(3_000);
    x.extend(between(-30.0, 30.0, 1_500));
    let all = |simd: Simd| -> Vec<Vec<u32>> {
        let values = [
            values!(Exp, simd, x),
            values!(Expm1, simd, x),
            values!(Log, simd, x),
            values!(Log1p, simd, x),
            values!(Tanh, simd, x),
            values!(Sigmoid, simd, x),
            values!(Softplus, simd, x),
            values!(Erf, simd, x),
            values!(Sin, simd, x),
            values!(Cos, simd, x),
            values!(Pow, simd, x, 1.7),
            values!(Pow, simd, x, -30.0),
        ];
        // Of NaN, sign and payload are not fixed.
        values
            .map(|values| values.iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect())
            .to_vec()
    };
    let plain = all(Simd::up_to(Set::Plain));
    for set in Set::ALL {
        assert!(all(Simd::up_to(set)) == plain, "{} differs from plain lanes", set.name());
    }
}
