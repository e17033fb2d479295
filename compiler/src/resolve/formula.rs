//! What expressions of the language become while names are bound: formulas over scalars and over whole values.
//!
//! One tree serves activations, losses, initializers, optimizers and constants; at the end it is turned into the
//! [`Scalar`] or the [`ValueExpr`] that a program holds. Constants are computed as the tree is made, so that a formula
//! without variables is a number.

use crate::program::{List, Reduction, TargetKind, ValueExpr};
use crate::scalar::{Binary, Condition, Relation, Scalar, Unary, Variable};

/// What a formula has one value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// One for all.
    Constant,
    /// One a sample.
    Sample,
    /// One an element.
    Elements,
}

/// A number that is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Formula {
    Number(f64),
    Variable(Variable),
    /// Not known while a definition is checked by itself, or poisoned.
    Opaque(Rank),
    /// The value itself: the output of the model in losses, `x` in activations.
    Value,
    /// The target of a loss of classes, given as rows of probabilities.
    Distribution,
    /// A trained parameter of an activation, by its number.
    Parameter(u32),
    /// Numbers that a use lists, one for each element.
    List(List),
    /// How many values the model's output has.
    Count,
    /// Part `n` from 0, of `of` equal ones.
    Part(usize, usize, Box<Formula>),
    /// A loss, and what its sample counts in the mean over the batch.
    Weighted(Box<Formula>, Box<Formula>),
    /// The norm over a whole tensor, in optimizers.
    Norm(Box<Formula>),
    /// Target, in losses.
    Target(TargetKind),
    Unary(Unary, Box<Formula>),
    Binary(Binary, Box<Formula>, Box<Formula>),
    Select(Box<Truth>, Box<Formula>, Box<Formula>),
    Reduce(Reduction, Box<Formula>),
    Softmax(Box<Formula>),
    LogSoftmax(Box<Formula>),
    OneHot(Box<Formula>),
}

/// A truth value that is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Truth {
    Known(bool),
    /// Not known while a definition is checked by itself, or poisoned.
    Opaque,
    Compare(Relation, Box<Formula>, Box<Formula>),
    And(Box<Truth>, Box<Truth>),
    Or(Box<Truth>, Box<Truth>),
    Not(Box<Truth>),
}

impl Formula {
    /// `op(x)`, computed if `x` is a number.
    pub(super) fn unary(op: Unary, x: Formula) -> Self {
        match x {
            Self::Number(value) => Self::Number(op.apply(value)),
            x => Self::Unary(op, Box::new(x)),
        }
    }

    /// `a op b`, computed if both are numbers.
    pub(super) fn binary(op: Binary, a: Formula, b: Formula) -> Self {
        match (a, b) {
            (Self::Number(a), Self::Number(b)) => Self::Number(op.apply(a, b)),
            // What an argument's default leaves out leaves nothing behind.
            (x, Self::Number(1.0)) | (Self::Number(1.0), x) if op == Binary::Mul => x,
            (a, b) => Self::Binary(op, Box::new(a), Box::new(b)),
        }
    }

    /// The number, if it is one.
    pub(super) fn value(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// What it has one value of.
    pub(super) fn rank(&self) -> Rank {
        match self {
            // What the step of a cell names.
            Self::Variable(Variable::Input(_)) => Rank::Elements,
            Self::Number(_) | Self::Variable(_) => Rank::Constant,
            Self::Opaque(rank) => *rank,
            Self::Count | Self::Norm(_) => Rank::Constant,
            Self::Value
            | Self::Target(TargetKind::Values)
            | Self::Distribution
            | Self::Parameter(_)
            | Self::List(_)
            | Self::Part(..) => Rank::Elements,
            Self::Target(TargetKind::Class) | Self::Weighted(..) => Rank::Sample,
            Self::Unary(_, x) => x.rank(),
            Self::Binary(_, a, b) => a.rank().max(b.rank()),
            Self::Select(condition, a, b) => condition.rank().max(a.rank()).max(b.rank()),
            Self::Reduce(..) => Rank::Sample,
            Self::Softmax(_) | Self::LogSoftmax(_) | Self::OneHot(_) => Rank::Elements,
        }
    }

    /// Number of nodes.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Number(_)
            | Self::Variable(_)
            | Self::Opaque(_)
            | Self::Value
            | Self::Target(_)
            | Self::Distribution
            | Self::Parameter(_)
            | Self::List(_)
            | Self::Count => 0,
            Self::Unary(_, x)
            | Self::Part(_, _, x)
            | Self::Norm(x)
            | Self::Reduce(_, x)
            | Self::Softmax(x)
            | Self::LogSoftmax(x)
            | Self::OneHot(x) => x.size(),
            Self::Binary(_, a, b) | Self::Weighted(a, b) => a.size() + b.size(),
            Self::Select(condition, a, b) => condition.size() + a.size() + b.size(),
        }
    }

    /// Whether the model's output, or `x`, is in it; `unknown` for what is not known by itself.
    pub(super) fn reads_value(&self, unknown: bool) -> bool {
        match self {
            Self::Value => true,
            Self::Number(_)
            | Self::Variable(_)
            | Self::Target(_)
            | Self::Distribution
            | Self::Parameter(_)
            | Self::List(_)
            | Self::Count => false,
            Self::Opaque(rank) => unknown && *rank > Rank::Constant,
            Self::Unary(_, x)
            | Self::Part(_, _, x)
            | Self::Norm(x)
            | Self::Reduce(_, x)
            | Self::Softmax(x)
            | Self::LogSoftmax(x)
            | Self::OneHot(x) => x.reads_value(unknown),
            Self::Binary(_, a, b) | Self::Weighted(a, b) => a.reads_value(unknown) || b.reads_value(unknown),
            Self::Select(condition, a, b) => {
                condition.reads_value(unknown) || a.reads_value(unknown) || b.reads_value(unknown)
            }
        }
    }

    /// Whether a part of it weighs samples.
    pub(super) fn has_weights(&self) -> bool {
        match self {
            Self::Weighted(..) => true,
            Self::Unary(_, x)
            | Self::Part(_, _, x)
            | Self::Norm(x)
            | Self::Reduce(_, x)
            | Self::Softmax(x)
            | Self::LogSoftmax(x)
            | Self::OneHot(x) => x.has_weights(),
            Self::Binary(_, a, b) | Self::Select(_, a, b) => a.has_weights() || b.has_weights(),
            _ => false,
        }
    }

    /// As a formula over scalars, `x` being input 0 and parameter `n` input `n + 1`; `None` if it holds what is none.
    pub(super) fn to_scalar(&self) -> Option<Scalar> {
        Some(match self {
            Self::Number(value) => Scalar::Number(*value),
            Self::Variable(variable) => Scalar::Variable(*variable),
            Self::Value => Scalar::input(0),
            Self::Parameter(n) => Scalar::input(n + 1),
            Self::Unary(op, x) => Scalar::unary(*op, x.to_scalar()?),
            Self::Binary(op, a, b) => Scalar::binary(*op, a.to_scalar()?, b.to_scalar()?),
            Self::Select(condition, a, b) => Scalar::Select(
                Box::new(condition.to_condition()?),
                Box::new(a.to_scalar()?),
                Box::new(b.to_scalar()?),
            ),
            Self::Opaque(_)
            | Self::Target(_)
            | Self::Distribution
            | Self::List(_)
            | Self::Count
            | Self::Part(..)
            | Self::Norm(_)
            | Self::Weighted(..)
            | Self::Reduce(..)
            | Self::Softmax(_)
            | Self::LogSoftmax(_)
            | Self::OneHot(_) => return None,
        })
    }

    /// As an expression over values. `None` if it holds what has no place there, or needs more than `budget` nodes: a
    /// condition with `&&` or `||` repeats its alternatives.
    pub(super) fn to_value(&self, budget: &mut usize) -> Option<ValueExpr> {
        *budget = budget.checked_sub(1)?;
        Some(match self {
            Self::Number(value) => ValueExpr::Number(*value),
            Self::Value => ValueExpr::Value,
            Self::Parameter(n) => ValueExpr::Parameter(*n),
            Self::List(list) => ValueExpr::List(list.clone()),
            Self::Count => ValueExpr::Count,
            Self::Part(n, of, x) => ValueExpr::Part(*n, *of, Box::new(x.to_value(budget)?)),
            Self::Target(_) | Self::Distribution => ValueExpr::Target,
            Self::Unary(op, x) => ValueExpr::Unary(*op, Box::new(x.to_value(budget)?)),
            Self::Binary(op, a, b) => {
                ValueExpr::Binary(*op, Box::new(a.to_value(budget)?), Box::new(b.to_value(budget)?))
            }
            Self::Select(condition, a, b) => select(condition, a, b, budget)?,
            Self::Reduce(reduction, x) => ValueExpr::Reduce(*reduction, Box::new(x.to_value(budget)?)),
            Self::Softmax(x) => ValueExpr::Softmax(Box::new(x.to_value(budget)?)),
            Self::LogSoftmax(x) => ValueExpr::LogSoftmax(Box::new(x.to_value(budget)?)),
            Self::OneHot(x) if matches!(**x, Self::Distribution) => ValueExpr::Target,
            Self::OneHot(x) => ValueExpr::OneHot(Box::new(x.to_value(budget)?)),
            Self::Variable(_) | Self::Opaque(_) | Self::Weighted(..) | Self::Norm(_) => return None,
        })
    }

    /// Lengths of the lists in it.
    pub(super) fn list_lens(&self, lens: &mut Vec<usize>) {
        self.map_leaves(&mut |leaf| {
            if let Self::List(list) = leaf {
                lens.push(list.values.len());
            }
            None
        });
    }

    /// With number `n` of each list in its place.
    pub(super) fn of_list(&self, n: usize) -> Self {
        self.map_leaves(&mut |leaf| match leaf {
            Self::List(list) => Some(Self::Number(list.values.get(n).copied().unwrap_or(0.0))),
            _ => None,
        })
    }

    /// With each norm replaced by what `replace` makes of its operand, innermost first.
    pub(super) fn map_norms(&self, replace: &mut dyn FnMut(Formula) -> Formula) -> Self {
        self.map(&mut |inner| match inner {
            Self::Norm(x) => replace(*x),
            other => other,
        })
    }

    fn map_leaves(&self, leaf: &mut dyn FnMut(&Formula) -> Option<Formula>) -> Self {
        self.map(&mut |inner| leaf(&inner).unwrap_or(inner))
    }

    /// The same formula with each part replaced, from the inside out. Constants are computed anew.
    pub(super) fn map(&self, replace: &mut dyn FnMut(Formula) -> Formula) -> Self {
        let mapped = match self {
            Self::Unary(op, x) => Self::unary(*op, x.map(replace)),
            Self::Binary(op, a, b) => {
                let a = a.map(replace);
                Self::binary(*op, a, b.map(replace))
            }
            Self::Select(condition, a, b) => {
                let condition = condition.map(replace);
                let (a, b) = (a.map(replace), b.map(replace));
                match condition {
                    Truth::Known(true) => a,
                    Truth::Known(false) => b,
                    condition => Self::Select(Box::new(condition), Box::new(a), Box::new(b)),
                }
            }
            Self::Reduce(reduction, x) => Self::Reduce(*reduction, Box::new(x.map(replace))),
            Self::Softmax(x) => Self::Softmax(Box::new(x.map(replace))),
            Self::LogSoftmax(x) => Self::LogSoftmax(Box::new(x.map(replace))),
            Self::OneHot(x) => Self::OneHot(Box::new(x.map(replace))),
            Self::Part(n, of, x) => Self::Part(*n, *of, Box::new(x.map(replace))),
            Self::Norm(x) => Self::Norm(Box::new(x.map(replace))),
            Self::Weighted(a, b) => {
                let a = a.map(replace);
                Self::Weighted(Box::new(a), Box::new(b.map(replace)))
            }
            leaf => leaf.clone(),
        };
        replace(mapped)
    }

    /// With each outermost mean as a sum.
    pub(super) fn with_sums(self) -> Self {
        let sums = |x: Box<Formula>| Box::new(x.with_sums());
        match self {
            Self::Reduce(Reduction::Mean, x) => Self::Reduce(Reduction::Sum, x),
            Self::Weighted(x, _) => x.with_sums(),
            Self::Unary(op, x) => Self::Unary(op, sums(x)),
            Self::Binary(op, a, b) => Self::Binary(op, sums(a), sums(b)),
            Self::Select(condition, a, b) => Self::Select(condition, sums(a), sums(b)),
            other => other,
        }
    }
}

/// `if condition { a } else { b }` with plain comparisons for conditions.
fn select(condition: &Truth, a: &Formula, b: &Formula, budget: &mut usize) -> Option<ValueExpr> {
    *budget = budget.checked_sub(1)?;
    Some(match condition {
        Truth::Known(true) => a.to_value(budget)?,
        Truth::Known(false) => b.to_value(budget)?,
        Truth::Opaque => return None,
        Truth::Not(inner) => select(inner, b, a, budget)?,
        Truth::Compare(relation, x, y) => ValueExpr::Select(
            *relation,
            Box::new(x.to_value(budget)?),
            Box::new(y.to_value(budget)?),
            Box::new(a.to_value(budget)?),
            Box::new(b.to_value(budget)?),
        ),
        Truth::And(first, second) => {
            *budget = budget.checked_sub(second.size() + a.size() + b.size())?;
            let inner = Formula::Select(second.clone(), Box::new(a.clone()), Box::new(b.clone()));
            select(first, &inner, b, budget)?
        }
        Truth::Or(first, second) => {
            *budget = budget.checked_sub(second.size() + a.size() + b.size())?;
            let inner = Formula::Select(second.clone(), Box::new(a.clone()), Box::new(b.clone()));
            select(first, a, &inner, budget)?
        }
    })
}

impl Truth {
    /// `a relation b`, decided if both are numbers.
    pub(super) fn compare(relation: Relation, a: Formula, b: Formula) -> Self {
        match (a, b) {
            (Formula::Number(a), Formula::Number(b)) => Self::Known(relation.holds(a, b)),
            (a, b) => Self::Compare(relation, Box::new(a), Box::new(b)),
        }
    }

    /// Both.
    pub(super) fn and(a: Truth, b: Truth) -> Self {
        match (a, b) {
            (Self::Known(false), _) | (_, Self::Known(false)) => Self::Known(false),
            (Self::Known(true), other) | (other, Self::Known(true)) => other,
            (a, b) => Self::And(Box::new(a), Box::new(b)),
        }
    }

    /// At least one.
    pub(super) fn or(a: Truth, b: Truth) -> Self {
        match (a, b) {
            (Self::Known(true), _) | (_, Self::Known(true)) => Self::Known(true),
            (Self::Known(false), other) | (other, Self::Known(false)) => other,
            (a, b) => Self::Or(Box::new(a), Box::new(b)),
        }
    }

    /// The opposite.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Known(value) => Self::Known(!value),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// What it has one value of.
    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::Known(_) | Self::Opaque => Rank::Constant,
            Self::Compare(_, a, b) => a.rank().max(b.rank()),
            Self::And(a, b) | Self::Or(a, b) => a.rank().max(b.rank()),
            Self::Not(a) => a.rank(),
        }
    }

    /// Number of nodes.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Known(_) | Self::Opaque => 0,
            Self::Compare(_, a, b) => a.size() + b.size(),
            Self::And(a, b) | Self::Or(a, b) => a.size() + b.size(),
            Self::Not(a) => a.size(),
        }
    }

    fn map(&self, replace: &mut dyn FnMut(Formula) -> Formula) -> Self {
        match self {
            Self::Compare(relation, a, b) => {
                let a = a.map(replace);
                Self::compare(*relation, a, b.map(replace))
            }
            Self::And(a, b) => {
                let a = a.map(replace);
                Self::and(a, b.map(replace))
            }
            Self::Or(a, b) => {
                let a = a.map(replace);
                Self::or(a, b.map(replace))
            }
            Self::Not(a) => a.map(replace).negated(),
            other => other.clone(),
        }
    }

    fn reads_value(&self, unknown: bool) -> bool {
        match self {
            Self::Known(_) | Self::Opaque => false,
            Self::Compare(_, a, b) => a.reads_value(unknown) || b.reads_value(unknown),
            Self::And(a, b) | Self::Or(a, b) => a.reads_value(unknown) || b.reads_value(unknown),
            Self::Not(a) => a.reads_value(unknown),
        }
    }

    fn to_condition(&self) -> Option<Condition> {
        Some(match self {
            // A condition has no constants; 0 < 1 and 1 < 0 are what `simplify` folds.
            Self::Known(value) => {
                let (a, b) = if *value { (0.0, 1.0) } else { (1.0, 0.0) };
                Condition::Compare(Relation::Lt, Scalar::Number(a), Scalar::Number(b))
            }
            Self::Opaque => return None,
            Self::Compare(relation, a, b) => Condition::Compare(*relation, a.to_scalar()?, b.to_scalar()?),
            Self::And(a, b) => Condition::And(Box::new(a.to_condition()?), Box::new(b.to_condition()?)),
            Self::Or(a, b) => Condition::Or(Box::new(a.to_condition()?), Box::new(b.to_condition()?)),
            Self::Not(a) => Condition::Not(Box::new(a.to_condition()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_losses_become_nested_comparisons() {
        let below = |limit: f64| Truth::compare(Relation::Lt, Formula::Value, Formula::Number(limit));
        let both = Truth::and(below(1.0), below(2.0).negated());
        let formula =
            Formula::Select(Box::new(both), Box::new(Formula::Number(3.0)), Box::new(Formula::Number(4.0)));
        let number = |value: f64| Box::new(ValueExpr::Number(value));
        let output = || Box::new(ValueExpr::Value);
        let inner = ValueExpr::Select(Relation::Lt, output(), number(2.0), number(4.0), number(3.0));
        let expected = ValueExpr::Select(Relation::Lt, output(), number(1.0), Box::new(inner), number(4.0));
        assert_eq!(formula.to_value(&mut 100), Some(expected));
    }

    #[test]
    fn the_budget_stops_conditions_from_growing() {
        let mut condition =
            Truth::Compare(Relation::Lt, Box::new(Formula::Value), Box::new(Formula::Number(0.0)));
        let mut formula = Formula::Value;
        for _ in 0..20 {
            condition = Truth::or(condition.clone(), condition);
            if condition.size() > 200 {
                break;
            }
        }
        for _ in 0..10 {
            formula =
                Formula::Select(Box::new(condition.clone()), Box::new(formula), Box::new(Formula::Value));
        }
        assert_eq!(formula.to_value(&mut 10_000), None);
    }

    #[test]
    fn outermost_means_become_sums() {
        let mean = |x: Formula| Formula::Reduce(Reduction::Mean, Box::new(x));
        let body = Formula::unary(Unary::Neg, mean(mean(Formula::Value)));
        let expected =
            Formula::unary(Unary::Neg, Formula::Reduce(Reduction::Sum, Box::new(mean(Formula::Value))));
        assert_eq!(body.with_sums(), expected);
    }
}
