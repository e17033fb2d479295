//! Functions of one and of two operands that are no sums and no products.

use super::Simplifier;
use crate::scalar::pool::{Id, Node};
use crate::scalar::{Binary, Unary};

impl Simplifier<'_> {
    /// `op(a)`
    pub(super) fn unary(&mut self, op: Unary, a: Id) -> Id {
        if op == Unary::Neg {
            return self.negated(a);
        }
        if let Some(number) = self.pool.number_of(a) {
            let value = op.apply(number);
            return if value.is_finite() { self.pool.number(value) } else { self.pool.unary(op, a) };
        }
        self.unary_rule(op, a).unwrap_or_else(|| self.pool.unary(op, a))
    }

    fn unary_rule(&mut self, op: Unary, a: Id) -> Option<Id> {
        let node = self.pool.node(a);
        match (op, node) {
            (Unary::Exp, Node::Unary(Unary::Log, x))
            | (Unary::Expm1, Node::Unary(Unary::Log1p, x))
            | (Unary::Log, Node::Unary(Unary::Exp, x))
            | (Unary::Log1p, Node::Unary(Unary::Expm1, x)) => Some(x),
            (Unary::Exp, Node::Unary(Unary::Neg, x)) => match self.pool.node(x) {
                Node::Unary(Unary::Softplus, u) => {
                    let u = self.negated(u);
                    Some(self.unary(Unary::Sigmoid, u))
                }
                _ => None,
            },
            (Unary::Log1p, Node::Unary(Unary::Exp, u)) => Some(self.unary(Unary::Softplus, u)),
            (Unary::Log1p, Node::Unary(Unary::Neg, x)) => match self.pool.node(x) {
                Node::Unary(Unary::Sigmoid, u) => Some(self.negative_softplus(u)),
                _ => None,
            },
            (Unary::Log, Node::Unary(Unary::Sigmoid, u)) => {
                let u = self.negated(u);
                Some(self.negative_softplus(u))
            }
            (Unary::Log, Node::Binary(Binary::Add, x, one)) if self.pool.is(one, 1.0) => {
                Some(self.unary(Unary::Log1p, x))
            }
            (Unary::Log, Node::Binary(Binary::Sub, one, x)) if self.pool.is(one, 1.0) => {
                let x = self.negated(x);
                Some(self.unary(Unary::Log1p, x))
            }
            (Unary::Sqrt, Node::Binary(Binary::Pow, x, two)) if self.pool.is(two, 2.0) => {
                Some(self.unary(Unary::Abs, x))
            }
            (Unary::Abs, _) => self.magnitude(a),
            (Unary::Sign, Node::Unary(Unary::Sign, _)) | (Unary::Floor, Node::Unary(Unary::Floor, _)) => {
                Some(a)
            }
            (Unary::Sign, _) => {
                let (factor, core) = self.split(a);
                if factor == 1.0 || factor == 0.0 || !factor.is_normal() {
                    return None;
                }
                let sign = self.unary(Unary::Sign, core);
                Some(self.scaled(factor.signum(), sign))
            }
            // Odd and even functions.
            (Unary::Tanh | Unary::Erf | Unary::Sin, Node::Unary(Unary::Neg, x)) => {
                let positive = self.unary(op, x);
                Some(self.negated(positive))
            }
            (Unary::Cos, Node::Unary(Unary::Neg, x)) => Some(self.unary(op, x)),
            _ => None,
        }
    }

    /// `-softplus(u)`
    fn negative_softplus(&mut self, u: Id) -> Id {
        let softplus = self.unary(Unary::Softplus, u);
        self.negated(softplus)
    }

    fn magnitude(&mut self, a: Id) -> Option<Id> {
        match self.pool.node(a) {
            // Never negative.
            Node::Unary(Unary::Abs | Unary::Exp | Unary::Sqrt | Unary::Sigmoid | Unary::Softplus, _) => {
                return Some(a);
            }
            Node::Binary(Binary::Pow, _, exponent) => {
                let exponent = self.pool.number_of(exponent)?;
                return (exponent.rem_euclid(2.0) == 0.0).then_some(a);
            }
            _ => {}
        }
        let (factor, core) = self.split(a);
        if factor == 1.0 || !factor.is_finite() {
            return None;
        }
        let magnitude = self.unary(Unary::Abs, core);
        Some(self.scaled(factor.abs(), magnitude))
    }

    /// `a op b` for `min`, `max` and powers with an exponent that varies.
    pub(super) fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        let (left, right) = (self.pool.number_of(a), self.pool.number_of(b));
        if let (Some(left), Some(right)) = (left, right) {
            let value = op.apply(left, right);
            if value.is_finite() {
                return self.pool.number(value);
            }
            return self.pool.binary(op, a, b);
        }
        match op {
            Binary::Add => self.sum_of(&[(a, 1.0), (b, 1.0)]),
            Binary::Sub => self.sum_of(&[(a, 1.0), (b, -1.0)]),
            Binary::Mul => self.product_of(&[(a, 1.0), (b, 1.0)]),
            Binary::Div => self.product_of(&[(a, 1.0), (b, -1.0)]),
            Binary::Pow => match right {
                Some(exponent) => self.product_of(&[(a, exponent)]),
                None if left == Some(1.0) => a,
                None => self.pool.binary(op, a, b),
            },
            Binary::Min | Binary::Max => self.extreme(op, a, b),
        }
    }

    fn extreme(&mut self, op: Binary, a: Id, b: Id) -> Id {
        if a == b {
            return a;
        }
        // In the order of formulas, but with a number to the right.
        let number_first = self.pool.number_of(a).is_some();
        let in_order = self.pool.number_of(b).is_some() || self.pool.compare(a, b).is_lt();
        let (a, b) = if number_first || !in_order { (b, a) } else { (a, b) };
        if let Some(outer) = self.pool.number_of(b)
            && let Node::Binary(same, x, inner) = self.pool.node(a)
            && same == op
            && let Some(inner) = self.pool.number_of(inner)
        {
            let bound = self.pool.number(op.apply(inner, outer));
            return self.pool.binary(op, x, bound);
        }
        self.pool.binary(op, a, b)
    }
}
