//! Selects and conditions.

use super::Simplifier;
use super::product::Product;
use crate::scalar::pool::{Id, Node};
use crate::scalar::{Relation, Unary};

impl Simplifier<'_> {
    /// `if condition { a } else { b }`
    pub(super) fn select(&mut self, condition: Id, a: Id, b: Id) -> Id {
        // What both branches have outside is taken out, from the outside in, and put round the result at the end.
        let (mut condition, mut a, mut b) = (condition, a, b);
        let mut outside: Vec<Unary> = Vec::new();
        let inner = loop {
            match self.pool.node(condition) {
                Node::Truth(holds) => break if holds { a } else { b },
                Node::Not(other) => {
                    condition = other;
                    std::mem::swap(&mut a, &mut b);
                    continue;
                }
                _ => {}
            }
            // In a branch its condition is known.
            if let Node::Select(same, then, _) = self.pool.node(a)
                && same == condition
            {
                a = then;
                continue;
            }
            if let Node::Select(same, _, otherwise) = self.pool.node(b)
                && same == condition
            {
                b = otherwise;
                continue;
            }
            if a == b {
                break a;
            }
            match (self.pool.node(a), self.pool.node(b)) {
                (Node::Unary(op, x), Node::Unary(same, y)) if op == same => {
                    outside.push(op);
                    (a, b) = (x, y);
                }
                _ => break self.factored_select(condition, a, b),
            }
        };
        outside.into_iter().rev().fold(inner, |x, op| self.unary(op, x))
    }

    /// The select with factors that both branches have in front, if that is smaller.
    fn factored_select(&mut self, condition: Id, a: Id, b: Id) -> Id {
        let plain = self.pool.intern(Node::Select(condition, a, b));
        if self.pool.number_of(a).is_some() || self.pool.number_of(b).is_some() {
            return plain;
        }
        let (mut left, mut right) = (self.product(&[(a, 1.0)]), self.product(&[(b, 1.0)]));
        let mut common = Product::default();
        if left.number == right.number {
            common.number = left.number;
            (left.number, right.number) = (1.0, 1.0);
        }
        for (base, exponent) in left.factors.clone() {
            let other = right.exponent(base);
            let shared = if exponent > 0.0 { exponent.min(other) } else { exponent.max(other) };
            if shared * exponent > 0.0 {
                common.push(base, shared);
                left.push(base, -shared);
                right.push(base, -shared);
            }
        }
        if common.number == 1.0 && common.factors.is_empty() {
            return plain;
        }
        let (left, right) = (self.finish_product(left), self.finish_product(right));
        let inner = self.pool.intern(Node::Select(condition, left, right));
        common.push(inner, 1.0);
        let factored = self.finish_product(common);
        if self.pool.size(factored) < self.pool.size(plain) { factored } else { plain }
    }

    /// `a relation b`, a number to the right.
    pub(super) fn compare(&mut self, relation: Relation, a: Id, b: Id) -> Id {
        match (self.pool.number_of(a), self.pool.number_of(b)) {
            (Some(a), Some(b)) => self.pool.intern(Node::Truth(relation.holds(a, b))),
            (Some(_), None) => self.pool.intern(Node::Compare(mirrored(relation), b, a)),
            // The others tell NaN from numbers.
            _ if a == b && matches!(relation, Relation::Lt | Relation::Gt) => {
                self.pool.intern(Node::Truth(false))
            }
            _ => self.pool.intern(Node::Compare(relation, a, b)),
        }
    }

    /// `a && b`
    pub(super) fn and(&mut self, a: Id, b: Id) -> Id {
        match (self.pool.node(a), self.pool.node(b)) {
            (Node::Truth(holds), _) => {
                if holds {
                    b
                } else {
                    a
                }
            }
            (_, Node::Truth(holds)) => {
                if holds {
                    a
                } else {
                    b
                }
            }
            _ if a == b => a,
            _ => self.pool.intern(Node::And(a, b)),
        }
    }

    /// `a || b`
    pub(super) fn or(&mut self, a: Id, b: Id) -> Id {
        match (self.pool.node(a), self.pool.node(b)) {
            (Node::Truth(holds), _) => {
                if holds {
                    a
                } else {
                    b
                }
            }
            (_, Node::Truth(holds)) => {
                if holds {
                    b
                } else {
                    a
                }
            }
            _ if a == b => a,
            _ => self.pool.intern(Node::Or(a, b)),
        }
    }

    /// `!a`. Only `==` and `!=` are each other's opposite for NaN too.
    pub(super) fn not(&mut self, a: Id) -> Id {
        match self.pool.node(a) {
            Node::Truth(holds) => self.pool.intern(Node::Truth(!holds)),
            Node::Not(b) => b,
            Node::Compare(Relation::Eq, x, y) => self.pool.intern(Node::Compare(Relation::Ne, x, y)),
            Node::Compare(Relation::Ne, x, y) => self.pool.intern(Node::Compare(Relation::Eq, x, y)),
            _ => self.pool.intern(Node::Not(a)),
        }
    }
}

/// The relation with its sides changed.
fn mirrored(relation: Relation) -> Relation {
    match relation {
        Relation::Lt => Relation::Gt,
        Relation::Le => Relation::Ge,
        Relation::Gt => Relation::Lt,
        Relation::Ge => Relation::Le,
        Relation::Eq | Relation::Ne => relation,
    }
}
