//! Formulas with equal parts shared, the form in which they are rewritten.
//!
//! Each node is held once and named by an [`Id`]; operands have smaller ids than what is made of them, so walking
//! ids upwards meets operands first and needs no recursion. Equality is equality of ids.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::walk::{Assembler, Part, Token, postorder};
use super::{Binary, Relation, Scalar, Unary, Variable};

/// A node of a [`Pool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(u32);

impl Id {
    /// Its place in tables that hold an entry for each node.
    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// A formula or condition over nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Node {
    /// A number, by its bits.
    Number(u64),
    /// A variable.
    Variable(Variable),
    /// A function of one operand.
    Unary(Unary, Id),
    /// A function of two operands.
    Binary(Binary, Id, Id),
    /// Condition, then, otherwise.
    Select(Id, Id, Id),
    /// A condition that is known. It stays inside the pool.
    Truth(bool),
    /// A comparison.
    Compare(Relation, Id, Id),
    /// Both hold.
    And(Id, Id),
    /// One holds.
    Or(Id, Id),
    /// It does not hold.
    Not(Id),
}

impl Node {
    /// The operands, from the left.
    pub(super) fn operands(self) -> impl DoubleEndedIterator<Item = Id> {
        let operands = match self {
            Self::Number(_) | Self::Variable(_) | Self::Truth(_) => [None, None, None],
            Self::Unary(_, a) | Self::Not(a) => [Some(a), None, None],
            Self::Binary(_, a, b) | Self::Compare(_, a, b) | Self::And(a, b) | Self::Or(a, b) => {
                [Some(a), Some(b), None]
            }
            Self::Select(condition, a, b) => [Some(condition), Some(a), Some(b)],
        };
        operands.into_iter().flatten()
    }

    /// The same node over other operands.
    pub(super) fn map(self, mut operand: impl FnMut(Id) -> Id) -> Node {
        match self {
            Self::Number(_) | Self::Variable(_) | Self::Truth(_) => self,
            Self::Unary(op, a) => Self::Unary(op, operand(a)),
            Self::Binary(op, a, b) => Self::Binary(op, operand(a), operand(b)),
            Self::Select(condition, a, b) => Self::Select(operand(condition), operand(a), operand(b)),
            Self::Compare(relation, a, b) => Self::Compare(relation, operand(a), operand(b)),
            Self::And(a, b) => Self::And(operand(a), operand(b)),
            Self::Or(a, b) => Self::Or(operand(a), operand(b)),
            Self::Not(a) => Self::Not(operand(a)),
        }
    }
}

/// What is known of a node.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// Operations as written, shared ones each time.
    size: u64,
    /// Whether a variable is in it.
    varies: bool,
    /// Whether a part without a variable has no finite value, so that algebra over finite numbers stops at it.
    undefined: bool,
}

/// Nodes, each of them once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    nodes: Vec<(Node, Facts)>,
    ids: HashMap<Node, Id>,
}

impl Pool {
    /// The node behind an id.
    pub(super) fn node(&self, id: Id) -> Node {
        // An id is always one of its own pool's.
        self.nodes.get(id.place()).map_or(Node::Number(0), |(node, _)| *node)
    }

    fn facts(&self, id: Id) -> Facts {
        let none = Facts { size: 0, varies: false, undefined: false };
        self.nodes.get(id.place()).map_or(none, |(_, facts)| *facts)
    }

    /// Operations as written, shared ones each time.
    pub(super) fn size(&self, id: Id) -> u64 {
        self.facts(id).size
    }

    /// Whether a variable is in it.
    pub(super) fn varies(&self, id: Id) -> bool {
        self.facts(id).varies
    }

    /// Whether a part without a variable has no finite value.
    pub(super) fn undefined(&self, id: Id) -> bool {
        self.facts(id).undefined
    }

    /// The number it is.
    pub(super) fn number_of(&self, id: Id) -> Option<f64> {
        match self.node(id) {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// Whether it is this number.
    pub(super) fn is(&self, id: Id, value: f64) -> bool {
        self.number_of(id) == Some(value)
    }

    /// The node, new or found.
    pub(super) fn intern(&mut self, node: Node) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let mut facts = Facts { size: 0, varies: false, undefined: false };
        let mut has_operands = false;
        for operand in node.operands() {
            let of = self.facts(operand);
            facts.size = facts.size.saturating_add(of.size);
            facts.varies |= of.varies;
            facts.undefined |= of.undefined;
            has_operands = true;
        }
        match node {
            Node::Number(bits) => facts.undefined = !f64::from_bits(bits).is_finite(),
            Node::Variable(_) => facts.varies = true,
            // What could be folded was; what is left without a variable has no finite value.
            Node::Unary(..) | Node::Binary(..) => facts.undefined |= !facts.varies,
            _ => {}
        }
        facts.size = facts.size.saturating_add(u64::from(has_operands));
        let id = Id(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push((node, facts));
        self.ids.insert(node, id);
        id
    }

    /// A number; zero has no sign here.
    pub(super) fn number(&mut self, value: f64) -> Id {
        let value = if value == 0.0 { 0.0 } else { value };
        self.intern(Node::Number(value.to_bits()))
    }

    /// `op(a)`, as it is.
    pub(super) fn unary(&mut self, op: Unary, a: Id) -> Id {
        self.intern(Node::Unary(op, a))
    }

    /// `a op b`, as it is.
    pub(super) fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        self.intern(Node::Binary(op, a, b))
    }

    /// A formula as it is.
    pub(super) fn import(&mut self, scalar: &Scalar) -> Id {
        let mut stack: Vec<Id> = Vec::new();
        for token in postorder(Part::Scalar(scalar)) {
            let arity = match token {
                Token::Number(_) | Token::Variable(_) => 0,
                Token::Unary(_) | Token::Not => 1,
                Token::Binary(_) | Token::Compare(_) | Token::And | Token::Or => 2,
                Token::Select => 3,
            };
            let operands = stack.split_off(stack.len().saturating_sub(arity));
            let node = match (token, operands.as_slice()) {
                (Token::Number(bits), _) => Node::Number(bits),
                (Token::Variable(variable), _) => Node::Variable(variable),
                (Token::Unary(op), &[a]) => Node::Unary(op, a),
                (Token::Binary(op), &[a, b]) => Node::Binary(op, a, b),
                (Token::Select, &[condition, a, b]) => Node::Select(condition, a, b),
                (Token::Compare(relation), &[a, b]) => Node::Compare(relation, a, b),
                (Token::And, &[a, b]) => Node::And(a, b),
                (Token::Or, &[a, b]) => Node::Or(a, b),
                (Token::Not, &[a]) => Node::Not(a),
                // Tokens of a whole formula never run short of operands.
                _ => Node::Number(f64::NAN.to_bits()),
            };
            let id = self.intern(node);
            stack.push(id);
        }
        stack.pop().unwrap_or_else(|| self.number(f64::NAN))
    }

    /// The formula of a node, with what is shared written out.
    pub(super) fn export(&self, root: Id) -> Scalar {
        let mut open = vec![root];
        let mut nodes = Vec::new();
        while let Some(id) = open.pop() {
            let node = self.node(id);
            nodes.push(node);
            open.extend(node.operands());
        }
        let mut assembler = Assembler::default();
        for node in nodes.into_iter().rev() {
            match node {
                Node::Number(bits) => assembler.take(Token::Number(bits)),
                Node::Variable(variable) => assembler.take(Token::Variable(variable)),
                Node::Unary(op, _) => assembler.take(Token::Unary(op)),
                Node::Binary(op, ..) => assembler.take(Token::Binary(op)),
                Node::Select(..) => assembler.take(Token::Select),
                Node::Compare(relation, ..) => assembler.take(Token::Compare(relation)),
                Node::And(..) => assembler.take(Token::And),
                Node::Or(..) => assembler.take(Token::Or),
                Node::Not(_) => assembler.take(Token::Not),
                // Rewrites leave no known condition behind; if one did, it is written as a comparison.
                Node::Truth(holds) => {
                    assembler.take(Token::Number(0));
                    assembler.take(Token::Number(0));
                    assembler.take(Token::Compare(if holds { Relation::Eq } else { Relation::Ne }));
                }
            }
        }
        assembler.scalar()
    }

    /// The nodes that `root` is made of, operands first, itself last.
    pub(super) fn reachable(&self, root: Id) -> Vec<Id> {
        let mut reached = vec![false; root.place() + 1];
        if let Some(last) = reached.last_mut() {
            *last = true;
        }
        let mut ids = Vec::new();
        for place in (0..=root.0).rev() {
            if reached.get(place as usize) != Some(&true) {
                continue;
            }
            ids.push(Id(place));
            for operand in self.node(Id(place)).operands() {
                if let Some(mark) = reached.get_mut(operand.place()) {
                    *mark = true;
                }
            }
        }
        ids.reverse();
        ids
    }

    /// The order in which terms and factors are written: small before large, then by structure. It does not depend
    /// on the order in which nodes came into the pool.
    pub(super) fn compare(&self, mut a: Id, mut b: Id) -> Ordering {
        loop {
            if a == b {
                return Ordering::Equal;
            }
            let (node_a, node_b) = (self.node(a), self.node(b));
            let by_root =
                self.size(a).cmp(&self.size(b)).then_with(|| token_of(node_a).cmp(&token_of(node_b)));
            if by_root != Ordering::Equal {
                return by_root;
            }
            // Unequal nodes with equal roots have a first operand that differs.
            match node_a.operands().zip(node_b.operands()).find(|(a, b)| a != b) {
                Some(operands) => (a, b) = operands,
                None => return Ordering::Equal,
            }
        }
    }
}

fn token_of(node: Node) -> Token {
    match node {
        Node::Number(bits) => Token::Number(bits),
        Node::Variable(variable) => Token::Variable(variable),
        Node::Unary(op, _) => Token::Unary(op),
        Node::Binary(op, ..) => Token::Binary(op),
        Node::Select(..) => Token::Select,
        Node::Compare(relation, ..) => Token::Compare(relation),
        Node::And(..) => Token::And,
        Node::Or(..) => Token::Or,
        Node::Not(_) => Token::Not,
        Node::Truth(holds) => Token::Number(u64::from(holds)),
    }
}
