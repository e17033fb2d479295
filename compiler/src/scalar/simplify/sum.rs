//! Sums: terms with numeric factors, and a constant.

use std::collections::HashMap;

use super::product::Product;
use super::{Family, PARTS, SHORT, Simplifier, Table, family, fold_in_parts};
use crate::scalar::pool::{Id, Node};
use crate::scalar::{Binary, Unary};

/// `constant + Σ coefficient * term`
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Terms without numeric factors, in order of appearance.
    pub terms: Vec<(Id, f64)>,
    places: HashMap<Id, usize>,
    /// The constant.
    pub constant: f64,
}

impl Sum {
    /// Adds a term that is taken apart already.
    fn push(&mut self, term: Id, coefficient: f64) {
        if let Some((_, old)) = self.places.get(&term).and_then(|place| self.terms.get_mut(*place)) {
            let new = *old + coefficient;
            if new.is_finite() {
                *old = new;
                return;
            }
        }
        self.places.insert(term, self.terms.len());
        self.terms.push((term, coefficient));
    }
}

impl Simplifier<'_> {
    /// The sum at a node of the pass.
    pub(super) fn sum_at(&mut self, id: Id, table: &Table) -> Id {
        let leaves = self.leaves(id, table, |node, place, weight| match node {
            Node::Unary(..) => -weight,
            Node::Binary(Binary::Sub, ..) if place == 1 => -weight,
            _ => weight,
        });
        let sum = self.sum_of(&leaves);
        self.expanded(sum)
    }

    /// `Σ coefficient * term`
    pub(super) fn sum_of(&mut self, terms: &[(Id, f64)]) -> Id {
        let mut sum = Sum::default();
        for (term, coefficient) in terms {
            self.add(&mut sum, *term, *coefficient);
        }
        self.finish_sum(sum)
    }

    /// `-x`
    pub(super) fn negated(&mut self, x: Id) -> Id {
        self.sum_of(&[(x, -1.0)])
    }

    /// Adds `weight * x`, taking sums and numeric factors in it apart.
    pub(super) fn add(&mut self, sum: &mut Sum, x: Id, weight: f64) {
        let mut open = vec![(x, weight)];
        let mut parts = 0;
        while let Some((x, weight)) = open.pop() {
            parts += 1;
            if let Some(number) = self.pool.number_of(x) {
                let constant = sum.constant + weight * number;
                if constant.is_finite() {
                    sum.constant = constant;
                } else {
                    sum.push(x, weight);
                }
                continue;
            }
            let (factor, core) = self.split(x);
            let coefficient = weight * factor;
            if !coefficient.is_finite() || coefficient == 0.0 && weight != 0.0 {
                sum.push(x, weight);
                continue;
            }
            match self.pool.node(core) {
                Node::Binary(Binary::Add, a, b) if coefficient.abs() == 1.0 && parts < PARTS => {
                    open.extend([(b, coefficient), (a, coefficient)]);
                }
                Node::Binary(Binary::Sub, a, b) if coefficient.abs() == 1.0 && parts < PARTS => {
                    open.extend([(b, -coefficient), (a, coefficient)]);
                }
                Node::Number(_) => open.push((core, coefficient)),
                _ => sum.push(core, coefficient),
            }
        }
    }

    /// The formula of a sum.
    pub(super) fn finish_sum(&mut self, mut sum: Sum) -> Id {
        if sum.terms.len() <= SHORT {
            self.join_functions(&mut sum);
            self.join_selects(&mut sum);
        }
        let Sum { mut terms, constant, .. } = sum;
        terms.retain(|(term, coefficient)| *coefficient != 0.0 || self.pool.undefined(*term));
        let plain = self.build_sum(&terms, constant);
        let other = self.factored(&terms, constant).or_else(|| self.over_denominator(&terms, constant));
        match other {
            Some(other) if self.pool.size(other) < self.pool.size(plain) => other,
            _ => plain,
        }
    }

    /// `1 - u / (u + 1)` is `1 / (u + 1)`: a quotient and a constant over one denominator.
    fn over_denominator(&mut self, terms: &[(Id, f64)], constant: f64) -> Option<Id> {
        let &[(term, coefficient)] = terms else { return None };
        if constant == 0.0 {
            return None;
        }
        let mut rest = self.product(&[(term, 1.0)]);
        let is_denominator = |(base, exponent): &&(Id, f64)| *exponent == -1.0 && self.is_sum(*base);
        let denominator = rest.factors.iter().find(is_denominator)?.0;
        rest.push(denominator, 1.0);
        let rest = self.finish_product(rest);
        let mut below = Sum::default();
        self.add(&mut below, denominator, 1.0);
        let mut above = Sum { constant: constant * below.constant, ..Sum::default() };
        for (term, weight) in below.terms {
            above.push(term, constant * weight);
        }
        self.add(&mut above, rest, coefficient);
        above.terms.retain(|(term, coefficient)| *coefficient != 0.0 || self.pool.undefined(*term));
        let above = self.build_sum(&above.terms, above.constant);
        Some(self.product_of(&[(above, 1.0), (denominator, -1.0)]))
    }

    /// Terms of one function that make another with the constant.
    fn join_functions(&mut self, sum: &mut Sum) {
        for place in 0..sum.terms.len() {
            let Some(&(term, c)) = sum.terms.get(place) else { continue };
            let Node::Unary(op, u) = self.pool.node(term) else { continue };
            if c == 0.0 {
                continue;
            }
            let opposite = sum.constant == -c;
            let joined = match op {
                // c e^u - c
                Unary::Exp if opposite => Some((self.unary(Unary::Expm1, u), c, 0.0)),
                // c expm1(u) + c
                Unary::Expm1 if sum.constant == c => Some((self.unary(Unary::Exp, u), c, 0.0)),
                // c - c sigmoid(-v)
                Unary::Sigmoid if opposite => self.negative_of(u).map(|v| {
                    let sigmoid = self.unary(Unary::Sigmoid, v);
                    (sigmoid, -c, 0.0)
                }),
                // c sigmoid(u) - c / 2
                Unary::Sigmoid if sum.constant == -0.5 * c => {
                    let half = self.scaled(0.5, u);
                    Some((self.unary(Unary::Tanh, half), 0.5 * c, 0.0))
                }
                _ => None,
            };
            if let Some((term, coefficient, constant)) = joined {
                if let Some((_, old)) = sum.terms.get_mut(place) {
                    *old = 0.0;
                }
                sum.constant = constant;
                self.add(sum, term, coefficient);
            }
        }
    }

    /// Selects on one condition become one, where that is smaller.
    fn join_selects(&mut self, sum: &mut Sum) {
        for first in 0..sum.terms.len() {
            let Some(&(a, ca)) = sum.terms.get(first) else { continue };
            let Node::Select(condition, a_then, a_else) = self.pool.node(a) else { continue };
            for second in first + 1..sum.terms.len() {
                let Some(&(b, cb)) = sum.terms.get(second) else { continue };
                let Node::Select(same, b_then, b_else) = self.pool.node(b) else { continue };
                if same != condition || ca == 0.0 || cb == 0.0 {
                    continue;
                }
                let then = self.sum_of(&[(a_then, ca), (b_then, cb)]);
                let otherwise = self.sum_of(&[(a_else, ca), (b_else, cb)]);
                let joined = self.select(condition, then, otherwise);
                let apart = self.build_sum(&[(a, ca), (b, cb)], 0.0);
                if self.pool.size(joined) < self.pool.size(apart) {
                    for place in [first, second] {
                        if let Some((_, coefficient)) = sum.terms.get_mut(place) {
                            *coefficient = 0.0;
                        }
                    }
                    self.add(sum, joined, 1.0);
                    break;
                }
            }
        }
    }

    /// The sum with factors that all its terms have in front.
    fn factored(&mut self, terms: &[(Id, f64)], constant: f64) -> Option<Id> {
        if constant != 0.0 || !(2..=SHORT).contains(&terms.len()) {
            return None;
        }
        let products: Vec<Product> = terms.iter().map(|(term, _)| self.product(&[(*term, 1.0)])).collect();
        let (first, others) = products.split_first()?;
        let mut common: Vec<(Id, f64)> = Vec::new();
        for (base, exponent) in &first.factors {
            let shared = others.iter().try_fold(*exponent, |shared, other| {
                let theirs = other.exponent(*base);
                if shared > 0.0 && theirs > 0.0 {
                    Some(shared.min(theirs))
                } else if shared < 0.0 && theirs < 0.0 {
                    Some(shared.max(theirs))
                } else {
                    None
                }
            });
            common.extend(shared.map(|exponent| (*base, exponent)));
        }
        if common.is_empty() {
            return None;
        }
        let mut inner = Sum::default();
        for (product, (_, coefficient)) in products.into_iter().zip(terms) {
            let mut rest = product;
            for (base, exponent) in &common {
                rest.push(*base, -exponent);
            }
            let rest = self.finish_product(rest);
            self.add(&mut inner, rest, *coefficient);
        }
        inner.terms.retain(|(term, coefficient)| *coefficient != 0.0 || self.pool.undefined(*term));
        let inner = self.build_sum(&inner.terms, inner.constant);
        common.push((inner, 1.0));
        Some(self.product_of(&common))
    }

    /// Writes the terms down: in the order of formulas, a positive one first.
    pub(super) fn build_sum(&mut self, terms: &[(Id, f64)], constant: f64) -> Id {
        let &[(first, coefficient), ..] = terms else { return self.pool.number(constant) };
        if terms.len() == 1 && constant == 0.0 {
            return self.scaled(coefficient, first);
        }
        let magnitude = coefficient.abs();
        let alike = terms.iter().all(|(_, c)| c.abs() == magnitude)
            && (constant == 0.0 || constant.abs() == magnitude);
        if alike && magnitude != 1.0 && magnitude != 0.0 && terms.len() > 1 {
            let signs: Vec<_> = terms.iter().map(|(term, c)| (*term, c.signum())).collect();
            let constant = if constant == 0.0 { 0.0 } else { constant.signum() };
            let inner = self.build_sum(&signs, constant);
            return self.scaled(magnitude, inner);
        }
        let mut sorted = terms.to_vec();
        sorted.sort_by(|(a, _), (b, _)| self.pool.compare(*a, *b));
        let mut items: Vec<(Id, bool)> =
            sorted.into_iter().map(|(term, c)| (self.scaled(c.abs(), term), c < 0.0)).collect();
        if constant != 0.0 {
            items.push((self.pool.number(constant.abs()), constant < 0.0));
        }
        fold_in_parts(items, |items| self.fold_sum(items))
            .map_or(first, |(sum, negative)| if negative { self.pool.unary(Unary::Neg, sum) } else { sum })
    }

    /// `±a ± b …` and whether that is to be subtracted.
    fn fold_sum(&mut self, items: &[(Id, bool)]) -> (Id, bool) {
        let number = |item: &(Id, bool)| self.pool.number_of(item.0).is_some();
        // Something positive comes first; else a constant, whose sign costs nothing.
        let leader = items
            .iter()
            .position(|item| !item.1 && !number(item))
            .or_else(|| items.iter().position(number))
            .unwrap_or(0);
        let Some(&(head, head_negative)) = items.get(leader) else { return (self.pool.number(0.0), false) };
        let flip = head_negative && !items.iter().any(number) && items.iter().all(|item| item.1);
        let mut sum = match (self.pool.number_of(head), head_negative && !flip) {
            (Some(number), true) => self.pool.number(-number),
            (None, true) => self.pool.unary(Unary::Neg, head),
            (_, false) => head,
        };
        for (place, (item, negative)) in items.iter().enumerate() {
            if place != leader {
                let op = if *negative != flip { Binary::Sub } else { Binary::Add };
                sum = self.pool.binary(op, sum, *item);
            }
        }
        (sum, flip)
    }

    /// The numeric factor of a product, and the rest.
    pub(super) fn split(&mut self, x: Id) -> (f64, Id) {
        let (head, spine) = self.spine(x);
        let (factor, head) = match self.pool.node(head) {
            Node::Unary(Unary::Neg, a) => (-1.0, a),
            Node::Number(bits) if !spine.is_empty() => (f64::from_bits(bits), self.pool.number(1.0)),
            _ => return (1.0, x),
        };
        (factor, self.along(head, &spine))
    }

    /// `factor * x`, the number in front.
    pub(super) fn scaled(&mut self, factor: f64, x: Id) -> Id {
        if factor == 1.0 {
            return x;
        }
        if let Some(scaled) = self.scaled_select(factor, x) {
            return scaled;
        }
        let (head, spine) = self.spine(x);
        let number = |pool: &crate::scalar::pool::Pool, id| pool.number_of(id).map(|n| n * factor);
        let head = match (number(self.pool, head), self.pool.node(head)) {
            (Some(number), _) if number.is_finite() && (number != 0.0 || factor == 0.0) => {
                self.pool.number(number)
            }
            (_, Node::Unary(Unary::Neg, a)) if factor == -1.0 => a,
            (_, Node::Unary(Unary::Neg, a)) => {
                let factor = self.pool.number(-factor);
                self.pool.binary(Binary::Mul, factor, a)
            }
            _ if factor == -1.0 => self.pool.unary(Unary::Neg, head),
            _ => {
                let factor = self.pool.number(factor);
                self.pool.binary(Binary::Mul, factor, head)
            }
        };
        self.along(head, &spine)
    }

    /// `factor * if c { p } else { q }` for two numbers, the factor in the branches.
    fn scaled_select(&mut self, factor: f64, x: Id) -> Option<Id> {
        let Node::Select(condition, a, b) = self.pool.node(x) else { return None };
        let a = self.pool.number_of(a)? * factor;
        let b = self.pool.number_of(b)? * factor;
        if !a.is_finite() || !b.is_finite() {
            return None;
        }
        let (a, b) = (self.pool.number(a), self.pool.number(b));
        Some(self.pool.intern(Node::Select(condition, a, b)))
    }

    /// The leftmost operand of products and quotients, and what it is multiplied with or divided by, from there.
    fn spine(&self, x: Id) -> (Id, Vec<(Binary, Id)>) {
        let mut head = x;
        let mut spine = Vec::new();
        while let Node::Binary(op @ (Binary::Mul | Binary::Div), a, b) = self.pool.node(head) {
            if spine.len() > 2 * PARTS {
                return (x, Vec::new());
            }
            spine.push((op, b));
            head = a;
        }
        spine.reverse();
        (head, spine)
    }

    fn along(&mut self, head: Id, spine: &[(Binary, Id)]) -> Id {
        spine.iter().fold(head, |product, (op, operand)| {
            if *op == Binary::Mul && self.pool.is(product, 1.0) {
                *operand
            } else {
                self.pool.binary(*op, product, *operand)
            }
        })
    }

    /// `v` where `u` is `-v` or a number times it that is negative.
    pub(super) fn negative_of(&mut self, u: Id) -> Option<Id> {
        let (factor, _) = self.split(u);
        (factor < 0.0).then(|| self.negated(u))
    }

    /// Whether it is a sum of two or more terms.
    pub(super) fn is_sum(&self, id: Id) -> bool {
        let node = self.pool.node(id);
        family(self.pool, node) == Some(Family::Sum) && !matches!(node, Node::Unary(..))
    }
}
