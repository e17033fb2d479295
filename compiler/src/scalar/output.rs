//! Derivatives from the saved result of a function instead of its operands.

use super::pool::{Id, Node, Pool};
use super::simplify::simplify_node;
use super::{Binary, Relation, Scalar, Unary, Variable};

/// Branches within branches that are followed, at most.
const NESTING: usize = 16;

/// `derivative` over [`Variable::Output`], the value of `function`, so that no operand of the function is needed; if
/// that cannot be done, `derivative` unchanged.
///
/// Rewritten are functions whose value is in their derivative (`exp`, `tanh`, `sigmoid`, `sqrt`), or from whose value
/// it can be computed as accurately (`softplus`, `expm1`), scaled and shifted or not, and selects between those on
/// the operand where the result lies on the same side of the bound: relu, leaky relu, elu, selu, relu6. For all
/// finite operands the value is that of the derivative, up to rounding, and conditions hold exactly where they did.
pub fn in_terms_of_output(derivative: &Scalar, function: &Scalar) -> Scalar {
    let mut pool = Pool::default();
    let function = pool.import(function);
    let function = simplify_node(&mut pool, function);
    let target = pool.import(derivative);
    let target = simplify_node(&mut pool, target);
    let mut inversion = Inversion { pool: &mut pool, known: Vec::new() };
    match inversion.rewrite(target, function) {
        Some(rewritten) => {
            let rewritten = simplify_node(&mut pool, rewritten);
            pool.export(rewritten)
        }
        None => derivative.clone(),
    }
}

/// A condition that holds where the rewriting is.
#[derive(Clone, Copy)]
struct Fact {
    operand: Id,
    relation: Relation,
    bound: f64,
}

struct Inversion<'a> {
    pool: &'a mut Pool,
    known: Vec<Fact>,
}

impl Inversion<'_> {
    /// `target` without operands, where the result is `function`.
    fn rewrite(&mut self, target: Id, function: Id) -> Option<Id> {
        let target = simplify_node(self.pool, target);
        if !self.has_operand(target) {
            return Some(target);
        }
        let output = self.pool.intern(Node::Variable(Variable::Output));
        let parts = self.equal_parts(function, output);
        let replaced = self.replace(target, &parts);
        let replaced = simplify_node(self.pool, replaced);
        if !self.has_operand(replaced) {
            return Some(replaced);
        }
        self.by_branch(target, function, output)
    }

    fn has_operand(&self, id: Id) -> bool {
        let is_operand =
            |id: &Id| matches!(self.pool.node(*id), Node::Variable(Variable::Input(_) | Variable::Index));
        self.pool.reachable(id).iter().any(is_operand)
    }

    /// Formulas of operands, each with what it is in terms of the output, given that the output is `function`.
    fn equal_parts(&mut self, function: Id, output: Id) -> Vec<(Id, Id)> {
        let mut parts = vec![(function, output)];
        // Peels `c g + k` to g, whose value is then (y - k) / c.
        let (mut inner, mut value) = (function, output);
        let (mut factor, mut shift) = (1.0, 0.0);
        loop {
            let number = |id| self.pool.number_of(id);
            match self.pool.node(inner) {
                Node::Unary(Unary::Neg, a) => {
                    value = self.pool.unary(Unary::Neg, value);
                    (inner, factor) = (a, -factor);
                }
                Node::Binary(Binary::Mul, a, b) if number(a).is_some_and(|c| c != 0.0) => {
                    let c = number(a).unwrap_or(1.0);
                    value = self.pool.binary(Binary::Div, value, a);
                    (inner, factor) = (b, factor * c);
                }
                Node::Binary(Binary::Add, a, b) if number(b).is_some() => {
                    shift += factor * number(b).unwrap_or(0.0);
                    value = self.pool.binary(Binary::Sub, value, b);
                    inner = a;
                }
                Node::Binary(Binary::Sub, a, b) if number(b).is_some() => {
                    shift -= factor * number(b).unwrap_or(0.0);
                    value = self.pool.binary(Binary::Add, value, b);
                    inner = a;
                }
                Node::Binary(Binary::Sub, a, b) if number(a).is_some() => {
                    shift += factor * number(a).unwrap_or(0.0);
                    value = self.pool.binary(Binary::Sub, a, value);
                    (inner, factor) = (b, -factor);
                }
                _ => break,
            }
            parts.push((inner, value));
        }
        self.relatives(inner, value, &mut parts);
        if let Node::Unary(Unary::Expm1, u) = self.pool.node(inner) {
            // c e^u = (c expm1(u) + k) - k + c, with one rounding less than c ((y - k) / c + 1).
            let exponential = self.pool.unary(Unary::Exp, u);
            let c = self.pool.number(factor);
            let scaled = self.pool.binary(Binary::Mul, c, exponential);
            let scaled = simplify_node(self.pool, scaled);
            let offset = self.pool.number(factor - shift);
            let equal = self.pool.binary(Binary::Add, output, offset);
            parts.insert(0, (scaled, equal));
        }
        parts
    }

    /// What else is known where `inner` has the value `value`.
    fn relatives(&mut self, inner: Id, value: Id, parts: &mut Vec<(Id, Id)>) {
        let Node::Unary(op, u) = self.pool.node(inner) else { return };
        let one = self.pool.number(1.0);
        match op {
            Unary::Exp => {
                let less = self.pool.binary(Binary::Sub, value, one);
                parts.push((self.pool.unary(Unary::Expm1, u), less));
            }
            Unary::Expm1 => {
                let more = self.pool.binary(Binary::Add, value, one);
                parts.push((self.pool.unary(Unary::Exp, u), more));
            }
            Unary::Sigmoid => {
                let rest = self.pool.binary(Binary::Sub, one, value);
                let sigmoid = self.negative_sigmoid(u);
                parts.push((sigmoid, rest));
            }
            Unary::Softplus => {
                // sigmoid(u) = 1 - e^-y, without cancellation where y is small.
                let negative = self.pool.unary(Unary::Neg, value);
                let decay = self.pool.unary(Unary::Exp, negative);
                let sigmoid = self.negative_sigmoid(u);
                parts.push((sigmoid, decay));
                let less = self.pool.unary(Unary::Expm1, negative);
                let rest = self.pool.unary(Unary::Neg, less);
                parts.push((self.pool.unary(Unary::Sigmoid, u), rest));
            }
            Unary::Sqrt => {
                let two = self.pool.number(2.0);
                parts.push((u, self.pool.binary(Binary::Pow, value, two)));
            }
            _ => {}
        }
    }

    fn negative_sigmoid(&mut self, u: Id) -> Id {
        let negative = self.pool.unary(Unary::Neg, u);
        let sigmoid = self.pool.unary(Unary::Sigmoid, negative);
        simplify_node(self.pool, sigmoid)
    }

    /// Replaces parts, the outermost first.
    fn replace(&mut self, root: Id, parts: &[(Id, Id)]) -> Id {
        self.map(root, &mut |_, id| parts.iter().find(|(part, _)| *part == id).map(|(_, value)| *value))
    }

    /// Rebuilds `root`, nodes for which `replacement` gives one replaced and not looked into.
    fn map(&mut self, root: Id, replacement: &mut dyn FnMut(&Pool, Id) -> Option<Id>) -> Id {
        let mut done = vec![root; root.place() + 1];
        for id in self.pool.reachable(root) {
            let new = match replacement(self.pool, id) {
                Some(new) => new,
                None => {
                    let node = self.pool.node(id).map(|a| done.get(a.place()).copied().unwrap_or(a));
                    self.pool.intern(node)
                }
            };
            if let Some(entry) = done.get_mut(id.place()) {
                *entry = new;
            }
        }
        done.get(root.place()).copied().unwrap_or(root)
    }

    /// Rewrites where `function` is a select, each branch by itself.
    fn by_branch(&mut self, target: Id, function: Id, output: Id) -> Option<Id> {
        if self.known.len() >= NESTING {
            return None;
        }
        let (condition, then, otherwise) = self.as_select(function)?;
        let Node::Compare(relation, operand, bound_id) = self.pool.node(condition) else { return None };
        let bound = self.pool.number_of(bound_id)?;
        let opposite = opposite(relation)?;
        let holds = Fact { operand, relation, bound };
        let fails = Fact { operand, relation: opposite, bound };

        let then_part = self.under(holds, target, condition, true, |cx, target| {
            cx.proves(then, relation, bound, 0).then(|| cx.rewrite(target, then)).flatten()
        })?;
        let otherwise_part = self.under(fails, target, condition, false, |cx, target| {
            cx.proves(otherwise, opposite, bound, 0).then(|| cx.rewrite(target, otherwise)).flatten()
        })?;
        let on_output = self.pool.intern(Node::Compare(relation, output, bound_id));
        Some(self.pool.intern(Node::Select(on_output, then_part, otherwise_part)))
    }

    /// The condition and branches of a function that is a select, scaled or not, or an extreme of something and a
    /// number.
    fn as_select(&mut self, function: Id) -> Option<(Id, Id, Id)> {
        match self.pool.node(function) {
            Node::Select(condition, then, otherwise) => Some((condition, then, otherwise)),
            Node::Binary(op @ (Binary::Min | Binary::Max), a, b) => {
                self.pool.number_of(b)?;
                let relation = if op == Binary::Max { Relation::Gt } else { Relation::Lt };
                Some((self.pool.intern(Node::Compare(relation, a, b)), a, b))
            }
            Node::Binary(Binary::Mul, c, a) => {
                self.pool.number_of(c)?;
                let Node::Select(condition, then, otherwise) = self.pool.node(a) else { return None };
                let mut scale = |x| {
                    let scaled = self.pool.binary(Binary::Mul, c, x);
                    simplify_node(self.pool, scaled)
                };
                Some((condition, scale(then), scale(otherwise)))
            }
            _ => None,
        }
    }

    /// Goes on with what `target` is where a condition holds or fails.
    fn under(
        &mut self,
        fact: Fact,
        target: Id,
        condition: Id,
        holds: bool,
        go_on: impl FnOnce(&mut Self, Id) -> Option<Id>,
    ) -> Option<Id> {
        let truth = self.pool.intern(Node::Truth(holds));
        let target = self.map(target, &mut |_, id| (id == condition).then_some(truth));
        self.known.push(fact);
        let result = go_on(self, target);
        self.known.pop();
        result
    }

    /// Whether `x relation bound` holds wherever the known facts do, rounding included.
    fn proves(&self, x: Id, relation: Relation, bound: f64, depth: usize) -> bool {
        if depth > NESTING {
            return false;
        }
        if let Some(number) = self.pool.number_of(x) {
            return relation.holds(number, bound);
        }
        if self.known.iter().any(|fact| fact.operand == x && implies(*fact, relation, bound)) {
            return true;
        }
        let proves = |x, relation| self.proves(x, relation, bound, depth + 1);
        match self.pool.node(x) {
            Node::Select(_, a, b) => proves(a, relation) && proves(b, relation),
            // A product by less than 1 may vanish, which only `<=` and `>=` allow.
            Node::Binary(Binary::Mul, c, a) if bound == 0.0 => match self.pool.number_of(c) {
                Some(c) if c >= 1.0 || c > 0.0 && is_weak(relation) => proves(a, relation),
                Some(c) if c <= -1.0 || c < 0.0 && is_weak(relation) => proves(a, flipped(relation)),
                _ => false,
            },
            Node::Unary(Unary::Neg, a) if bound == 0.0 => proves(a, flipped(relation)),
            // They have the sign of their operand.
            Node::Unary(Unary::Expm1 | Unary::Tanh | Unary::Erf | Unary::Sign, a) if bound == 0.0 => {
                proves(a, relation)
            }
            Node::Unary(Unary::Exp | Unary::Sigmoid | Unary::Softplus | Unary::Sqrt | Unary::Abs, _) => {
                relation == Relation::Ge && bound <= 0.0 || relation == Relation::Gt && bound < 0.0
            }
            _ => false,
        }
    }
}

fn is_weak(relation: Relation) -> bool {
    matches!(relation, Relation::Le | Relation::Ge)
}

/// What holds where an ordering does not, NaN apart.
fn opposite(relation: Relation) -> Option<Relation> {
    match relation {
        Relation::Lt => Some(Relation::Ge),
        Relation::Le => Some(Relation::Gt),
        Relation::Gt => Some(Relation::Le),
        Relation::Ge => Some(Relation::Lt),
        Relation::Eq | Relation::Ne => None,
    }
}

/// The relation of the negatives.
fn flipped(relation: Relation) -> Relation {
    match relation {
        Relation::Lt => Relation::Gt,
        Relation::Le => Relation::Ge,
        Relation::Gt => Relation::Lt,
        Relation::Ge => Relation::Le,
        Relation::Eq | Relation::Ne => relation,
    }
}

/// Whether a fact about an operand makes `operand relation bound` hold.
fn implies(fact: Fact, relation: Relation, bound: f64) -> bool {
    match (fact.relation, relation) {
        (Relation::Gt, Relation::Gt | Relation::Ge) | (Relation::Ge, Relation::Ge) => fact.bound >= bound,
        (Relation::Ge, Relation::Gt) => fact.bound > bound,
        (Relation::Lt, Relation::Lt | Relation::Le) | (Relation::Le, Relation::Le) => fact.bound <= bound,
        (Relation::Le, Relation::Lt) => fact.bound < bound,
        _ => false,
    }
}
