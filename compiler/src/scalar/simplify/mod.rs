//! Equal, simpler formulas.
//!
//! # What holds
//!
//! The result has the value of the formula wherever that is finite, up to rounding; its derivative too, kinks
//! included. It is never larger (operations as written), but for the stable form of `log(sigmoid(x))`; it has one form
//! for formulas that differ by the order of terms and factors, and is found in time about linear in the size.
//!
//! The algebra is that of finite numbers: `x * 0` is 0, `x / x` is 1, `exp(log(x))` is x. A constant that has no
//! finite value, such as `log(0)`, is left as it is, and nothing is cancelled across it.
//!
//! # How
//!
//! A pass meets operands before what is made of them and rewrites each node by what its operands became:
//! - sums (`+ - neg`) as a list of terms with numeric factors and a constant, like terms put together (`sum.rs`),
//! - products (`* / ^number`) as a list of factors with exponents and one number (`product.rs`),
//! - selects (`select.rs`) and functions (`function.rs`) by rules,
//! - small sums and products also by multiplying out, where that shortens them by half (`expand.rs`).
//!
//! A rewrite that is larger than the node over the rewritten operands is dropped, so nothing else grows. Passes repeat
//! until nothing changes, a few times at most.

mod expand;
mod function;
mod product;
mod select;
mod sum;

use super::pool::{Id, Node, Pool};
use super::{Binary, Scalar, Unary};

/// Passes at most; two are enough for what people write.
const PASSES: usize = 6;
/// Sums and products that are multiplied out on trial, at most, so that a long formula takes no long time.
const EXPANSIONS: usize = 2000;
/// Lists up to this length are searched for patterns, which takes time in the square of it.
const SHORT: usize = 32;
/// Powers of powers are put together up to this exponent.
const EXPONENT: f64 = 65536.0;
/// Operands of a sum or product that was rewritten before are taken apart up to this number.
const PARTS: usize = 64;

/// An equal, simpler formula.
pub fn simplify(x: &Scalar) -> Scalar {
    let mut pool = Pool::default();
    let root = pool.import(x);
    let root = simplify_node(&mut pool, root);
    pool.export(root)
}

/// The same within a pool.
pub(super) fn simplify_node(pool: &mut Pool, root: Id) -> Id {
    let mut simplifier = Simplifier { pool, expansions: EXPANSIONS };
    let mut best = root;
    for _ in 0..PASSES {
        let next = simplifier.pass(best);
        if next == best {
            break;
        }
        best = next;
    }
    best
}

struct Simplifier<'a> {
    pool: &'a mut Pool,
    /// Expansions that are left.
    expansions: usize,
}

/// Nodes that are rewritten together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Sum,
    Product,
}

fn family(pool: &Pool, node: Node) -> Option<Family> {
    match node {
        Node::Unary(Unary::Neg, _) | Node::Binary(Binary::Add | Binary::Sub, ..) => Some(Family::Sum),
        Node::Binary(Binary::Mul | Binary::Div, ..) => Some(Family::Product),
        Node::Binary(Binary::Pow, _, exponent) => pool.number_of(exponent).map(|_| Family::Product),
        _ => None,
    }
}

/// The family that goes on into the operands. A broken exponent does not distribute over them.
fn inner_family(pool: &Pool, node: Node) -> Option<Family> {
    match node {
        Node::Binary(Binary::Pow, _, exponent) => pool
            .number_of(exponent)
            .filter(|e| e.fract() == 0.0 && e.abs() <= EXPONENT)
            .map(|_| Family::Product),
        _ => family(pool, node),
    }
}

/// How a node is used, and what it became.
#[derive(Clone, Copy)]
struct Entry {
    uses: u32,
    /// The family of the one use.
    family: Option<Family>,
    /// Whether it is rewritten together with its one user.
    interior: bool,
    done: Id,
}

/// An entry a node, by place.
struct Table(Vec<Entry>);

impl Table {
    fn new(pool: &Pool, order: &[Id], root: Id) -> Self {
        let unused = Entry { uses: 0, family: None, interior: false, done: root };
        let mut table = Table(vec![unused; root.place() + 1]);
        for id in order {
            let node = pool.node(*id);
            for operand in node.operands() {
                if let Some(entry) = table.0.get_mut(operand.place()) {
                    entry.uses += 1;
                    entry.family = inner_family(pool, node);
                }
            }
        }
        for id in order {
            let family = family(pool, pool.node(*id));
            if let Some(entry) = table.0.get_mut(id.place()) {
                entry.interior = entry.uses == 1 && family.is_some() && entry.family == family;
            }
        }
        table
    }

    fn done(&self, id: Id) -> Id {
        self.0.get(id.place()).map_or(id, |entry| entry.done)
    }

    fn is_interior(&self, id: Id) -> bool {
        self.0.get(id.place()).is_some_and(|entry| entry.interior)
    }
}

impl Simplifier<'_> {
    fn pass(&mut self, root: Id) -> Id {
        let order = self.pool.reachable(root);
        let mut table = Table::new(self.pool, &order, root);
        for id in order {
            let node = self.pool.node(id);
            let same = node.map(|operand| table.done(operand));
            let plain = self.pool.intern(same);
            let done = if table.is_interior(id) {
                plain
            } else {
                let rewritten = match family(self.pool, node) {
                    Some(Family::Sum) => self.sum_at(id, &table),
                    Some(Family::Product) => self.product_at(id, &table),
                    None => self.rewrite(same),
                };
                if self.is_unstable(same) { rewritten } else { self.smaller(rewritten, plain) }
            };
            if let Some(entry) = table.0.get_mut(id.place()) {
                entry.done = done;
            }
        }
        table.done(root)
    }

    /// Whether a node is the logarithm of a sigmoid, which is 0 far to the left: the stable form is taken although it
    /// is larger.
    fn is_unstable(&self, node: Node) -> bool {
        let Node::Unary(Unary::Log, x) = node else { return false };
        matches!(self.pool.node(x), Node::Unary(Unary::Sigmoid, _))
    }

    /// The first unless the second is smaller.
    fn smaller(&self, first: Id, second: Id) -> Id {
        if self.pool.size(second) < self.pool.size(first) { second } else { first }
    }

    /// A node that is no sum and no product, over rewritten operands.
    fn rewrite(&mut self, node: Node) -> Id {
        match node {
            Node::Unary(op, a) => self.unary(op, a),
            Node::Binary(op, a, b) => self.binary(op, a, b),
            Node::Select(condition, a, b) => self.select(condition, a, b),
            Node::Compare(relation, a, b) => self.compare(relation, a, b),
            Node::And(a, b) => self.and(a, b),
            Node::Or(a, b) => self.or(a, b),
            Node::Not(a) => self.not(a),
            Node::Number(bits) => self.pool.number(f64::from_bits(bits)),
            Node::Variable(_) | Node::Truth(_) => self.pool.intern(node),
        }
    }

    /// The nodes `id` and `interior` ones below it lead to, each with its weight: what `step` makes of the weight of
    /// the node for each operand. From the left.
    fn leaves(&self, id: Id, table: &Table, step: impl Fn(Node, usize, f64) -> f64) -> Vec<(Id, f64)> {
        let mut leaves = Vec::new();
        let mut open = vec![(id, 1.0_f64)];
        while let Some((at, weight)) = open.pop() {
            if at != id && (!table.is_interior(at) || weight.abs() > EXPONENT) {
                leaves.push((table.done(at), weight));
                continue;
            }
            let node = self.pool.node(at);
            // The exponent of a power is no operand of the product.
            let operands = if matches!(node, Node::Binary(Binary::Pow, ..)) { 1 } else { 2 };
            let below = node.operands().take(operands).enumerate();
            let mut below: Vec<_> =
                below.map(|(place, operand)| (operand, step(node, place, weight))).collect();
            below.reverse();
            open.extend(below);
        }
        leaves
    }
}

/// Folds a long list in parts, so that its tree is not as deep as it is long.
fn fold_in_parts<T: Clone>(mut items: Vec<T>, mut fold: impl FnMut(&[T]) -> T) -> Option<T> {
    while items.len() > 2 * PARTS {
        items = items.chunks(PARTS).map(&mut fold).collect();
    }
    if items.is_empty() { None } else { Some(fold(&items)) }
}
