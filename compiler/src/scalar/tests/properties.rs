//! What holds of all formulas: simplifying keeps the value, ends where it ends, and does not make them larger.

use proptest::prelude::*;

use super::{at, show};
use crate::scalar::{Binary, Relation, Scalar, Unary, Variable, differentiate, simplify};

/// Formulas whose operations are defined for all finite numbers.
fn formulas() -> impl Strategy<Value = Scalar> {
    let leaf = prop_oneof![
        (0u32..3).prop_map(Scalar::input),
        prop::sample::select(vec![-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0]).prop_map(Scalar::Number),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let unary = prop::sample::select(vec![
            Unary::Neg,
            Unary::Tanh,
            Unary::Sigmoid,
            Unary::Softplus,
            Unary::Abs,
            Unary::Sin,
            Unary::Cos,
            Unary::Erf,
        ]);
        let binary =
            prop::sample::select(vec![Binary::Add, Binary::Sub, Binary::Mul, Binary::Min, Binary::Max]);
        prop_oneof![
            (unary, inner.clone()).prop_map(|(op, x)| Scalar::unary(op, x)),
            (binary, inner.clone(), inner.clone()).prop_map(|(op, a, b)| Scalar::binary(op, a, b)),
            (inner.clone(), 1u32..4).prop_map(|(x, n)| Scalar::binary(
                Binary::Pow,
                x,
                Scalar::Number(f64::from(n))
            )),
            (inner.clone(), inner.clone(), inner.clone(), inner).prop_map(|(a, b, yes, no)| Scalar::select(
                Relation::Gt,
                a,
                b,
                yes,
                no
            )),
        ]
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-7 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_value_stays(formula in formulas(), x in -2.0..2.0f64, y in -2.0..2.0f64, z in -2.0..2.0f64) {
        let simple = simplify(&formula);
        let (before, after) = (at(&formula, [x, y, z]), at(&simple, [x, y, z]));
        // Comparisons of numbers that differ by rounding alone may fall either way; random ones hardly ever do.
        prop_assume!(before.is_finite() && before.abs() < 1e6);
        prop_assert!(close(before, after), "{} -> {}: {before}, {after}", show(&formula), show(&simple));
    }

    #[test]
    fn a_simple_formula_stays(formula in formulas()) {
        let once = simplify(&formula);
        let twice = simplify(&once);
        prop_assert!(once.size() <= formula.size(), "{} grew to {}", show(&formula), show(&once));
        prop_assert!(twice.size() <= once.size(), "{} grew to {}", show(&once), show(&twice));
    }

    #[test]
    fn derivatives_are_slopes(formula in formulas(), x in -1.5..1.5f64, y in -1.5..1.5f64, z in -1.5..1.5f64) {
        let derivative = differentiate(&formula, Variable::Input(0));
        let slope = |h: f64| (at(&formula, [x + h, y, z]) - at(&formula, [x - h, y, z])) / (2.0 * h);
        // Where two steps disagree there is a kink, or a curve too steep for differences.
        let (coarse, fine) = (slope(1e-4), slope(5e-5));
        prop_assume!(coarse.is_finite() && coarse.abs() < 1e4 && (coarse - fine).abs() < 1e-6 * (1.0 + fine.abs()));
        let found = at(&derivative, [x, y, z]);
        prop_assert!(
            (found - fine).abs() <= 1e-5 * (1.0 + fine.abs()),
            "d/dx {} = {}: {found}, by differences {fine}", show(&formula), show(&derivative)
        );
    }
}
