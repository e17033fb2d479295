//! Symbolic derivatives.
//!
//! At a kink the derivative is the one that PyTorch uses:
//! - `if c { a } else { b }`: that of the branch which is taken; the condition is not differentiated. So
//!   `if x > 0 { x } else { 0 }` has the derivative 0 at 0.
//! - `abs`: 0 at 0. `sign`, `floor`: 0 everywhere.
//! - `max(a, b)`, `min(a, b)`: at a tie half to each operand, as `torch.maximum` and `torch.minimum`; but a tie with a
//!   number is the number's, so that `max(x, 0)` is relu and `min(max(x, 0), 6)` is relu6, at the kink too.
//!   (`torch.clamp` counts such a tie as its argument's.)
//! - `a^b`: with a number b, b a^(b-1), which is 1 at a = 0 for b = 1 and never 0 * inf for b >= 1. Where b varies, the
//!   part with log(a) is 0 unless a > 0.
//! - `sqrt`: infinite at 0.

use super::pool::{Id, Node, Pool};
use super::simplify::simplify_node;
use super::{Binary, Relation, Scalar, Unary, Variable};

/// The derivative of `x` by `variable`, simplified.
pub fn differentiate(x: &Scalar, variable: Variable) -> Scalar {
    let mut pool = Pool::default();
    let root = pool.import(x);
    // Rewrites keep derivatives, and they cut long products into parts, whose derivatives are shorter.
    let root = simplify_node(&mut pool, root);
    let derivative = Differentiation { pool: &mut pool, derivatives: Vec::new() }.run(root, variable);
    let derivative = simplify_node(&mut pool, derivative);
    pool.export(derivative)
}

/// Operands of `max` up to this size are differentiated in the form that reads best.
const SMALL: u64 = 6;

struct Differentiation<'a> {
    pool: &'a mut Pool,
    /// By node; none where it is 0.
    derivatives: Vec<Option<Id>>,
}

impl Differentiation<'_> {
    fn run(mut self, root: Id, variable: Variable) -> Id {
        self.derivatives = vec![None; root.place() + 1];
        for id in self.pool.reachable(root) {
            let derivative = match self.pool.node(id) {
                Node::Variable(v) if v == variable => Some(self.pool.number(1.0)),
                Node::Unary(op, a) => self.of(a).and_then(|da| self.unary(op, id, a, da)),
                Node::Binary(op, a, b) => self.binary(op, id, a, b),
                Node::Select(condition, a, b) => {
                    let (da, db) = (self.of(a), self.of(b));
                    self.either(condition, da, db)
                }
                _ => None,
            };
            if let Some(entry) = self.derivatives.get_mut(id.place()) {
                *entry = derivative;
            }
        }
        self.of(root).unwrap_or_else(|| self.pool.number(0.0))
    }

    fn of(&self, id: Id) -> Option<Id> {
        self.derivatives.get(id.place()).copied().flatten()
    }

    /// The derivative of `y = op(a)`, given that of `a`.
    fn unary(&mut self, op: Unary, y: Id, a: Id, da: Id) -> Option<Id> {
        let slope = match op {
            Unary::Neg => return Some(self.pool.unary(Unary::Neg, da)),
            Unary::Sign | Unary::Floor => return None,
            Unary::Exp => y,
            Unary::Expm1 => self.pool.unary(Unary::Exp, a),
            Unary::Log => return Some(self.pool.binary(Binary::Div, da, a)),
            Unary::Log1p => {
                let one = self.pool.number(1.0);
                let denominator = self.pool.binary(Binary::Add, one, a);
                return Some(self.pool.binary(Binary::Div, da, denominator));
            }
            Unary::Sqrt => {
                let half = self.pool.number(0.5);
                self.pool.binary(Binary::Div, half, y)
            }
            Unary::Tanh => {
                let two = self.pool.number(2.0);
                let square = self.pool.binary(Binary::Pow, y, two);
                self.one_minus(square)
            }
            Unary::Sigmoid => {
                let rest = self.one_minus(y);
                self.pool.binary(Binary::Mul, y, rest)
            }
            Unary::Softplus => self.pool.unary(Unary::Sigmoid, a),
            Unary::Erf => {
                let two = self.pool.number(2.0);
                let square = self.pool.binary(Binary::Pow, a, two);
                let negative = self.pool.unary(Unary::Neg, square);
                let bell = self.pool.unary(Unary::Exp, negative);
                let factor = self.pool.number(std::f64::consts::FRAC_2_SQRT_PI);
                self.pool.binary(Binary::Mul, factor, bell)
            }
            Unary::Sin => self.pool.unary(Unary::Cos, a),
            Unary::Cos => {
                let sine = self.pool.unary(Unary::Sin, a);
                self.pool.unary(Unary::Neg, sine)
            }
            Unary::Abs => self.pool.unary(Unary::Sign, a),
        };
        Some(self.pool.binary(Binary::Mul, slope, da))
    }

    fn one_minus(&mut self, x: Id) -> Id {
        let one = self.pool.number(1.0);
        self.pool.binary(Binary::Sub, one, x)
    }

    /// The derivative of `y = a op b`.
    fn binary(&mut self, op: Binary, y: Id, a: Id, b: Id) -> Option<Id> {
        let (da, db) = (self.of(a), self.of(b));
        if da.is_none() && db.is_none() {
            return None;
        }
        match op {
            Binary::Add => self.sum(da, db),
            Binary::Sub => {
                let db = db.map(|db| self.pool.unary(Unary::Neg, db));
                self.sum(da, db)
            }
            Binary::Mul => {
                let left = da.map(|da| self.pool.binary(Binary::Mul, da, b));
                let right = db.map(|db| self.pool.binary(Binary::Mul, a, db));
                self.sum(left, right)
            }
            Binary::Div => {
                let left = da.map(|da| self.pool.binary(Binary::Div, da, b));
                let right = db.map(|db| {
                    let two = self.pool.number(2.0);
                    let square = self.pool.binary(Binary::Pow, b, two);
                    let product = self.pool.binary(Binary::Mul, a, db);
                    let quotient = self.pool.binary(Binary::Div, product, square);
                    self.pool.unary(Unary::Neg, quotient)
                });
                self.sum(left, right)
            }
            Binary::Pow => {
                let left = da.and_then(|da| self.by_base(a, b, da));
                let right = db.map(|db| self.by_exponent(y, a, db));
                self.sum(left, right)
            }
            Binary::Max => self.extreme(Relation::Gt, Relation::Ge, (a, da), (b, db)),
            Binary::Min => self.extreme(Relation::Lt, Relation::Le, (a, da), (b, db)),
        }
    }

    fn sum(&mut self, a: Option<Id>, b: Option<Id>) -> Option<Id> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.pool.binary(Binary::Add, a, b)),
            (a, b) => a.or(b),
        }
    }

    /// d(a^b) by a: b a^(b-1) da, and 0 for b = 0.
    fn by_base(&mut self, a: Id, b: Id, da: Id) -> Option<Id> {
        if let Some(exponent) = self.pool.number_of(b) {
            if exponent == 0.0 {
                return None;
            }
            if exponent == 1.0 {
                return Some(da);
            }
            let less = self.pool.number(exponent - 1.0);
            let power = self.pool.binary(Binary::Pow, a, less);
            let slope = self.pool.binary(Binary::Mul, b, power);
            return Some(self.pool.binary(Binary::Mul, slope, da));
        }
        let one = self.pool.number(1.0);
        let less = self.pool.binary(Binary::Sub, b, one);
        let power = self.pool.binary(Binary::Pow, a, less);
        let slope = self.pool.binary(Binary::Mul, b, power);
        let product = self.pool.binary(Binary::Mul, slope, da);
        let zero = self.pool.number(0.0);
        let flat = self.pool.intern(Node::Compare(Relation::Eq, b, zero));
        Some(self.pool.intern(Node::Select(flat, zero, product)))
    }

    /// d(a^b) by b: y log(a) db, and 0 unless a > 0.
    fn by_exponent(&mut self, y: Id, a: Id, db: Id) -> Id {
        let zero = self.pool.number(0.0);
        let logarithm = self.pool.unary(Unary::Log, a);
        let slope = self.pool.binary(Binary::Mul, y, logarithm);
        let product = self.pool.binary(Binary::Mul, slope, db);
        let positive = self.pool.intern(Node::Compare(Relation::Gt, a, zero));
        self.pool.intern(Node::Select(positive, product, zero))
    }

    /// `if condition { da } else { db }`
    fn either(&mut self, condition: Id, da: Option<Id>, db: Option<Id>) -> Option<Id> {
        if da.is_none() && db.is_none() {
            return None;
        }
        let zero = self.pool.number(0.0);
        Some(self.pool.intern(Node::Select(condition, da.unwrap_or(zero), db.unwrap_or(zero))))
    }

    /// The derivative of the larger or smaller of two, where `wins` is `>` or `<`, and `holds` that or a tie.
    fn extreme(
        &mut self,
        wins: Relation,
        holds: Relation,
        (a, da): (Id, Option<Id>),
        (b, db): (Id, Option<Id>),
    ) -> Option<Id> {
        if !self.pool.varies(b) {
            let condition = self.pool.intern(Node::Compare(wins, a, b));
            return self.either(condition, da, None);
        }
        if !self.pool.varies(a) {
            let condition = self.pool.intern(Node::Compare(wins, b, a));
            return self.either(condition, db, None);
        }
        let size = |d: Option<Id>| d.map_or(0, |d| self.pool.size(d));
        if size(da).saturating_add(size(db)) <= SMALL {
            let half = self.pool.number(0.5);
            let both = self.sum(da, db).map(|sum| self.pool.binary(Binary::Mul, half, sum));
            let b_wins = self.pool.intern(Node::Compare(wins, b, a));
            let otherwise = self.either(b_wins, db, both);
            let a_wins = self.pool.intern(Node::Compare(wins, a, b));
            return self.either(a_wins, da, otherwise);
        }
        // Each derivative once, for in nested extremes they would double with each level.
        let a_part = self.share(holds, a, b, da);
        let b_part = self.share(holds, b, a, db);
        self.sum(a_part, b_part)
    }

    /// `if a holds b { da * if a == b { 0.5 } else { 1 } } else { 0 }`
    fn share(&mut self, holds: Relation, a: Id, b: Id, da: Option<Id>) -> Option<Id> {
        let da = da?;
        let (half, one) = (self.pool.number(0.5), self.pool.number(1.0));
        let tie = self.pool.intern(Node::Compare(Relation::Eq, a, b));
        let weight = self.pool.intern(Node::Select(tie, half, one));
        let part = self.pool.binary(Binary::Mul, da, weight);
        let condition = self.pool.intern(Node::Compare(holds, a, b));
        self.either(condition, Some(part), None)
    }
}
