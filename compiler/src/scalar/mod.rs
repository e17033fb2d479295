//! Scalar expressions: what activations, losses, optimizers and initializers are made of.
//!
//! A [`Scalar`] is a pure formula over [`Variable`]s. The language's definitions are lowered to scalars by `resolve`;
//! everything that is known about an activation or an optimizer is in its scalar. This module
//! - simplifies them ([`simplify()`]), also by what is known of a saved output ([`in_terms_of_output`]),
//! - differentiates them symbolically ([`differentiate()`]), with PyTorch's values at kinks,
//! - evaluates them in f64 ([`evaluate()`]), and
//! - prints them as formulas ([`formula`]).
//!
//! Scalars are compared, ordered and hashed by structure, with numbers by their bits.

mod differentiate;
mod evaluate;
mod print;
mod simplify;

pub use differentiate::differentiate;
pub use evaluate::evaluate;
pub use print::formula;
pub use simplify::{in_terms_of_output, simplify};

/// What a scalar depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// Operand number `n` of a pointwise node.
    Input(u32),
    /// The saved result of the pointwise function that is being differentiated.
    Output,
    /// Position along the last axis, from 0 (in `one_hot`).
    Index,
    /// The parameter that an optimizer updates.
    Weight,
    /// Its gradient.
    Gradient,
    /// State number `n` of an optimizer.
    State(u32),
    /// A local value of an optimizer, number `n` in order of assignment.
    Local(u32),
    /// Hyper-parameter number `n` that can change while training runs (the learning rate).
    Hyper(u32),
    /// The number of the step, from 1.
    Step,
    /// Inputs that reach one unit.
    FanIn,
    /// Units that one input reaches.
    FanOut,
    /// Draw number `n` from the uniform distribution on [0, 1).
    RandomUniform(u32),
    /// Draw number `n` from the standard normal distribution.
    RandomNormal(u32),
}

/// A formula.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// A number.
    Number(f64),
    /// A variable.
    Variable(Variable),
    /// A function of one argument.
    Unary(Unary, Box<Scalar>),
    /// A function of two arguments.
    Binary(Binary, Box<Scalar>, Box<Scalar>),
    /// `if condition { then } else { otherwise }`
    Select(Box<Condition>, Box<Scalar>, Box<Scalar>),
}

/// A function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unary {
    /// -x
    Neg,
    /// e^x
    Exp,
    /// e^x - 1, accurate near 0
    Expm1,
    /// natural logarithm
    Log,
    /// log(1 + x), accurate near 0
    Log1p,
    /// square root
    Sqrt,
    /// hyperbolic tangent
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// log(1 + e^x), stable
    Softplus,
    /// error function
    Erf,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// absolute value
    Abs,
    /// -1, 0 or 1
    Sign,
    /// largest whole number not above x
    Floor,
}

/// A function of two arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// a ^ b
    Pow,
    /// the smaller
    Min,
    /// the larger
    Max,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// A comparison.
    Compare(Relation, Scalar, Scalar),
    /// Both hold.
    And(Box<Condition>, Box<Condition>),
    /// At least one holds.
    Or(Box<Condition>, Box<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

/// A relation between two numbers; all but `Ne` are false where one is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// <
    Lt,
    /// <=
    Le,
    /// >
    Gt,
    /// >=
    Ge,
    /// ==
    Eq,
    /// !=
    Ne,
}

impl Unary {
    /// The functions that can be called by name in the language, with their names.
    pub const NAMED: &'static [(&'static str, Unary)] = &[
        ("exp", Unary::Exp),
        ("expm1", Unary::Expm1),
        ("log", Unary::Log),
        ("log1p", Unary::Log1p),
        ("sqrt", Unary::Sqrt),
        ("tanh", Unary::Tanh),
        ("sigmoid", Unary::Sigmoid),
        ("erf", Unary::Erf),
        ("sin", Unary::Sin),
        ("cos", Unary::Cos),
        ("abs", Unary::Abs),
        ("sign", Unary::Sign),
        ("floor", Unary::Floor),
    ];
}

/// What a scalar looks like from outside, for comparing.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key<'a> {
    Number(u64),
    Variable(Variable),
    Unary(Unary, &'a Scalar),
    Binary(Binary, &'a Scalar, &'a Scalar),
    Select(&'a Condition, &'a Scalar, &'a Scalar),
}

impl Scalar {
    fn key(&self) -> Key<'_> {
        match self {
            Self::Number(value) => Key::Number(value.to_bits()),
            Self::Variable(variable) => Key::Variable(*variable),
            Self::Unary(op, x) => Key::Unary(*op, x),
            Self::Binary(op, a, b) => Key::Binary(*op, a, b),
            Self::Select(condition, a, b) => Key::Select(condition, a, b),
        }
    }

    /// Operand `n` of a pointwise node.
    pub fn input(n: u32) -> Self {
        Self::Variable(Variable::Input(n))
    }

    /// `op(x)`
    pub fn unary(op: Unary, x: Scalar) -> Self {
        Self::Unary(op, Box::new(x))
    }

    /// `a op b`
    pub fn binary(op: Binary, a: Scalar, b: Scalar) -> Self {
        Self::Binary(op, Box::new(a), Box::new(b))
    }

    /// `if a relation b { then } else { otherwise }`
    pub fn select(relation: Relation, a: Scalar, b: Scalar, then: Scalar, otherwise: Scalar) -> Self {
        Self::Select(Box::new(Condition::Compare(relation, a, b)), Box::new(then), Box::new(otherwise))
    }

    /// Whether it is this number.
    pub fn is(&self, value: f64) -> bool {
        matches!(self, Self::Number(number) if *number == value)
    }

    /// Replaces every variable for which `replace` gives a scalar.
    pub fn substitute(&self, replace: &mut dyn FnMut(Variable) -> Option<Scalar>) -> Scalar {
        match self {
            Self::Number(_) => self.clone(),
            Self::Variable(variable) => replace(*variable).unwrap_or_else(|| self.clone()),
            Self::Unary(op, x) => Self::unary(*op, x.substitute(replace)),
            Self::Binary(op, a, b) => Self::binary(*op, a.substitute(replace), b.substitute(replace)),
            Self::Select(condition, a, b) => Self::Select(
                Box::new(condition.substitute(replace)),
                Box::new(a.substitute(replace)),
                Box::new(b.substitute(replace)),
            ),
        }
    }

    /// Calls `visit` with every variable, in order of appearance, repeats included.
    pub fn variables(&self, visit: &mut dyn FnMut(Variable)) {
        match self {
            Self::Number(_) => {}
            Self::Variable(variable) => visit(*variable),
            Self::Unary(_, x) => x.variables(visit),
            Self::Binary(_, a, b) => {
                a.variables(visit);
                b.variables(visit);
            }
            Self::Select(condition, a, b) => {
                condition.variables(visit);
                a.variables(visit);
                b.variables(visit);
            }
        }
    }

    /// Whether it depends on `variable`.
    pub fn depends_on(&self, variable: Variable) -> bool {
        let mut found = false;
        self.variables(&mut |v| found |= v == variable);
        found
    }

    /// Number of operations, as written.
    pub fn size(&self) -> usize {
        match self {
            Self::Number(_) | Self::Variable(_) => 0,
            Self::Unary(_, x) => 1 + x.size(),
            Self::Binary(_, a, b) => 1 + a.size() + b.size(),
            Self::Select(condition, a, b) => 1 + condition.size() + a.size() + b.size(),
        }
    }
}

impl Condition {
    /// Replaces every variable for which `replace` gives a scalar.
    pub fn substitute(&self, replace: &mut dyn FnMut(Variable) -> Option<Scalar>) -> Condition {
        match self {
            Self::Compare(relation, a, b) => Self::Compare(*relation, a.substitute(replace), b.substitute(replace)),
            Self::And(a, b) => Self::And(Box::new(a.substitute(replace)), Box::new(b.substitute(replace))),
            Self::Or(a, b) => Self::Or(Box::new(a.substitute(replace)), Box::new(b.substitute(replace))),
            Self::Not(a) => Self::Not(Box::new(a.substitute(replace))),
        }
    }

    /// Calls `visit` with every variable, in order of appearance.
    pub fn variables(&self, visit: &mut dyn FnMut(Variable)) {
        match self {
            Self::Compare(_, a, b) => {
                a.variables(visit);
                b.variables(visit);
            }
            Self::And(a, b) | Self::Or(a, b) => {
                a.variables(visit);
                b.variables(visit);
            }
            Self::Not(a) => a.variables(visit),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Compare(_, a, b) => 1 + a.size() + b.size(),
            Self::And(a, b) | Self::Or(a, b) => 1 + a.size() + b.size(),
            Self::Not(a) => 1 + a.size(),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
