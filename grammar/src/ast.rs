//! The syntax tree: what was written, with spans, and nothing about what it means.
//!
//! The tree knows no operator, no activation and no shape: a layer is a [`Call`], and the compiler gives it meaning.
//! Names keep their spans so that every later message can point at them.

use crate::span::Span;

/// One parsed file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ast {
    /// Items in source order.
    pub items: Vec<Item>,
    /// Comments that are not docs, in source order; the formatter puts them back.
    pub comments: Vec<Comment>,
}

/// A `//` comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// The text after `//`, without the line end.
    pub text: String,
    /// The whole comment.
    pub span: Span,
}

/// A name as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// The lines of a `///` comment, without the slashes and one leading space.
pub type Docs = Vec<String>;

/// A top-level definition.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `model Iris { … }`
    Model(Model),
    /// `block basic(channels) { … }`
    Block(Block),
    /// `cell lstm(hidden) { … }`
    Cell(Block),
    /// `activation swish(x, beta = 1) = …`
    Activation(Function),
    /// `loss mse(output, target) = …`
    Loss(Function),
    /// `init he = …`
    Init(Function),
    /// `schedule cosine(…) = …`
    Schedule(Function),
    /// `schedule plateau(lr) { state scale = 1  …  rate = lr * scale }`
    ScheduleRule(Optimizer),
    /// `optimizer momentum(lr, beta = 0.9) { … }`
    Optimizer(Optimizer),
    /// `import Digits from "digits.nn" weights "digits.safetensors"`
    Import(Import),
    /// `use "my.nn"`
    Use(Use),
    /// `allow W0105, W0108`
    Allow(Allow),
    /// `data { … }`
    Data(Section),
    /// `train { … }`
    Train(Section),
}

/// `model Name(parameters) { statements }`
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Doc comment.
    pub docs: Docs,
    /// `pub` or `pub(crate)` before `model`, meaningful in `network!` only; the span of the written visibility.
    pub visibility: Option<Span>,
    /// The model's name.
    pub name: Ident,
    /// Compile-time parameters.
    pub parameters: Vec<Parameter>,
    /// The body.
    pub body: Body,
    /// The whole item.
    pub span: Span,
}

/// `block name(parameters) { statements }`; also a cell, whose body may hold `state`, assignments and `output`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Doc comment.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Compile-time parameters.
    pub parameters: Vec<Parameter>,
    /// The body.
    pub body: Body,
    /// The whole item.
    pub span: Span,
}

/// `{ statements }`
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Statements in source order.
    pub statements: Vec<Statement>,
    /// With the braces.
    pub span: Span,
}

/// A declared parameter: `name`, `name = default` or `name: kind = default`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name.
    pub name: Ident,
    /// The kind after a colon, e.g. `target: class`.
    pub kind: Option<Ident>,
    /// The default.
    pub default: Option<Expr>,
    /// The whole parameter.
    pub span: Span,
}

/// `keyword name(parameters) = body`: an activation, a loss, an initializer or a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Doc comment.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Parameters; none when the parentheses are left out.
    pub parameters: Vec<Parameter>,
    /// The expression.
    pub body: Expr,
    /// The whole item.
    pub span: Span,
}

/// `optimizer name(parameters) { state …  name = expression … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    /// Doc comment.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Hyper-parameters.
    pub parameters: Vec<Parameter>,
    /// `state name = initial value`, in source order.
    pub states: Vec<State>,
    /// `let name = …` and `name = …`, in source order.
    pub assignments: Vec<Assignment>,
    /// The whole item.
    pub span: Span,
}

/// One state of an optimizer or cell: `velocity = 0`, `h: [hidden] = 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The name.
    pub name: Ident,
    /// The shape, in cells.
    pub shape: Option<Expr>,
    /// The initial value.
    pub initial: Option<Expr>,
    /// The whole declaration.
    pub span: Span,
}

/// `name = expression` or `let name = expression`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Whether `let` introduces the name.
    pub is_let: bool,
    /// What is assigned.
    pub name: Ident,
    /// The value.
    pub value: Expr,
    /// The whole statement.
    pub span: Span,
}

/// `import Name from "path" weights "path"`
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The model's name.
    pub name: Ident,
    /// The file that defines it.
    pub path: Text,
    /// The file with its weights.
    pub weights: Option<Text>,
    /// The whole item.
    pub span: Span,
}

/// `use "path"`
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The file whose definitions are used.
    pub path: Text,
    /// The whole item.
    pub span: Span,
}

/// `allow W0105, W0108`
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// The codes of warnings that are not given about this file.
    pub codes: Vec<Ident>,
    /// The whole item.
    pub span: Span,
}

/// A string as written, without quotes and with its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub value: String,
    /// With the quotes.
    pub span: Span,
}

/// `data { … }` or `train { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Doc comment.
    pub docs: Docs,
    /// Settings in source order.
    pub settings: Vec<Setting>,
    /// The whole section.
    pub span: Span,
}

/// `key value`, one value each: `epochs 60`, `csv "iris.csv"`, `early_stopping(patience = 5)` is written
/// `stop early_stopping(patience = 5)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key.
    pub key: Ident,
    /// The value.
    pub value: Expr,
    /// Key and value.
    pub span: Span,
}

/// A statement in the body of a model, block or cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `input name: [shape]` or `input [shape]`
    Input(Input),
    /// `let name = chain` or `let [a, b] = chain`
    Let(Let),
    /// A chain that continues the running value, or starts from a named one.
    Chain(Chain),
    /// `loss call`
    Loss(Call),
    /// `optimizer call`
    Optimizer(Call),
    /// `metrics name, name`
    Metrics(Metrics),
    /// `output h`, `output position, kind`
    Output(Output),
    /// `state h: [hidden] = 0, c: [hidden] = 0`, in cells
    State(Vec<State>),
    /// `c = expression`, in cells
    Assignment(Assignment),
}

/// `input name: [shape]`
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The name, if it has one.
    pub name: Option<Ident>,
    /// The shape, without the batch: a list.
    pub shape: Expr,
    /// The whole statement.
    pub span: Span,
}

/// `let name = chain`
#[derive(Debug, Clone, PartialEq)]
pub struct Let {
    /// One name, or several in brackets.
    pub names: Vec<Ident>,
    /// Whether the names stood in brackets.
    pub is_list: bool,
    /// The value.
    pub chain: Chain,
    /// The whole statement.
    pub span: Span,
}

/// `metrics accuracy, mae`
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// The metrics.
    pub names: Vec<Ident>,
    /// The whole statement.
    pub span: Span,
}

/// `output position, kind`
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The values, by name.
    pub names: Vec<Ident>,
    /// The whole statement.
    pub span: Span,
}

/// `stage -> stage -> …`
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// At least one stage.
    pub stages: Vec<Stage>,
    /// The whole chain.
    pub span: Span,
}

/// One stage of a chain, with the label that names its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// `hidden` in `hidden: dense(16)`.
    pub label: Option<Ident>,
    /// What the stage is.
    pub kind: StageKind,
    /// With the label.
    pub span: Span,
}

/// What a stage is.
#[derive(Debug, Clone, PartialEq)]
pub enum StageKind {
    /// A layer, activation, block, or the name of a value: `dense(16)`, `relu`, `main`.
    Call(Call),
    /// `repeat 3 { … }`
    Repeat(Expr, Body),
    /// `residual { … }`
    Residual(Body),
    /// `frozen { … }`
    Frozen(Body),
    /// `recompute { … }`
    Recompute(Body),
    /// `branch { … } { … }`
    Branch(Vec<Body>),
}

/// `name` or `name(arguments)`
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub name: Ident,
    /// Arguments in source order.
    pub arguments: Vec<Argument>,
    /// Whether parentheses were written.
    pub has_parens: bool,
    /// The whole call.
    pub span: Span,
}

/// `value`, `name = value` or `name = value for *.bias`
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The name, if it is given by name.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
    /// The parameters of the model that it is for, if not for all.
    pub scope: Option<Pattern>,
    /// The whole argument.
    pub span: Span,
}

/// Which parameters of a model are meant: `*.bias`, `head.*`, `tower.dense.weight`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Names between the dots; `*` for any.
    pub segments: Vec<String>,
    /// The whole pattern.
    pub span: Span,
}

impl Pattern {
    /// Whether it means the parameter of this name. A `*` at either end stands for one segment or more.
    pub fn matches(&self, name: &str) -> bool {
        let names: Vec<&str> = name.split('.').collect();
        let (mut pattern, mut names) = (self.segments.as_slice(), names.as_slice());
        if let [first, rest @ ..] = pattern
            && first == "*"
            && !rest.is_empty()
        {
            let Some(tail) = names.len().checked_sub(rest.len()).filter(|skipped| *skipped > 0) else {
                return false;
            };
            pattern = rest;
            names = names.get(tail..).unwrap_or_default();
        } else if let [rest @ .., last] = pattern
            && last == "*"
        {
            if names.len() <= rest.len() {
                return false;
            }
            pattern = rest;
            names = names.get(..rest.len()).unwrap_or_default();
        }
        pattern.len() == names.len()
            && pattern.iter().zip(names).all(|(part, name)| part == "*" || part == name)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.segments.join("."))
    }
}

/// An expression with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `0.01`, `1e-3`, `16`; `text` is the number as written.
    Number {
        /// Its value.
        value: f64,
        /// As it was written.
        text: String,
    },
    /// `"iris.csv"`
    Text(String),
    /// `true` or `false`
    Bool(bool),
    /// `beta`
    Name(String),
    /// `[28, 28]`
    List(Vec<Expr>),
    /// `f(x, beta = 2)`
    Call(Call),
    /// `-x`, `!c`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`, `a < b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`
    If {
        /// The condition.
        condition: Box<Expr>,
        /// The value where it holds.
        then: Box<Expr>,
        /// The value where it does not.
        otherwise: Box<Expr>,
    },
    /// Written wrongly; a diagnostic was given, and later stages stay silent about it.
    Error,
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
}

/// An operator between its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `^`, right associative, binds tighter than unary minus
    Pow,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `&&`
    And,
    /// `||`
    Or,
}

impl BinaryOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Pow => "^",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}
