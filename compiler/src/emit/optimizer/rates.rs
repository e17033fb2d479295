//! What is the same for a whole step, taken out of what happens to each weight.

use super::{NOISE, Optimizer, RATES};
use crate::graph::{Group, Phase};
use crate::scalar::{Binary, Condition, Scalar, Variable};

impl Optimizer {
    /// The passes of a group, with what is the same for a whole step taken out.
    pub(super) fn phases(&mut self, group: &Group) -> Vec<Phase> {
        let norms = group.norms();
        // Locals that are the same for a whole step become rates of their own name.
        let mut uniform: Vec<(Variable, Scalar)> = Vec::new();
        let mut phases = Vec::with_capacity(group.phases.len());
        for phase in &group.phases {
            let mut out = Phase::default();
            for assign in &phase.assignments {
                let value = with_uniform(&assign.value, &uniform);
                if let Variable::Local(n) = assign.target
                    && is_uniform(&value)
                    && !norms.contains(&n)
                {
                    let name = self.source.locals.get(n as usize).cloned();
                    let rate = match &value {
                        Scalar::Number(_) => value,
                        _ => self.rate(name.as_deref().unwrap_or("rate"), value),
                    };
                    uniform.push((assign.target, rate));
                    continue;
                }
                let value = self.hoist(&value);
                out.assignments.push(crate::program::Assign { value, ..assign.clone() });
            }
            for (local, value) in &phase.norms {
                let value = with_uniform(value, &uniform);
                out.norms.push((*local, self.hoist(&value)));
            }
            phases.push(out);
        }
        phases
    }

    /// The scalar that stands for a formula computed once a step.
    fn rate(&mut self, name: &str, value: Scalar) -> Scalar {
        // A formula over other rates is written out, so that rates do not depend on each other.
        let rates = self.rates.clone();
        let value = value.substitute(&mut |variable| match variable {
            Variable::Local(n) if n >= RATES => {
                rates.get((n - RATES) as usize).map(|(_, value)| value.clone())
            }
            _ => None,
        });
        let at = self.rates.iter().position(|(_, known)| *known == value).unwrap_or_else(|| {
            let taken = |name: &str| {
                self.rates.iter().any(|(known, _)| known == name) || self.rounds && name == NOISE
            };
            let mut unique = name.to_owned();
            let mut n = 1;
            while taken(&unique) {
                n += 1;
                unique = format!("{name}_{n}");
            }
            self.rates.push((unique, value));
            self.rates.len() - 1
        });
        Scalar::Variable(Variable::Local(RATES + at as u32))
    }

    /// Takes the largest parts that are the same for a whole step out of a formula.
    fn hoist(&mut self, scalar: &Scalar) -> Scalar {
        if is_uniform(scalar) && !matches!(scalar, Scalar::Number(_)) {
            let is_rate = Some(scalar) == self.source.scheduled_rate.as_ref();
            let name = match scalar {
                _ if is_rate => "lr",
                Scalar::Variable(Variable::Hyper(_)) => "lr",
                Scalar::Variable(Variable::ClipScale) => "clip_scale",
                Scalar::Variable(Variable::Local(n)) if *n >= RATES => return scalar.clone(),
                _ => "rate",
            };
            return self.rate(name, scalar.clone());
        }
        match scalar {
            Scalar::Number(_) | Scalar::Variable(_) => scalar.clone(),
            Scalar::Unary(op, x) => Scalar::unary(*op, self.hoist(x)),
            // A product `lr * m / c` holds its uniform factors apart: they are brought together first.
            Scalar::Binary(Binary::Mul | Binary::Div, ..) => {
                let (uniform, rest) = factors(scalar);
                match uniform {
                    Some(uniform) if uniform.size() > 0 || matches!(uniform, Scalar::Variable(_)) => {
                        let rate = self.hoist(&uniform);
                        let rest = self.hoist_inside(&rest);
                        Scalar::binary(Binary::Mul, rate, rest)
                    }
                    _ => self.hoist_inside(scalar),
                }
            }
            Scalar::Binary(..) | Scalar::Select(..) => self.hoist_inside(scalar),
        }
    }

    fn hoist_inside(&mut self, scalar: &Scalar) -> Scalar {
        match scalar {
            Scalar::Binary(op, a, b) => {
                let a = self.hoist(a);
                Scalar::binary(*op, a, self.hoist(b))
            }
            Scalar::Unary(op, x) => Scalar::unary(*op, self.hoist(x)),
            Scalar::Select(condition, a, b) => {
                let condition = match condition.as_ref() {
                    // What the two sides are made of may be the same for a whole step.
                    Condition::Compare(relation, a, b) => {
                        let mut side = |side: &Scalar| match side {
                            Scalar::Variable(Variable::Step) => self.rate("step", side.clone()),
                            side => self.hoist(side),
                        };
                        Condition::Compare(*relation, side(a), side(b))
                    }
                    condition => condition.substitute(&mut |variable| match variable {
                        Variable::Hyper(_) => Some(self.rate("lr", Scalar::Variable(variable))),
                        Variable::Step => Some(self.rate("step", Scalar::Variable(variable))),
                        variable if is_of_step(variable) => {
                            Some(self.rate("rate", Scalar::Variable(variable)))
                        }
                        _ => None,
                    }),
                };
                let a = self.hoist(a);
                Scalar::Select(Box::new(condition), Box::new(a), Box::new(self.hoist(b)))
            }
            _ => scalar.clone(),
        }
    }
}

/// A value with the uniform locals in it put in.
fn with_uniform(value: &Scalar, uniform: &[(Variable, Scalar)]) -> Scalar {
    let value = value.substitute(&mut |variable| {
        uniform.iter().find(|(local, _)| *local == variable).map(|(_, value)| value.clone())
    });
    crate::scalar::simplify(&value)
}

/// Whether a variable is the same for all weights of a step.
fn is_of_step(variable: Variable) -> bool {
    match variable {
        Variable::Step
        | Variable::Hyper(_)
        | Variable::StepsPerEpoch
        | Variable::Epochs
        | Variable::ScheduleState(_)
        | Variable::ClipScale => true,
        Variable::Local(n) => n >= RATES,
        _ => false,
    }
}

/// Whether a formula is the same for all weights of a step.
fn is_uniform(scalar: &Scalar) -> bool {
    let mut uniform = true;
    scalar.variables(&mut |variable| uniform &= is_of_step(variable));
    uniform
}

/// A product as its uniform factors, and the rest.
fn factors(scalar: &Scalar) -> (Option<Scalar>, Scalar) {
    let one = || Scalar::Number(1.0);
    let times = |a: Option<Scalar>, b: Option<Scalar>| match (a, b) {
        (Some(a), Some(b)) => Some(Scalar::binary(Binary::Mul, a, b)),
        (a, b) => a.or(b),
    };
    if is_uniform(scalar) {
        return (Some(scalar.clone()), one());
    }
    match scalar {
        Scalar::Binary(Binary::Mul, a, b) => {
            let ((ua, ra), (ub, rb)) = (factors(a), factors(b));
            let rest = if ra.is(1.0) {
                rb
            } else if rb.is(1.0) {
                ra
            } else {
                Scalar::binary(Binary::Mul, ra, rb)
            };
            (times(ua, ub), rest)
        }
        Scalar::Binary(Binary::Div, a, b) => {
            let (ua, ra) = factors(a);
            if is_uniform(b) {
                let uniform = Scalar::binary(Binary::Div, ua.unwrap_or_else(one), (**b).clone());
                (Some(uniform), ra)
            } else {
                (ua, Scalar::binary(Binary::Div, ra, (**b).clone()))
            }
        }
        _ => (None, scalar.clone()),
    }
}
