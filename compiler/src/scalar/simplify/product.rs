//! Products: a number, and factors with exponents.

use std::collections::HashMap;

use super::{EXPONENT, PARTS, SHORT, Simplifier, Table, fold_in_parts};
use crate::scalar::pool::{Id, Node};
use crate::scalar::{Binary, Unary};

/// Denominators `(1 + e^u)^n` are read as sigmoids up to this n.
const SIGMOIDS: f64 = 4.0;
/// Powers with half an exponent are written with a root up to this one.
const ROOTS: f64 = 4.0;

/// `number * Π base^exponent`
#[derive(Debug, Clone)]
pub(super) struct Product {
    /// The number.
    pub number: f64,
    /// Bases with exponents, in order of appearance; an exponent of 0 is a factor that is gone.
    pub factors: Vec<(Id, f64)>,
    places: HashMap<Id, usize>,
}

impl Default for Product {
    fn default() -> Self {
        Self { number: 1.0, factors: Vec::new(), places: HashMap::new() }
    }
}

impl Product {
    /// Multiplies by a factor that is taken apart already.
    pub(super) fn push(&mut self, base: Id, exponent: f64) {
        match self.places.get(&base).and_then(|place| self.factors.get_mut(*place)) {
            Some((_, old)) => *old += exponent,
            None => {
                self.places.insert(base, self.factors.len());
                self.factors.push((base, exponent));
            }
        }
    }

    /// The exponent of a base; 0 where it is no factor.
    pub(super) fn exponent(&self, base: Id) -> f64 {
        let factor = self.places.get(&base).and_then(|place| self.factors.get(*place));
        factor.map_or(0.0, |(_, exponent)| *exponent)
    }
}

/// A factor `if condition { rest } else { 0 }`, or the other way round, that was taken out of a product.
struct Gate {
    condition: Id,
    zero: Id,
    zero_first: bool,
}

impl Simplifier<'_> {
    /// The product at a node of the pass.
    pub(super) fn product_at(&mut self, id: Id, table: &Table) -> Id {
        let exponent_of = |node| match node {
            Node::Binary(Binary::Pow, _, exponent) => self.pool.number_of(exponent),
            _ => None,
        };
        let leaves = self.leaves(id, table, |node, place, weight| match node {
            Node::Binary(Binary::Div, ..) if place == 1 => -weight,
            Node::Binary(Binary::Pow, ..) => weight * exponent_of(node).unwrap_or(1.0),
            _ => weight,
        });
        let product = self.product_of(&leaves);
        self.expanded(product)
    }

    /// `Π base^exponent`
    pub(super) fn product_of(&mut self, factors: &[(Id, f64)]) -> Id {
        let product = self.product(factors);
        self.finish_product(product)
    }

    /// The same, not yet written down.
    pub(super) fn product(&mut self, factors: &[(Id, f64)]) -> Product {
        let mut product = Product::default();
        for (base, exponent) in factors {
            self.multiply(&mut product, *base, *exponent);
        }
        product
    }

    /// Multiplies by `x^exponent`, taking products, powers and numbers in it apart.
    pub(super) fn multiply(&mut self, product: &mut Product, x: Id, exponent: f64) {
        let mut open = vec![(x, exponent)];
        let mut parts = 0;
        while let Some((x, exponent)) = open.pop() {
            parts += 1;
            // A broken exponent does not distribute over signs.
            let whole = exponent.fract() == 0.0;
            let node = self.pool.node(x);
            if parts > 2 * PARTS {
                product.push(x, exponent);
                continue;
            }
            match node {
                Node::Number(bits) => {
                    let number = product.number * f64::from_bits(bits).powf(exponent);
                    if number.is_normal() || f64::from_bits(bits) == 0.0 && number == 0.0 {
                        product.number = number;
                    } else {
                        product.push(x, exponent);
                    }
                }
                Node::Unary(Unary::Neg, a) if whole => {
                    if exponent.rem_euclid(2.0) == 1.0 {
                        product.number = -product.number;
                    }
                    open.push((a, exponent));
                }
                Node::Binary(Binary::Mul, a, b) if whole => open.extend([(b, exponent), (a, exponent)]),
                Node::Binary(Binary::Div, a, b) if whole => open.extend([(b, -exponent), (a, exponent)]),
                Node::Binary(Binary::Pow, a, power) if whole => match self.pool.number_of(power) {
                    Some(power) if (power * exponent).abs() <= EXPONENT => open.push((a, power * exponent)),
                    _ => product.push(x, exponent),
                },
                Node::Unary(Unary::Sqrt, a) if whole => open.push((a, 0.5 * exponent)),
                _ => product.push(x, exponent),
            }
        }
    }

    /// The formula of a product.
    pub(super) fn finish_product(&mut self, mut product: Product) -> Id {
        if product.number == 0.0 && !product.factors.iter().any(|(base, _)| self.pool.undefined(*base)) {
            return self.pool.number(0.0);
        }
        let mut gates = Vec::new();
        if product.factors.len() <= SHORT {
            self.join_logistic(&mut product);
            self.join_exponentials(&mut product);
            self.join_signs(&mut product);
            self.join_selects_in_product(&mut product);
            gates = self.take_gates(&mut product);
        }
        let inner = self.build_product(&product);
        gates.sort_by(|a, b| self.pool.compare(a.condition, b.condition));
        gates.into_iter().rev().fold(inner, |inner, gate| {
            let (then, otherwise) = if gate.zero_first { (gate.zero, inner) } else { (inner, gate.zero) };
            self.select(gate.condition, then, otherwise)
        })
    }

    /// `e^u / (1 + e^u)` and `1 / (1 + e^u)` are sigmoids of u and -u; of a pair of those one is enough.
    fn join_logistic(&mut self, product: &mut Product) {
        for (base, exponent) in product.factors.clone() {
            if !(-SIGMOIDS..0.0).contains(&exponent) || exponent.fract() != 0.0 {
                continue;
            }
            let Node::Binary(Binary::Add, e, one) = self.pool.node(base) else { continue };
            let Node::Unary(Unary::Exp, u) = self.pool.node(e) else { continue };
            if !self.pool.is(one, 1.0) {
                continue;
            }
            product.push(base, -exponent);
            let mut left = -exponent;
            while left > 0.0 {
                left -= 1.0;
                let sigmoid = if product.exponent(e) >= 1.0 {
                    product.push(e, -1.0);
                    self.unary(Unary::Sigmoid, u)
                } else {
                    let negative = self.negated(u);
                    self.unary(Unary::Sigmoid, negative)
                };
                self.multiply(product, sigmoid, 1.0);
            }
        }
        for (base, exponent) in product.factors.clone() {
            let Node::Unary(Unary::Sigmoid, u) = self.pool.node(base) else { continue };
            let Some(v) = self.negative_of(u) else { continue };
            let sigmoid = self.unary(Unary::Sigmoid, v);
            if exponent > 0.0 && product.exponent(sigmoid) > 0.0 {
                product.push(base, -exponent);
                let one = self.pool.number(1.0);
                let rest = self.pool.binary(Binary::Sub, one, sigmoid);
                product.push(rest, exponent);
            }
        }
    }

    /// `e^a e^b` is `e^(a + b)`, `1 / e^a` is `e^-a`.
    fn join_exponentials(&mut self, product: &mut Product) {
        let mut powers = Vec::new();
        for (base, exponent) in &product.factors {
            if let Node::Unary(Unary::Exp, u) = self.pool.node(*base)
                && exponent.abs() == 1.0
            {
                powers.push((*base, u, *exponent));
            }
        }
        if powers.len() < 2 && powers.iter().all(|(_, _, exponent)| *exponent > 0.0) {
            return;
        }
        let terms: Vec<_> = powers.iter().map(|(_, u, exponent)| (*u, *exponent)).collect();
        let sum = self.sum_of(&terms);
        for (base, _, exponent) in powers {
            product.push(base, -exponent);
        }
        let joined = self.unary(Unary::Exp, sum);
        self.multiply(product, joined, 1.0);
    }

    /// `|u|^2` is `u^2`, `u sign(u)` is `|u|`, and a select of 0 and 1 is its own power.
    fn join_signs(&mut self, product: &mut Product) {
        for (base, exponent) in product.factors.clone() {
            match self.pool.node(base) {
                Node::Unary(Unary::Abs, u) if exponent != 0.0 && exponent.rem_euclid(2.0) == 0.0 => {
                    product.push(base, -exponent);
                    self.multiply(product, u, exponent);
                }
                Node::Unary(Unary::Sign, u) if exponent == 1.0 && product.exponent(u) == 1.0 => {
                    product.push(base, -1.0);
                    product.push(u, -1.0);
                    let magnitude = self.unary(Unary::Abs, u);
                    self.multiply(product, magnitude, 1.0);
                }
                Node::Select(_, a, b)
                    if exponent > 1.0
                        && [a, b].iter().all(|x| self.pool.is(*x, 0.0) || self.pool.is(*x, 1.0)) =>
                {
                    product.push(base, 1.0 - exponent);
                }
                _ => {}
            }
        }
    }

    /// Selects on one condition become one, where that is no larger.
    fn join_selects_in_product(&mut self, product: &mut Product) {
        for first in 0..product.factors.len() {
            let Some(&(a, 1.0)) = product.factors.get(first) else { continue };
            let Node::Select(condition, a_then, a_else) = self.pool.node(a) else { continue };
            for second in first + 1..product.factors.len() {
                let Some(&(b, 1.0)) = product.factors.get(second) else { continue };
                let Node::Select(same, b_then, b_else) = self.pool.node(b) else { continue };
                if same != condition {
                    continue;
                }
                let then = self.product_of(&[(a_then, 1.0), (b_then, 1.0)]);
                let otherwise = self.product_of(&[(a_else, 1.0), (b_else, 1.0)]);
                let joined = self.select(condition, then, otherwise);
                if self.pool.size(joined) <= self.pool.size(a) + self.pool.size(b) {
                    product.push(a, -1.0);
                    product.push(b, -1.0);
                    self.multiply(product, joined, 1.0);
                    break;
                }
            }
        }
    }

    /// Takes out factors that are 0 on one side of a condition: the product is then 0 there, and is not multiplied.
    fn take_gates(&mut self, product: &mut Product) -> Vec<Gate> {
        let mut gates = Vec::new();
        let mut place = 0;
        // Branches may bring further gates; the bound is for those who stack thousands.
        while gates.len() < SHORT {
            let Some(&(base, exponent)) = product.factors.get(place) else { break };
            place += 1;
            if exponent != 1.0 {
                continue;
            }
            let Node::Select(condition, a, b) = self.pool.node(base) else { continue };
            let (zero_first, zero_last) = (self.pool.is(a, 0.0), self.pool.is(b, 0.0));
            if !zero_first && !zero_last {
                continue;
            }
            product.push(base, -1.0);
            let (zero, rest) = if zero_first { (a, b) } else { (b, a) };
            gates.push(Gate { condition, zero, zero_first });
            self.multiply(product, rest, 1.0);
            place = 0;
        }
        gates
    }

    /// Writes the factors down: the number first, then in the order of formulas, divided by what has negative
    /// exponents.
    fn build_product(&mut self, product: &Product) -> Id {
        let (mut above, mut below) = (Vec::new(), Vec::new());
        // Numbers that could not be multiplied, because the result is not finite, stay behind the rest: in front they
        // would be multiplied first.
        let mut apart = Vec::new();
        for (base, exponent) in &product.factors {
            if *exponent == 1.0 && self.pool.number_of(*base).is_some() {
                apart.push(*base);
            } else if *exponent > 0.0 {
                above.push((*base, *exponent));
            } else if *exponent < 0.0 {
                below.push((*base, -*exponent));
            }
        }
        if above.is_empty()
            && apart.is_empty()
            && product.number == 1.0
            && let &[(base, exponent)] = below.as_slice()
            && exponent > 1.0
        {
            let exponent = self.pool.number(-exponent);
            return self.pool.binary(Binary::Pow, base, exponent);
        }
        let above = self.build_factors(&above);
        let below = self.build_factors(&below);
        let mut result = match above {
            Some(above) => self.scaled(product.number, above),
            None => self.pool.number(product.number),
        };
        for number in apart {
            result = self.pool.binary(Binary::Mul, result, number);
        }
        if let Some(below) = below {
            result = self.pool.binary(Binary::Div, result, below);
        }
        result
    }

    /// A product of powers with positive exponents.
    fn build_factors(&mut self, factors: &[(Id, f64)]) -> Option<Id> {
        // Bases by exponent, for equal exponents are written once.
        let mut groups: Vec<(f64, Vec<Id>)> = Vec::new();
        let mut put = |exponent: f64, base: Id| match groups.iter_mut().find(|group| group.0 == exponent) {
            Some((_, bases)) if exponent != 0.5 => bases.push(base),
            _ => groups.push((exponent, vec![base])),
        };
        for (base, exponent) in factors {
            let whole = exponent.floor();
            if exponent - whole == 0.5 && *exponent < ROOTS {
                put(0.5, *base);
                if whole > 0.0 {
                    put(whole, *base);
                }
            } else {
                put(*exponent, *base);
            }
        }
        let mut powers = Vec::new();
        for (exponent, mut bases) in groups {
            let whole = exponent.fract() == 0.0;
            if exponent == 1.0 {
                powers.extend(bases);
                continue;
            }
            // Roots and broken powers do not distribute over signs, so they stay apart.
            let parts: Vec<Id> =
                if whole { vec![self.fold_product(&mut bases)?] } else { std::mem::take(&mut bases) };
            for base in parts {
                powers.push(if exponent == 0.5 {
                    self.unary(Unary::Sqrt, base)
                } else {
                    let exponent = self.pool.number(exponent);
                    self.pool.binary(Binary::Pow, base, exponent)
                });
            }
        }
        self.fold_product(&mut powers)
    }

    fn fold_product(&mut self, factors: &mut Vec<Id>) -> Option<Id> {
        factors.sort_by(|a, b| self.pool.compare(*a, *b));
        fold_in_parts(std::mem::take(factors), |factors| {
            let product = factors.iter().copied().reduce(|a, b| self.pool.binary(Binary::Mul, a, b));
            product.unwrap_or_else(|| self.pool.number(1.0))
        })
    }
}
