//! Multiplying out, where it shortens a formula by half: `(1 - t) * s - t * (1 - s)` is `s - t`.
//!
//! A formula is written as a sum of monomials over atoms, what is neither sum nor product. Numerators cancel against
//! denominators before they are multiplied out, and `sigmoid(-u)` is `1 - sigmoid(u)`.

use std::collections::{BTreeMap, BTreeSet};

use super::Simplifier;
use crate::scalar::pool::{Id, Node};
use crate::scalar::{Binary, Unary};

/// Formulas up to this size are tried.
const SIZE: u64 = 64;
/// Monomials on the way, at most.
const STEPS: usize = 200;
/// Monomials of a result, at most.
const MONOMIALS: usize = 12;
/// Powers of sums that are multiplied out, at most.
const POWER: f64 = 3.0;

/// `number * Π base^exponent`
#[derive(Clone)]
struct Monomial {
    number: f64,
    factors: Vec<(Id, f64)>,
}

/// What a formula is made of, above its atoms.
struct Shape {
    operations: usize,
    atoms: BTreeSet<Id>,
}

impl Simplifier<'_> {
    /// The formula multiplied out, if that is much shorter; else as it is.
    pub(super) fn expanded(&mut self, x: Id) -> Id {
        if self.expansions == 0 || self.pool.size(x) > SIZE {
            return x;
        }
        let before = self.shape(x);
        if before.operations < 3 {
            return x;
        }
        self.expansions -= 1;
        let Some(monomials) = self.monomials(x) else { return x };
        let mut terms = Vec::new();
        for monomial in monomials {
            let product = self.product_of(&monomial.factors);
            terms.push((product, monomial.number));
        }
        let expanded = self.sum_of(&terms);
        let after = self.shape(expanded);
        let known =
            after.atoms.iter().all(|atom| before.atoms.contains(atom) || self.is_complement(*atom, &before));
        let shorter = after.operations * 2 <= before.operations;
        if known && shorter && self.pool.size(expanded) < self.pool.size(x) { expanded } else { x }
    }

    /// Whether it is `sigmoid(u)` where `sigmoid(-u)` was an atom.
    fn is_complement(&mut self, atom: Id, before: &Shape) -> bool {
        let Node::Unary(Unary::Sigmoid, u) = self.pool.node(atom) else { return false };
        let negative = self.negated(u);
        let other = self.pool.unary(Unary::Sigmoid, negative);
        before.atoms.contains(&other)
    }

    fn shape(&self, x: Id) -> Shape {
        let mut open = vec![x];
        let mut seen = BTreeSet::new();
        let mut shape = Shape { operations: 0, atoms: BTreeSet::new() };
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.pool.node(id) {
                Node::Number(_) => {}
                Node::Unary(Unary::Neg, a) => {
                    shape.operations += 1;
                    open.push(a);
                }
                Node::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div, a, b) => {
                    shape.operations += 1;
                    open.extend([a, b]);
                }
                Node::Binary(Binary::Pow, a, b) if self.pool.number_of(b).is_some() => {
                    shape.operations += 1;
                    open.push(a);
                }
                _ => {
                    shape.atoms.insert(id);
                }
            }
        }
        shape
    }

    /// The formula as a sum of monomials, like ones put together, unless there are too many.
    fn monomials(&mut self, x: Id) -> Option<Vec<Monomial>> {
        let mut open = vec![Monomial { number: 1.0, factors: vec![(x, 1.0)] }];
        let mut done: BTreeMap<Vec<(Id, u64)>, Monomial> = BTreeMap::new();
        for _ in 0..STEPS {
            let Some(monomial) = open.pop() else {
                let mut monomials: Vec<Monomial> = done.into_values().collect();
                monomials.retain(|monomial| monomial.number != 0.0);
                return Some(monomials);
            };
            // Numerators cancel here.
            let product = self.product(&monomial.factors);
            let number = monomial.number * product.number;
            if !number.is_finite() {
                return None;
            }
            let mut factors: Vec<(Id, f64)> = product.factors;
            factors.retain(|(_, exponent)| *exponent != 0.0);
            if let Some(terms) = self.first_sum(&factors) {
                open.extend(terms.into_iter().rev().map(|factors| Monomial { number, factors }));
                continue;
            }
            factors.sort_by_key(|(base, _)| *base);
            let key = factors.iter().map(|(base, exponent)| (*base, exponent.to_bits())).collect();
            done.entry(key).or_insert(Monomial { number: 0.0, factors }).number += number;
            if done.len() > MONOMIALS {
                return None;
            }
        }
        None
    }

    /// The product for each term of its largest sum; none where there is no sum in it. The largest has the
    /// denominators that smaller ones cancel against.
    fn first_sum(&mut self, factors: &[(Id, f64)]) -> Option<Vec<Vec<(Id, f64)>>> {
        let mut largest: Option<(usize, Id, f64)> = None;
        for (place, (base, exponent)) in factors.iter().enumerate() {
            let opens = (1.0..=POWER).contains(exponent) && exponent.fract() == 0.0;
            let size = self.pool.size(*base);
            if opens && self.opens(*base) && largest.is_none_or(|(_, id, _)| self.pool.size(id) < size) {
                largest = Some((place, *base, *exponent));
            }
        }
        let (place, base, exponent) = largest?;
        let mut rest: Vec<(Id, f64)> = factors.to_vec();
        rest.remove(place);
        if exponent > 1.0 {
            rest.push((base, exponent - 1.0));
        }
        let minus = self.pool.number(-1.0);
        let one = self.pool.number(1.0);
        let (left, right, sign) = match self.pool.node(base) {
            Node::Binary(Binary::Add, a, b) => (a, b, one),
            Node::Binary(Binary::Sub, a, b) => (a, b, minus),
            Node::Unary(Unary::Sigmoid, u) => {
                let v = self.negated(u);
                (one, self.pool.unary(Unary::Sigmoid, v), minus)
            }
            _ => return None,
        };
        let (mut first, mut second) = (rest.clone(), rest);
        first.push((left, 1.0));
        second.extend([(right, 1.0), (sign, 1.0)]);
        Some(vec![first, second])
    }

    fn opens(&mut self, base: Id) -> bool {
        match self.pool.node(base) {
            Node::Unary(Unary::Sigmoid, u) => self.negative_of(u).is_some(),
            _ => self.is_sum(base),
        }
    }
}
