//! What long and deep formulas take: no rule may double its operands at each level.

use std::time::Instant;

use crate::scalar::{Binary, Relation, Scalar, Unary, Variable, differentiate, in_terms_of_output, simplify};

type Grow = fn(Scalar, f64) -> Scalar;

fn x() -> Scalar {
    Scalar::input(0)
}

fn number(value: f64) -> Scalar {
    Scalar::Number(value)
}

fn scaled(factor: f64) -> Scalar {
    Scalar::binary(Binary::Mul, number(factor), x())
}

fn above(bound: f64, then: Scalar, otherwise: Scalar) -> Scalar {
    Scalar::select(Relation::Gt, x(), number(bound), then, otherwise)
}

/// Ways to put a formula into a larger one, again and again, `k` being the level.
const CHAINS: &[(&str, Grow)] = &[
    ("functions", |f, _| Scalar::unary(Unary::Sin, f)),
    ("sigmoids", |f, _| Scalar::unary(Unary::Sigmoid, f)),
    ("a continued fraction", |f, _| {
        Scalar::binary(Binary::Div, x(), Scalar::binary(Binary::Add, number(1.5), f))
    }),
    ("a polynomial", |f, k| {
        Scalar::binary(Binary::Add, number(k + 0.5), Scalar::binary(Binary::Mul, x(), f))
    }),
    ("selects", |f, k| above(k, scaled(k), f)),
    ("selects on themselves", |f, k| {
        Scalar::select(Relation::Gt, Scalar::unary(Unary::Sin, f), number(k), x(), number(1.0))
    }),
    ("a product of sums", |f, k| {
        Scalar::binary(Binary::Mul, f, Scalar::binary(Binary::Add, x(), number(k + 1.5)))
    }),
    ("a product of gates", |f, k| Scalar::binary(Binary::Mul, f, above(k, x(), number(0.0)))),
    ("a sum of selects", |f, k| Scalar::binary(Binary::Add, f, above(k, x(), number(k)))),
    ("a tower", |f, _| Scalar::binary(Binary::Pow, x(), f)),
    ("squares", |f, k| {
        Scalar::binary(Binary::Add, Scalar::binary(Binary::Pow, f, number(2.0)), number(k + 0.25))
    }),
    ("maxima", |f, k| Scalar::binary(Binary::Max, f, scaled(k))),
    ("rectified", |f, _| {
        Scalar::binary(Binary::Sub, number(1.0), Scalar::binary(Binary::Max, f, number(0.0)))
    }),
    ("stable forms", |f, _| {
        let exponential = Scalar::unary(Unary::Exp, f);
        Scalar::unary(Unary::Log, Scalar::binary(Binary::Add, number(1.0), exponential))
    }),
];

#[test]
fn derivatives_grow_with_the_square_at_most() {
    let started = Instant::now();
    for (name, grow) in CHAINS {
        let function = (0..120).fold(x(), |f, k| grow(f, f64::from(k)));
        let derivative = differentiate(&function, Variable::Input(0));
        let (before, after) = (function.size(), derivative.size());
        assert!(after <= 3 * before * before, "{name}: {before} operations, {after} in the derivative");
        let of_output = in_terms_of_output(&derivative, &function);
        assert!(
            of_output.size() <= 2 * after,
            "{name}: {after} operations, {} of the output",
            of_output.size()
        );
    }
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}

#[test]
fn thousands_of_operations_are_simplified_in_a_moment() {
    let started = Instant::now();
    for (name, grow) in CHAINS {
        let function = (0..1200).fold(x(), |f, k| grow(f, f64::from(k)));
        let simplified = simplify(&function);
        assert!(simplified.size() <= function.size(), "{name}");
        assert!(simplified.depth() <= function.depth(), "{name}");
    }
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}
