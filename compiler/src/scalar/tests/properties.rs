//! What holds of all formulas: simplifying keeps value and derivative, ends where it ends, and does not make them
//! larger.

use proptest::prelude::*;

use super::approximate::approximate;
use super::duals::dual;
use super::{named, parse, show};
use crate::scalar::{
    Binary, Condition, Relation, Scalar, Unary, Variable, differentiate, evaluate, formula,
    in_terms_of_output, simplify,
};

const RELATIONS: [Relation; 6] =
    [Relation::Lt, Relation::Le, Relation::Gt, Relation::Ge, Relation::Eq, Relation::Ne];

fn leaves(numbers: &'static [f64]) -> impl Strategy<Value = Scalar> {
    prop_oneof![
        2 => (0u32..3).prop_map(Scalar::input),
        1 => prop::sample::select(numbers).prop_map(Scalar::Number),
    ]
}

fn conditions(
    scalar: impl Strategy<Value = Scalar> + Clone + 'static,
) -> impl Strategy<Value = Condition> + Clone {
    let compare = (prop::sample::select(&RELATIONS[..]), scalar.clone(), scalar)
        .prop_map(|(relation, a, b)| Condition::Compare(relation, a, b));
    compare.prop_recursive(2, 4, 2, |inner| {
        let boxed = inner.prop_map(Box::new);
        prop_oneof![
            (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Condition::And(a, b)),
            (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Condition::Or(a, b)),
            boxed.prop_map(Condition::Not),
        ]
    })
}

/// Formulas over these functions, powers with these exponents, and selects.
fn formulas_of(
    numbers: &'static [f64],
    unary: &'static [Unary],
    binary: &'static [Binary],
    exponents: &'static [f64],
) -> impl Strategy<Value = Scalar> {
    leaves(numbers).prop_recursive(6, 32, 3, move |inner| {
        let select = (conditions(inner.clone()), inner.clone(), inner.clone());
        prop_oneof![
            4 => (prop::sample::select(unary), inner.clone()).prop_map(|(op, x)| match (op, x) {
                // As it is read.
                (Unary::Neg, Scalar::Number(number)) => Scalar::Number(-number),
                (op, x) => Scalar::unary(op, x),
            }),
            6 => (prop::sample::select(binary), inner.clone(), inner.clone())
                .prop_map(|(op, a, b)| Scalar::binary(op, a, b)),
            // Twice the same, for much is rewritten only there.
            1 => (prop::sample::select(binary), prop::sample::select(unary), inner.clone())
                .prop_filter("as it is read", |(_, _, a)| !matches!(a, Scalar::Number(_)))
                .prop_map(|(op, f, a)| Scalar::binary(op, Scalar::unary(f, a.clone()), a)),
            1 => (prop::sample::select(&[Binary::Min, Binary::Max][..]), inner.clone(), prop::sample::select(numbers))
                .prop_map(|(op, x, bound)| Scalar::binary(op, x, Scalar::Number(bound))),
            1 => (inner, prop::sample::select(exponents))
                .prop_map(|(x, n)| Scalar::binary(Binary::Pow, x, Scalar::Number(n))),
            1 => select.prop_map(|(c, a, b)| Scalar::Select(Box::new(c), Box::new(a), Box::new(b))),
        ]
    })
}

/// All of the language.
fn formulas() -> impl Strategy<Value = Scalar> {
    formulas_of(
        &[-2.0, -1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 2.0, 3.0],
        &[
            Unary::Neg,
            Unary::Exp,
            Unary::Expm1,
            Unary::Log,
            Unary::Log1p,
            Unary::Sqrt,
            Unary::Tanh,
            Unary::Sigmoid,
            Unary::Softplus,
            Unary::Erf,
            Unary::Sin,
            Unary::Cos,
            Unary::Abs,
            Unary::Sign,
            Unary::Floor,
        ],
        &[
            Binary::Add,
            Binary::Add,
            Binary::Sub,
            Binary::Sub,
            Binary::Mul,
            Binary::Mul,
            Binary::Div,
            Binary::Pow,
            Binary::Min,
            Binary::Max,
        ],
        &[-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
    )
}

/// What small whole numbers are exact in, with kinks where they can be hit.
fn exact_formulas() -> impl Strategy<Value = Scalar> {
    formulas_of(
        &[-2.0, -1.0, 0.0, 1.0, 2.0],
        &[Unary::Neg, Unary::Abs, Unary::Sign],
        &[Binary::Add, Binary::Sub, Binary::Mul],
        &[1.0, 2.0, 3.0],
    )
}

fn points() -> impl Strategy<Value = [f64; 3]> {
    prop::array::uniform3(prop_oneof![
        -3.0..3.0f64,
        prop::sample::select(&[-2.0, -1.0, 0.0, 1.0, 2.0, 40.0, -40.0][..])
    ])
}

/// Functions of x as people write activations: in pieces, scaled and shifted.
fn activations() -> impl Strategy<Value = Scalar> {
    let numbers = || prop::sample::select(&[-2.0, -1.0, -0.5, 0.0, 0.01, 0.5, 1.0, 1.5, 2.0, 6.0][..]);
    let number = move || numbers().prop_map(Scalar::Number);
    let curves =
        [Unary::Tanh, Unary::Sigmoid, Unary::Exp, Unary::Expm1, Unary::Softplus, Unary::Erf, Unary::Abs];
    let curve = prop::sample::select(curves.to_vec());
    let leaf = prop_oneof![2 => Just(Scalar::input(0)), 1 => number()];
    leaf.prop_recursive(4, 12, 2, move |inner| {
        let relation = prop::sample::select(&RELATIONS[..]);
        prop_oneof![
            2 => (curve.clone(), inner.clone()).prop_map(|(op, x)| Scalar::unary(op, x)),
            1 => (number(), inner.clone()).prop_map(|(c, x)| Scalar::binary(Binary::Mul, c, x)),
            1 => (number(), inner.clone()).prop_map(|(c, x)| Scalar::binary(Binary::Add, x, c)),
            1 => (number(), inner.clone()).prop_map(|(c, x)| Scalar::binary(Binary::Sub, c, x)),
            1 => (number(), inner.clone()).prop_map(|(c, x)| Scalar::binary(Binary::Max, x, c)),
            1 => (number(), inner.clone()).prop_map(|(c, x)| Scalar::binary(Binary::Min, x, c)),
            4 => (relation, number(), inner.clone(), inner)
                .prop_map(|(relation, bound, a, b)| Scalar::select(relation, Scalar::input(0), bound, a, b)),
        ]
    })
}

fn count_logarithms(x: &Scalar, n: &mut usize) {
    match x {
        Scalar::Number(_) | Scalar::Variable(_) => {}
        Scalar::Unary(op, x) => {
            *n += usize::from(matches!(op, Unary::Log | Unary::Log1p));
            count_logarithms(x, n);
        }
        Scalar::Binary(_, a, b) => [a, b].into_iter().for_each(|x| count_logarithms(x, n)),
        Scalar::Select(condition, a, b) => {
            [a, b].into_iter().for_each(|x| count_logarithms(x, n));
            count_in_condition(condition, n);
        }
    }
}

fn count_in_condition(condition: &Condition, n: &mut usize) {
    match condition {
        Condition::Compare(_, a, b) => [a, b].into_iter().for_each(|x| count_logarithms(x, n)),
        Condition::And(a, b) | Condition::Or(a, b) => {
            [a, b].into_iter().for_each(|condition| count_in_condition(condition, n));
        }
        Condition::Not(a) => count_in_condition(a, n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_global_rejects: 50_000, ..ProptestConfig::default() })]

    #[test]
    fn the_value_stays(formula in formulas(), at in points()) {
        let Some(before) = approximate(&formula, at) else { return Err(TestCaseError::reject("not finite")) };
        let simple = simplify(&formula);
        let Some(after) = approximate(&simple, at) else { return Err(TestCaseError::reject("not finite")) };
        prop_assert!(
            (before.value - after.value).abs() <= 4.0 * (before.error + after.error) + 1e-300,
            "{} -> {}: {before:?}, {after:?}", show(&formula), show(&simple)
        );
    }

    #[test]
    fn a_simple_formula_stays(formula in formulas()) {
        let once = simplify(&formula);
        let twice = simplify(&once);
        let mut stable = 0;
        count_logarithms(&formula, &mut stable);
        // Stable forms of logarithms may be a sign or two larger.
        prop_assert!(once.size() <= formula.size() + 2 * stable, "{} grew to {}", show(&formula), show(&once));
        prop_assert_eq!(show(&once), show(&twice), "from {}", show(&formula));
    }

    #[test]
    fn formulas_are_read_back(scalar in formulas()) {
        let text = formula(&scalar, &named);
        prop_assert_eq!(parse(&text), scalar, "{}", text);
    }

    #[test]
    fn kinks_stay_where_they_are(formula in exact_formulas(), at in prop::array::uniform3(-2i8..3)) {
        let at = at.map(f64::from);
        let Some((value, slope)) = dual(&formula, at) else { return Err(TestCaseError::reject("a tie")) };
        prop_assume!(value.abs() < 1e12 && slope.abs() < 1e12);
        let simple = simplify(&formula);
        prop_assert_eq!(dual(&simple, at), Some((value, slope)), "{} -> {}", show(&formula), show(&simple));
        let derivative = differentiate(&formula, Variable::Input(0));
        prop_assert_eq!(dual(&derivative, at).map(|(value, _)| value), Some(slope), "d {} = {}", show(&formula), show(&derivative));
    }

    #[test]
    fn derivatives_agree_with_dual_numbers(formula in formulas(), at in points()) {
        // Rounding must not decide anything, and not be large.
        let Some(value) = approximate(&formula, at) else { return Err(TestCaseError::reject("not finite")) };
        prop_assume!(value.error < 1e-9 * (1.0 + value.value.abs()));
        let Some((_, slope)) = dual(&formula, at) else { return Err(TestCaseError::reject("a tie")) };
        let derivative = differentiate(&formula, Variable::Input(0));
        let Some(found) = approximate(&derivative, at) else { return Err(TestCaseError::reject("not finite")) };
        prop_assume!(slope.is_finite());
        prop_assert!(
            (found.value - slope).abs() <= 100.0 * found.error + 1e-9 * (1.0 + slope.abs()),
            "d {} = {}: {found:?}, expected {slope}", show(&formula), show(&derivative)
        );
    }

    #[test]
    fn the_result_tells_the_same_derivative(
        function in activations(),
        x in prop_oneof![
            -8.0..8.0f64,
            prop::sample::select(&[-2.0, -1.0, -0.5, 0.0, 0.01, 0.5, 1.0, 1.5, 2.0, 6.0][..]),
            prop::sample::select(&[-1e-20, 1e-20, -1e-310, 1e-310, -5e-324, 5e-324][..]),
        ],
    ) {
        // As it is computed: constants that cancel may still round a tiny operand away.
        let function = simplify(&function);
        let derivative = differentiate(&function, Variable::Input(0));
        let rewritten = in_terms_of_output(&derivative, &function);
        prop_assume!(rewritten != derivative);
        prop_assert!(!rewritten.depends_on(Variable::Input(0)), "half done: {}", show(&rewritten));
        let (out, expected) = (evaluate(&function, &mut |_| x), evaluate(&derivative, &mut |_| x));
        prop_assume!(out.abs() < 1e6 && expected.abs() < 1e6);
        let found = evaluate(&rewritten, &mut |_| out);
        prop_assert!(
            (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
            "d {} = {} = {} at {x}: {expected}, from the result {out} {found}",
            show(&function), show(&derivative), show(&rewritten)
        );
    }
}
