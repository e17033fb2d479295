//! The value of a formula in f64.
//!
//! This is the meaning of scalars: the reference interpreter computes with it, constants are folded by it, and
//! emitted code is compared with it. Functions are accurate to a few units in the last place.

use super::{Binary, Condition, Relation, Scalar, Unary, Variable};

/// What is left to do.
enum Task<'a> {
    Value(&'a Scalar),
    Truth(&'a Condition),
    Unary(Unary),
    Binary(Binary),
    /// Goes on with the branch that the last truth chooses.
    Choose(&'a Scalar, &'a Scalar),
    Compare(Relation),
    And,
    Or,
    Not,
}

/// The value of `x`, with `value` giving that of each variable.
///
/// Of a select the branch that is not chosen is not looked at. Variables are asked for each time they appear.
pub fn evaluate(x: &Scalar, value: &mut dyn FnMut(Variable) -> f64) -> f64 {
    let mut tasks = vec![Task::Value(x)];
    let mut values: Vec<f64> = Vec::new();
    let mut truths: Vec<bool> = Vec::new();
    // Each task finds its operands on the stacks, so the defaults below are never taken.
    while let Some(task) = tasks.pop() {
        match task {
            Task::Value(Scalar::Number(number)) => values.push(*number),
            Task::Value(Scalar::Variable(variable)) => values.push(value(*variable)),
            Task::Value(Scalar::Unary(op, a)) => tasks.extend([Task::Unary(*op), Task::Value(a)]),
            Task::Value(Scalar::Binary(op, a, b)) => {
                tasks.extend([Task::Binary(*op), Task::Value(b), Task::Value(a)]);
            }
            Task::Value(Scalar::Select(condition, a, b)) => {
                tasks.extend([Task::Choose(a, b), Task::Truth(condition)]);
            }
            Task::Truth(Condition::Compare(relation, a, b)) => {
                tasks.extend([Task::Compare(*relation), Task::Value(b), Task::Value(a)]);
            }
            Task::Truth(Condition::And(a, b)) => tasks.extend([Task::And, Task::Truth(b), Task::Truth(a)]),
            Task::Truth(Condition::Or(a, b)) => tasks.extend([Task::Or, Task::Truth(b), Task::Truth(a)]),
            Task::Truth(Condition::Not(a)) => tasks.extend([Task::Not, Task::Truth(a)]),
            Task::Unary(op) => {
                let a = values.pop().unwrap_or(f64::NAN);
                values.push(op.apply(a));
            }
            Task::Binary(op) => {
                let (b, a) = (values.pop().unwrap_or(f64::NAN), values.pop().unwrap_or(f64::NAN));
                values.push(op.apply(a, b));
            }
            Task::Choose(a, b) => {
                tasks.push(Task::Value(if truths.pop().unwrap_or(false) { a } else { b }));
            }
            Task::Compare(relation) => {
                let (b, a) = (values.pop().unwrap_or(f64::NAN), values.pop().unwrap_or(f64::NAN));
                truths.push(relation.holds(a, b));
            }
            Task::And => {
                let (b, a) = (truths.pop().unwrap_or(false), truths.pop().unwrap_or(false));
                truths.push(a && b);
            }
            Task::Or => {
                let (b, a) = (truths.pop().unwrap_or(false), truths.pop().unwrap_or(false));
                truths.push(a || b);
            }
            Task::Not => {
                let a = truths.pop().unwrap_or(false);
                truths.push(!a);
            }
        }
    }
    values.pop().unwrap_or(f64::NAN)
}

impl Unary {
    /// Its value in f64.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Neg => -x,
            Self::Exp => x.exp(),
            Self::Expm1 => x.exp_m1(),
            Self::Log => x.ln(),
            Self::Log1p => x.ln_1p(),
            Self::Sqrt => x.sqrt(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Erf => erf(x),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Abs => x.abs(),
            // 0 also for NaN, as `torch.sign`.
            Self::Sign => f64::from(u8::from(x > 0.0)) - f64::from(u8::from(x < 0.0)),
            Self::Floor => x.floor(),
        }
    }
}

impl Binary {
    /// Its value in f64. `Min` and `Max` of NaN are NaN.
    pub fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min if a < b || a.is_nan() => a,
            Self::Max if a > b || a.is_nan() => a,
            Self::Min | Self::Max => b,
        }
    }
}

impl Relation {
    /// Whether it holds between two numbers.
    pub fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lt => a < b,
            Self::Le => a <= b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
            Self::Eq => a == b,
            Self::Ne => a != b,
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    // e^x of the side where it does not overflow.
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The error function: its series 2/sqrt(pi) e^(-x^2) x (1 + 2x^2/3 + (2x^2)^2/(3 5) + …), which has no cancellation,
/// up to |x| = 3; 1 less the continued fraction of erfc beyond; 1 from 6 on, where erfc is below half a unit.
fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    if x.is_nan() {
        x
    } else if magnitude <= 3.0 {
        let (mut term, mut sum, mut odd) = (1.0, 1.0, 1.0);
        // The terms fall once `odd` is above 2x^2 = 18, and are below any unit long before 200.
        while odd < 200.0 && term > sum * 1e-18 {
            odd += 2.0;
            term *= 2.0 * x * x / odd;
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * x * sum
    } else if magnitude < 6.0 {
        // erfc(x) = e^(-x^2)/sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), from the inside.
        let mut fraction = magnitude;
        for k in (1..=60).rev() {
            fraction = magnitude + f64::from(k) / 2.0 / fraction;
        }
        let complement = std::f64::consts::FRAC_2_SQRT_PI / 2.0 * (-x * x).exp() / fraction;
        (1.0 - complement).copysign(x)
    } else {
        1_f64.copysign(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x() -> Scalar {
        Scalar::input(0)
    }

    fn at(scalar: &Scalar, x: f64) -> f64 {
        evaluate(scalar, &mut |_| x)
    }

    #[test]
    fn operators_apply_from_the_left() {
        let a = Scalar::binary(Binary::Sub, x(), Scalar::Number(1.0));
        let b = Scalar::binary(Binary::Div, a, Scalar::Number(4.0));
        assert_eq!(at(&b, 9.0), 2.0);
        assert_eq!(at(&Scalar::binary(Binary::Pow, Scalar::Number(2.0), x()), 3.0), 8.0);
    }

    #[test]
    fn select_looks_at_one_branch() {
        let mut asked = Vec::new();
        let select = Scalar::select(
            Relation::Gt,
            Scalar::input(0),
            Scalar::Number(0.0),
            Scalar::input(1),
            Scalar::input(2),
        );
        let value = evaluate(&select, &mut |v| {
            asked.push(v);
            -1.0
        });
        assert_eq!(value, -1.0);
        assert_eq!(asked, [Variable::Input(0), Variable::Input(2)]);
    }

    #[test]
    fn erf_agrees_with_published_values() {
        // Abramowitz, Stegun, table 7.1, and the OEIS's digits of erf(1); erf(4) and erf(3.5) from 40-digit sums.
        for (x, value) in [
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
            (3.5, 0.999_999_256_901_627_6),
            (4.0, 0.999_999_984_582_742_1),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - value).abs() <= 4e-16, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!(erf(0.0), 0.0);
        assert!(erf(f64::NAN).is_nan());
        assert_eq!(erf(f64::NEG_INFINITY), -1.0);
        let tiny = 1e-300;
        assert!((erf(tiny) / tiny - std::f64::consts::FRAC_2_SQRT_PI).abs() < 1e-15);
    }

    #[test]
    fn erf_has_no_step_where_its_methods_meet() {
        let slope = std::f64::consts::FRAC_2_SQRT_PI * (-9.0_f64).exp();
        let h = 1e-10;
        assert!((erf(3.0 + h) - erf(3.0) - slope * h).abs() < 4e-16);
    }

    #[test]
    fn functions_hold_at_their_ends() {
        assert_eq!(Unary::Sigmoid.apply(-800.0), 0.0);
        assert_eq!(Unary::Sigmoid.apply(800.0), 1.0);
        assert_eq!(Unary::Softplus.apply(800.0), 800.0);
        assert_eq!(Unary::Softplus.apply(-800.0), 0.0);
        assert!((Unary::Softplus.apply(-40.0) / (-40_f64).exp() - 1.0).abs() < 1e-15);
        assert_eq!(Unary::Sign.apply(-0.0), 0.0);
        assert_eq!(Binary::Pow.apply(0.0, 0.0), 1.0);
        assert!(Binary::Max.apply(f64::NAN, 0.0).is_nan());
        assert!(Binary::Min.apply(0.0, f64::NAN).is_nan());
    }
}
