//! Values with a bound on their rounding error: what two ways of computing one number may differ by.

use crate::scalar::{Binary, Condition, Scalar, Unary, Variable};

/// A few units in the last place, for each operation.
const UNIT: f64 = 4.0 * f64::EPSILON;

/// A number, and how far off it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Approximate {
    pub value: f64,
    pub error: f64,
}

impl Approximate {
    fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    fn new(value: f64, error: f64) -> Option<Self> {
        let error = error + UNIT * value.abs();
        (value.is_finite() && error.is_finite()).then_some(Self { value, error })
    }
}

/// The value of a formula and its error; none where something in it is not finite, or where rounding may decide a
/// condition or a step.
pub(super) fn approximate(x: &Scalar, inputs: [f64; 3]) -> Option<Approximate> {
    match x {
        Scalar::Number(value) => value.is_finite().then_some(Approximate::exact(*value)),
        Scalar::Variable(Variable::Input(n)) => {
            inputs.get(*n as usize).map(|value| Approximate::exact(*value))
        }
        Scalar::Variable(_) => None,
        Scalar::Unary(op, x) => unary(*op, approximate(x, inputs)?),
        Scalar::Binary(op, a, b) => binary(*op, approximate(a, inputs)?, approximate(b, inputs)?),
        Scalar::Select(condition, a, b) => {
            let chosen = if holds(condition, inputs)? { a } else { b };
            approximate(chosen, inputs)
        }
    }
}

fn unary(op: Unary, x: Approximate) -> Option<Approximate> {
    let at = |x: f64| op.apply(x);
    let value = at(x.value);
    let ends = [at(x.value - x.error), at(x.value + x.error)];
    if ends.iter().any(|end| end.is_nan()) {
        return None;
    }
    let by_ends = ends.iter().map(|end| (end - value).abs()).fold(0.0, f64::max);
    let error = match op {
        Unary::Sign | Unary::Floor if by_ends != 0.0 => return None,
        Unary::Sin | Unary::Cos | Unary::Abs | Unary::Neg => x.error,
        // They rise or fall throughout.
        _ => by_ends,
    };
    Approximate::new(value, error)
}

fn binary(op: Binary, a: Approximate, b: Approximate) -> Option<Approximate> {
    let value = op.apply(a.value, b.value);
    let error = match op {
        Binary::Add | Binary::Sub => a.error + b.error,
        Binary::Min | Binary::Max => a.error.max(b.error),
        Binary::Mul => a.value.abs() * b.error + b.value.abs() * a.error + a.error * b.error,
        Binary::Div => {
            let least = b.value.abs() - b.error;
            if least <= 0.0 {
                return None;
            }
            (a.error + value.abs() * b.error) / least
        }
        Binary::Pow => {
            // By the corners; where the base may be 0 or the sign changes they say nothing.
            if a.value.abs() <= a.error && a.error > 0.0 || a.value <= 0.0 && b.error > 0.0 {
                return None;
            }
            let mut error = 0.0_f64;
            for a in [a.value - a.error, a.value + a.error] {
                for b in [b.value - b.error, b.value + b.error] {
                    let corner = op.apply(a, b);
                    if corner.is_nan() {
                        return None;
                    }
                    error = error.max((corner - value).abs());
                }
            }
            error
        }
    };
    Approximate::new(value, error)
}

fn holds(condition: &Condition, inputs: [f64; 3]) -> Option<bool> {
    Some(match condition {
        Condition::Compare(relation, a, b) => {
            let (a, b) = (approximate(a, inputs)?, approximate(b, inputs)?);
            let error = a.error + b.error;
            if error > 0.0 && (a.value - b.value).abs() <= error {
                return None;
            }
            relation.holds(a.value, b.value)
        }
        Condition::And(a, b) => holds(a, inputs)? && holds(b, inputs)?,
        Condition::Or(a, b) => holds(a, inputs)? || holds(b, inputs)?,
        Condition::Not(a) => !holds(a, inputs)?,
    })
}
