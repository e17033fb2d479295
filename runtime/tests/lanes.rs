//! Every operation of every set of lanes against plain arithmetic, bit for bit.

use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Kernel, Set, Simd};

type Lane = Row<f32>;

/// Numbers that matter: zeros, ones, halves, limits of ranges, infinities, NaN, and a spread of ordinary ones.
fn samples() -> Vec<Lane> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        f32::MIN_POSITIVE,
        1e-45,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        8_388_607.5,
        8_388_608.0,
        -8_388_609.0,
        0.999_999_94,
        3.000_000_2,
        1e-30,
        1e30,
    ];
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // All exponents are as likely.
        f32::from_bits(state)
    };
    let mut numbers: Vec<f32> = special.to_vec();
    numbers.extend((0..1000).map(|_| next()));
    // Neighbours, and products that nearly cancel.
    numbers.extend((0..200).map(|n| 1.0 + n as f32 * f32::EPSILON));
    numbers.as_chunks::<16>().0.to_vec()
}

fn sets() -> Vec<Simd> {
    Set::ALL.into_iter().map(Simd::up_to).collect::<Vec<_>>()
}

/// Three operands in; every result out.
struct Operations<'a>(&'a [Lane; 3]);

impl Kernel<f32> for Operations<'_> {
    type Output = Vec<(&'static str, Lane)>;

    #[inline(always)]
    fn run<L: Lanes<Elem = f32>>(self) -> Self::Output {
        let [a, b, c] = [L::load(&self.0[0]), L::load(&self.0[1]), L::load(&self.0[2])];
        let (one, zero) = (L::splat(1.0), L::zero());
        let mask = |mask| L::select(mask, one, zero);
        let mut out = Vec::new();
        let mut keep = |name, lanes: L| {
            let mut row = [0.0; 16];
            lanes.store(&mut row);
            out.push((name, row));
        };
        keep("add", a + b);
        keep("sub", a - b);
        keep("mul", a * b);
        keep("div", a / b);
        keep("neg", -a);
        keep("mul_add", a.mul_add(b, c));
        keep("min", a.min(b));
        keep("max", a.max(b));
        keep("minimum", a.minimum(b));
        keep("maximum", a.maximum(b));
        keep("abs", a.abs());
        keep("sqrt", a.sqrt());
        keep("floor", a.floor());
        keep("round", a.round());
        keep("sign", a.sign());
        keep("flush", a.flush(1e-30));
        keep("powi", a.powi(5));
        keep("powi_negative", a.powi(-3));
        keep("lt", mask(a.lt(b)));
        keep("le", mask(a.le(b)));
        keep("gt", mask(a.gt(b)));
        keep("ge", mask(a.ge(b)));
        keep("eq", mask(a.eq(b)));
        keep("ne", mask(a.ne(b)));
        keep("and", mask(a.lt(b) & b.lt(c)));
        keep("or", mask(a.lt(b) | b.lt(c)));
        keep("not", mask(!a.lt(b)));
        keep("first", mask(L::first(5)));
        keep("index", L::index());
        keep("sum", L::splat(a.sum()));
        keep("max_lane", L::splat(a.max_lane()));
        out
    }
}

/// The same, a number at a time.
fn expected(name: &str, a: f32, b: f32, c: f32) -> Option<f32> {
    let yes = |is: bool| if is { 1.0 } else { 0.0 };
    Some(match name {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "neg" => -a,
        "mul_add" => a.mul_add(b, c),
        "min" => {
            if a < b {
                a
            } else {
                b
            }
        }
        "minimum" | "maximum" if a.is_nan() || b.is_nan() => f32::NAN,
        "minimum" if a < b => a,
        "maximum" if a > b => a,
        "minimum" | "maximum" => b,
        "max" => {
            if a > b {
                a
            } else {
                b
            }
        }
        "abs" => a.abs(),
        "sqrt" => a.sqrt(),
        "floor" => a.floor(),
        "round" => a.round_ties_even(),
        "sign" => {
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else {
                0.0
            }
        }
        "flush" => {
            if a.abs() < 1e-30 {
                0.0
            } else {
                a
            }
        }
        "powi" => (a * a) * (a * a) * a,
        "powi_negative" => 1.0 / (a * (a * a)),
        "lt" => yes(a < b),
        "le" => yes(a <= b),
        "gt" => yes(a > b),
        "ge" => yes(a >= b),
        "eq" => yes(a == b),
        "ne" => yes(a != b),
        "and" => yes(a < b && b < c),
        "or" => yes(a < b || b < c),
        "not" => 1.0 - yes(a < b),
        _ => return None,
    })
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn operations() {
    let rows = samples();
    for simd in sets() {
        for shift in 0..rows.len() {
            let at = |n: usize| rows[(shift + n) % rows.len()];
            let operands = [at(0), at(1 + shift / 3), at(2 + shift / 7)];
            for (name, found) in simd.run(Operations(&operands)) {
                for lane in 0..16 {
                    let [a, b, c] = operands.map(|row| row[lane]);
                    if let Some(expected) = expected(name, a, b, c) {
                        assert!(
                            same(found[lane], expected),
                            "{simd:?} {name}({a:e}, {b:e}, {c:e}): {:e}, expected {expected:e}",
                            found[lane]
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn folds_and_indices() {
    let row: Lane = std::array::from_fn(|lane| (lane as f32 - 4.3) * 1.7);
    for simd in sets() {
        let found = simd.run(Operations(&[row, row, row]));
        let find = |wanted: &str| found.iter().find(|(name, _)| *name == wanted).expect("it is computed").1;
        let mut folded = row.to_vec();
        while folded.len() > 1 {
            let (low, high) = folded.split_at(folded.len() / 2);
            folded = low.iter().zip(high).map(|(a, b)| a + b).collect();
        }
        assert_eq!(find("sum")[0].to_bits(), folded[0].to_bits(), "{simd:?}");
        assert_eq!(find("max_lane")[0], row[15]);
        assert_eq!(find("index"), std::array::from_fn(|lane| lane as f32));
        assert_eq!(find("first"), std::array::from_fn(|lane| if lane < 5 { 1.0 } else { 0.0 }));
    }
}

struct Transpose<'a>(&'a mut [Lane; 16]);

impl Kernel<f32> for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Elem = f32>>(self) {
        let mut square = [L::zero(); 16];
        for (lanes, row) in square.iter_mut().zip(self.0.iter()) {
            *lanes = L::load(row);
        }
        L::transpose(&mut square);
        for (lanes, row) in square.iter().zip(self.0.iter_mut()) {
            lanes.store(row);
        }
    }
}

#[test]
fn transposition() {
    for simd in sets() {
        let mut square: [Lane; 16] =
            std::array::from_fn(|row| std::array::from_fn(|column| (row * 16 + column) as f32));
        simd.run(Transpose(&mut square));
        let expected: [Lane; 16] =
            std::array::from_fn(|row| std::array::from_fn(|column| (column * 16 + row) as f32));
        assert_eq!(square, expected, "{simd:?}");
    }
}

/// Every function of numbers, for the bits of the sets.
struct Functions<'a>(&'a [Lane; 2]);

impl Kernel<f32> for Functions<'_> {
    type Output = Vec<(&'static str, Lane)>;

    #[inline(always)]
    fn run<L: Lanes<Elem = f32>>(self) -> Self::Output {
        let [a, b] = [L::load(&self.0[0]), L::load(&self.0[1])];
        let results = [
            ("exp", a.exp()),
            ("expm1", a.expm1()),
            ("log", a.log()),
            ("log1p", a.log1p()),
            ("tanh", a.tanh()),
            ("sigmoid", a.sigmoid()),
            ("softplus", a.softplus()),
            ("erf", a.erf()),
            ("sin", a.sin()),
            ("cos", a.cos()),
            ("pow", a.pow(b)),
        ];
        let mut out = Vec::new();
        for (name, lanes) in results {
            let mut row = [0.0; 16];
            lanes.store(&mut row);
            out.push((name, row));
        }
        out
    }
}

#[test]
fn functions_have_the_same_bits_in_every_set() {
    let mut rows = samples();
    rows.extend((0..200).map(|n| std::array::from_fn(|lane| (n * 16 + lane) as f32 * 0.06 - 96.0)));
    let plain = Simd::up_to(Set::Plain);
    for simd in sets() {
        for pair in rows.windows(2) {
            let operands = [pair[0], pair[1]];
            for ((name, found), (_, expected)) in
                simd.run(Functions(&operands)).into_iter().zip(plain.run(Functions(&operands)))
            {
                for lane in 0..16 {
                    assert!(
                        same(found[lane], expected[lane]),
                        "{simd:?} {name}({:e}, {:e}): {:e}, plain {:e}",
                        operands[0][lane],
                        operands[1][lane],
                        found[lane],
                        expected[lane]
                    );
                }
            }
        }
    }
}
