//! Walks over formulas: comparing, hashing, copying, replacing, counting.
//!
//! A formula is read as a run of [`Token`]s, root before operands or after them, which says all there is to know of
//! it; the walks keep their own stack, so that depth costs memory and not the thread's stack.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::{Binary, Condition, Relation, Scalar, Unary, Variable};

/// A formula or a condition in one.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// A formula.
    Scalar(&'a Scalar),
    /// A condition.
    Condition(&'a Condition),
}

/// The root of a part, without its operands. The order is that of kinds, then operators, then operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Token {
    /// A number, by its bits.
    Number(u64),
    /// A variable.
    Variable(Variable),
    /// A function of one operand.
    Unary(Unary),
    /// A function of two operands.
    Binary(Binary),
    /// Operands: condition, then, otherwise.
    Select,
    /// A condition on two operands.
    Compare(Relation),
    /// Both conditions hold.
    And,
    /// One condition holds.
    Or,
    /// The condition does not hold.
    Not,
}

impl<'a> Part<'a> {
    /// The root.
    pub(super) fn token(self) -> Token {
        match self {
            Self::Scalar(Scalar::Number(value)) => Token::Number(value.to_bits()),
            Self::Scalar(Scalar::Variable(variable)) => Token::Variable(*variable),
            Self::Scalar(Scalar::Unary(op, _)) => Token::Unary(*op),
            Self::Scalar(Scalar::Binary(op, ..)) => Token::Binary(*op),
            Self::Scalar(Scalar::Select(..)) => Token::Select,
            Self::Condition(Condition::Compare(relation, ..)) => Token::Compare(*relation),
            Self::Condition(Condition::And(..)) => Token::And,
            Self::Condition(Condition::Or(..)) => Token::Or,
            Self::Condition(Condition::Not(_)) => Token::Not,
        }
    }

    /// The operands, from the left.
    pub(super) fn operands(self) -> impl DoubleEndedIterator<Item = Part<'a>> {
        let none = [None, None, None];
        let operands = match self {
            Self::Scalar(Scalar::Number(_) | Scalar::Variable(_)) => none,
            Self::Scalar(Scalar::Unary(_, x)) => [Some(Part::Scalar(x)), None, None],
            Self::Scalar(Scalar::Binary(_, a, b)) => [Some(Part::Scalar(a)), Some(Part::Scalar(b)), None],
            Self::Scalar(Scalar::Select(condition, a, b)) => {
                [Some(Part::Condition(condition)), Some(Part::Scalar(a)), Some(Part::Scalar(b))]
            }
            Self::Condition(Condition::Compare(_, a, b)) => {
                [Some(Part::Scalar(a)), Some(Part::Scalar(b)), None]
            }
            Self::Condition(Condition::And(a, b) | Condition::Or(a, b)) => {
                [Some(Part::Condition(a)), Some(Part::Condition(b)), None]
            }
            Self::Condition(Condition::Not(a)) => [Some(Part::Condition(a)), None, None],
        };
        operands.into_iter().flatten()
    }
}

/// Tokens, root before operands, from the left.
pub(super) fn preorder(part: Part<'_>) -> impl Iterator<Item = Token> {
    let mut open = vec![part];
    std::iter::from_fn(move || {
        let part = open.pop()?;
        open.extend(part.operands().rev());
        Some(part.token())
    })
}

/// Tokens, operands before root, from the left.
pub(super) fn postorder(part: Part<'_>) -> Vec<Token> {
    let mut open = vec![part];
    let mut tokens = Vec::new();
    while let Some(part) = open.pop() {
        tokens.push(part.token());
        open.extend(part.operands());
    }
    tokens.reverse();
    tokens
}

/// Puts a formula together again from its tokens in postorder.
#[derive(Default)]
pub(super) struct Assembler {
    scalars: Vec<Scalar>,
    conditions: Vec<Condition>,
}

impl Assembler {
    /// Takes the next token; its operands are there already.
    pub(super) fn take(&mut self, token: Token) {
        match token {
            Token::Number(bits) => self.scalars.push(Scalar::Number(f64::from_bits(bits))),
            Token::Variable(variable) => self.scalars.push(Scalar::Variable(variable)),
            Token::Unary(op) => {
                let x = self.scalar();
                self.scalars.push(Scalar::unary(op, x));
            }
            Token::Binary(op) => {
                let (b, a) = (self.scalar(), self.scalar());
                self.scalars.push(Scalar::binary(op, a, b));
            }
            Token::Select => {
                let (b, a, condition) = (self.scalar(), self.scalar(), self.condition());
                self.scalars.push(Scalar::Select(Box::new(condition), Box::new(a), Box::new(b)));
            }
            Token::Compare(relation) => {
                let (b, a) = (self.scalar(), self.scalar());
                self.conditions.push(Condition::Compare(relation, a, b));
            }
            Token::And => {
                let (b, a) = (self.condition(), self.condition());
                self.conditions.push(Condition::And(Box::new(a), Box::new(b)));
            }
            Token::Or => {
                let (b, a) = (self.condition(), self.condition());
                self.conditions.push(Condition::Or(Box::new(a), Box::new(b)));
            }
            Token::Not => {
                let a = self.condition();
                self.conditions.push(Condition::Not(Box::new(a)));
            }
        }
    }

    /// Takes a whole formula where a token would make one.
    pub(super) fn take_scalar(&mut self, scalar: Scalar) {
        self.scalars.push(scalar);
    }

    /// The formula that was completed last.
    pub(super) fn scalar(&mut self) -> Scalar {
        // Tokens of a whole formula never run short of operands.
        self.scalars.pop().unwrap_or(Scalar::Number(f64::NAN))
    }

    /// The condition that was completed last.
    pub(super) fn condition(&mut self) -> Condition {
        self.conditions.pop().unwrap_or(Condition::Compare(
            Relation::Lt,
            Scalar::Number(0.0),
            Scalar::Number(0.0),
        ))
    }
}

fn rebuild(part: Part<'_>, replace: &mut dyn FnMut(Variable) -> Option<Scalar>) -> Assembler {
    let mut assembler = Assembler::default();
    for token in postorder(part) {
        match token {
            Token::Variable(variable) => match replace(variable) {
                Some(scalar) => assembler.take_scalar(scalar),
                None => assembler.take(token),
            },
            _ => assembler.take(token),
        }
    }
    assembler
}

fn each_variable(part: Part<'_>, visit: &mut dyn FnMut(Variable)) {
    for token in preorder(part) {
        if let Token::Variable(variable) = token {
            visit(variable);
        }
    }
}

impl Scalar {
    /// Replaces every variable for which `replace` gives a scalar.
    pub fn substitute(&self, replace: &mut dyn FnMut(Variable) -> Option<Scalar>) -> Scalar {
        rebuild(Part::Scalar(self), replace).scalar()
    }

    /// Calls `visit` with every variable, in order of appearance, repeats included.
    pub fn variables(&self, visit: &mut dyn FnMut(Variable)) {
        each_variable(Part::Scalar(self), visit);
    }

    /// Whether it depends on `variable`.
    pub fn depends_on(&self, variable: Variable) -> bool {
        preorder(Part::Scalar(self)).any(|token| token == Token::Variable(variable))
    }

    /// Number of operations, as written.
    pub fn size(&self) -> usize {
        preorder(Part::Scalar(self))
            .filter(|token| !matches!(token, Token::Number(_) | Token::Variable(_)))
            .count()
    }

    /// Levels of operations, as written: 0 for a number or a variable.
    pub fn depth(&self) -> usize {
        let mut deepest = 0;
        let mut open = vec![(Part::Scalar(self), 0)];
        while let Some((part, depth)) = open.pop() {
            deepest = deepest.max(depth);
            open.extend(part.operands().map(|operand| (operand, depth + 1)));
        }
        deepest
    }
}

impl Condition {
    /// Replaces every variable for which `replace` gives a scalar.
    pub fn substitute(&self, replace: &mut dyn FnMut(Variable) -> Option<Scalar>) -> Condition {
        rebuild(Part::Condition(self), replace).condition()
    }

    /// Calls `visit` with every variable, in order of appearance.
    pub fn variables(&self, visit: &mut dyn FnMut(Variable)) {
        each_variable(Part::Condition(self), visit);
    }
}

/// What is the same for formulas and conditions.
macro_rules! by_structure {
    ($($name:ident $finish:ident),*) => {$(
        impl Clone for $name {
            fn clone(&self) -> Self {
                rebuild(Part::$name(self), &mut |_| None).$finish()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                preorder(Part::$name(self)).eq(preorder(Part::$name(other)))
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                preorder(Part::$name(self)).for_each(|token| token.hash(state));
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                preorder(Part::$name(self)).cmp(preorder(Part::$name(other)))
            }
        }
    )*};
}

by_structure!(Scalar scalar, Condition condition);
