//! Scalar expressions: what activations, losses, optimizers and initializers are made of.
//!
//! A [`Scalar`] is a pure formula over [`Variable`]s. The language's definitions are lowered to scalars by `resolve`;
//! everything that is known about an activation or an optimizer is in its scalar. This module
//! - simplifies them ([`simplify()`]), also by what is known of a saved output ([`in_terms_of_output`]),
//! - differentiates them symbolically ([`differentiate()`]), with PyTorch's values at kinks,
//! - evaluates them in f64 ([`evaluate()`]),
//! - estimates what they cost ([`cost()`]), and
//! - prints them as formulas ([`formula`]).
//!
//! Scalars are compared, ordered and hashed by structure, with numbers by their bits.
//!
//! Nothing here recurses over a formula, so that no depth overflows the stack; except that dropping a tree of boxes
//! does, which about [`DEPTH_LIMIT`] levels are safe for. Whoever makes scalars from texts keeps to it.

mod cost;
mod differentiate;
mod evaluate;
mod output;
mod pool;
mod print;
mod simplify;
mod walk;

#[cfg(test)]
mod tests;

pub use cost::cost;
pub use differentiate::differentiate;
pub use evaluate::evaluate;
pub use output::in_terms_of_output;
pub use print::formula;
pub use simplify::simplify;

/// How many levels a scalar may have; see [`Scalar::depth`].
pub const DEPTH_LIMIT: usize = 4096;

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
    /// Steps in an epoch.
    StepsPerEpoch,
    /// Epochs of the whole training.
    Epochs,
    /// State number `n` of the schedules.
    ScheduleState(u32),
    /// The loss of an epoch, for schedules that look at it.
    EpochLoss,
    /// What gradients are multiplied by so that all together have no more than the largest norm.
    ClipScale,
    /// Inputs that reach one unit.
    FanIn,
    /// Units that one input reaches.
    FanOut,
    /// What the activation that comes next asks of the size of weights.
    Gain,
    /// Draw number `n` from the uniform distribution on [0, 1).
    RandomUniform(u32),
    /// Draw number `n` from the standard normal distribution.
    RandomNormal(u32),
    /// Draw number `n` from the standard normal distribution within [-2, 2].
    RandomTruncated(u32),
    /// Element of random matrix number `n`, whose rows or columns are orthonormal.
    RandomOrthogonal(u32),
}

impl Variable {
    /// The number of a random draw: those of one kind, and all but the uniform ones together, are counted from 0.
    pub fn draw(self) -> Option<u32> {
        match self {
            Self::RandomUniform(draw)
            | Self::RandomNormal(draw)
            | Self::RandomTruncated(draw)
            | Self::RandomOrthogonal(draw) => Some(draw),
            _ => None,
        }
    }
}

/// A formula.
#[derive(Debug)]
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
#[derive(Debug)]
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

impl Scalar {
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
}
