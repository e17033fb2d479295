//! Derivatives by another way: each operation on a value and its derivative together, kinks as the documentation of
//! `differentiate` has them.

use crate::scalar::{Binary, Condition, Scalar, Unary, Variable};

/// Value and derivative by the first input; none at ties of `min` and `max` that are no number's, for they depend on
/// which operand turns out to be a number.
pub(super) fn dual(x: &Scalar, inputs: [f64; 3]) -> Option<(f64, f64)> {
    Some(match x {
        Scalar::Number(value) => (*value, 0.0),
        Scalar::Variable(Variable::Input(0)) => (inputs[0], 1.0),
        Scalar::Variable(Variable::Input(n)) => (inputs[*n as usize], 0.0),
        Scalar::Variable(other) => panic!("no value for {other:?}"),
        Scalar::Unary(op, a) => {
            let (a, da) = dual(a, inputs)?;
            let y = op.apply(a);
            let slope = match op {
                Unary::Neg => -1.0,
                Unary::Exp => y,
                Unary::Expm1 => a.exp(),
                Unary::Log => 1.0 / a,
                Unary::Log1p => 1.0 / (1.0 + a),
                Unary::Sqrt => 0.5 / y,
                Unary::Tanh => 1.0 - y * y,
                Unary::Sigmoid => y * (1.0 - y),
                Unary::Softplus => 1.0 / (1.0 + (-a).exp()),
                Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp(),
                Unary::Sin => a.cos(),
                Unary::Cos => -a.sin(),
                Unary::Abs => f64::from(u8::from(a > 0.0)) - f64::from(u8::from(a < 0.0)),
                Unary::Sign | Unary::Floor => 0.0,
            };
            (y, slope * da)
        }
        Scalar::Binary(op, left, right) => {
            let ((a, da), (b, db)) = (dual(left, inputs)?, dual(right, inputs)?);
            let y = op.apply(a, b);
            let slope = match op {
                Binary::Add => da + db,
                Binary::Sub => da - db,
                Binary::Mul => da * b + a * db,
                Binary::Div => da / b - a * db / (b * b),
                Binary::Pow => {
                    let by_base = if b == 0.0 { 0.0 } else { b * a.powf(b - 1.0) * da };
                    by_base + if a > 0.0 { y * a.ln() * db } else { 0.0 }
                }
                Binary::Min | Binary::Max if a == b => match (left.as_ref(), right.as_ref()) {
                    (Scalar::Number(_), _) => da,
                    (_, Scalar::Number(_)) => db,
                    _ => return None,
                },
                Binary::Min | Binary::Max => {
                    if y == a {
                        da
                    } else {
                        db
                    }
                }
            };
            (y, slope)
        }
        Scalar::Select(condition, a, b) => {
            let chosen = if holds(condition, inputs)? { a } else { b };
            dual(chosen, inputs)?
        }
    })
}

fn holds(condition: &Condition, inputs: [f64; 3]) -> Option<bool> {
    Some(match condition {
        Condition::Compare(relation, a, b) => relation.holds(dual(a, inputs)?.0, dual(b, inputs)?.0),
        Condition::And(a, b) => holds(a, inputs)? && holds(b, inputs)?,
        Condition::Or(a, b) => holds(a, inputs)? || holds(b, inputs)?,
        Condition::Not(a) => !holds(a, inputs)?,
    })
}
