//! Expressions of the tree become formulas: names looked up, operators typed, definitions inlined, constants computed.

use nnc_grammar::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::{DefId, Origin, Sort};
use super::formula::{Formula, Truth};
use crate::program::Initializer;
use crate::scalar::{Binary, Relation, Unary};

/// The largest formula that one use of a definition may become, in nodes.
pub(super) const LARGEST_FORMULA: usize = 2_000;

/// How deep expressions and bodies may be nested, through all definitions that call each other.
const DEEPEST: usize = 400;

/// What an expression is part of: that decides which functions it can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Constant,
    Activation,
    Loss,
    Init,
    Optimizer,
    Schedule,
}

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Number(Formula),
    Truth(Truth),
    /// What a trained parameter of an activation starts as.
    Trained(Initializer),
    /// The name of a value where a block is used, and where it stands.
    Value(String, Span),
    /// No value.
    Nothing,
    /// A fault that was reported.
    Failed,
}

impl Term {
    /// `a number`, `a truth value` or `an initializer`.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Truth(_) => "a truth value",
            Self::Trained(_) => "an initializer",
            Self::Value(..) => "a value",
            Self::Nothing => "no value",
            Self::Number(_) | Self::Failed => "a number",
        }
    }
}

/// The names that an expression can see.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) origin: Origin,
    pub(super) role: Role,
    names: Vec<(String, Term)>,
    /// The definition whose body it is.
    pub(super) owner: Option<DefId>,
    /// Whether calls are replaced by what they call, rather than checked alone.
    pub(super) inline: bool,
    /// The use that is being inlined: constants that overflow are reported there.
    pub(super) site: Option<Span>,
}

impl Scope {
    /// Without names.
    pub(super) fn new(origin: Origin, role: Role) -> Self {
        Self { origin, role, names: Vec::new(), owner: None, inline: true, site: None }
    }

    /// Adds a name, or gives it another meaning.
    pub(super) fn define(&mut self, name: &str, term: Term) {
        match self.names.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = term,
            None => self.names.push((name.to_owned(), term)),
        }
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<&Term> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, term)| term)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }
}

impl Cx<'_> {
    /// Begins the formula of one use.
    pub(super) fn begin_formula(&mut self) {
        self.budget = LARGEST_FORMULA;
        self.draws = (0, 0);
    }

    /// Goes one level deeper, or reports that it is too deep. [`Cx::leave`] ends it.
    pub(super) fn enter(&mut self, levels: usize, span: Span) -> bool {
        if self.depth + levels > DEEPEST {
            self.report(
                Diagnostic::new(Code::E0502, "definitions are nested too deeply", span, "this is too deep")
                    .with_help("split it, or call fewer definitions one inside the other"),
            );
            return false;
        }
        self.depth += levels;
        true
    }

    /// Ends [`Cx::enter`].
    pub(super) fn leave(&mut self, levels: usize) {
        self.depth = self.depth.saturating_sub(levels);
    }

    /// Counts `n` nodes of a formula, or reports that it is too large.
    pub(super) fn charge(&mut self, n: usize, scope: &Scope, span: Span) -> bool {
        if self.budget == 0 {
            return false;
        }
        self.budget = self.budget.saturating_sub(n);
        if self.budget > 0 {
            return true;
        }
        let diagnostic = Diagnostic::new(
            Code::E0502,
            "formula is too large",
            scope.site.unwrap_or(span),
            "this is too large",
        )
        .with_note(format!("with all that it calls it has more than {LARGEST_FORMULA} terms"));
        self.report(diagnostic);
        false
    }

    /// A number, or `None` after a report.
    pub(super) fn number(&mut self, scope: &Scope, expr: &Expr) -> Option<Formula> {
        let term = self.term(scope, expr);
        self.expect_number(term, expr.span)
    }

    /// A truth value, or `None` after a report.
    fn truth(&mut self, scope: &Scope, expr: &Expr) -> Option<Truth> {
        match self.term(scope, expr) {
            Term::Truth(truth) => Some(truth),
            Term::Failed => None,
            term => {
                self.wrong_kind(expr.span, "a truth value", term.noun());
                None
            }
        }
    }

    /// The number of a term, or `None` after a report.
    pub(super) fn expect_number(&mut self, term: Term, span: Span) -> Option<Formula> {
        match term {
            Term::Number(formula) => Some(formula),
            Term::Failed => None,
            term => {
                self.wrong_kind(span, "a number", term.noun());
                None
            }
        }
    }

    fn wrong_kind(&mut self, span: Span, expected: &str, found: &str) {
        let message = format!("expected {expected}");
        let label = format!("expected {expected}, found {found}");
        self.report(Diagnostic::new(Code::E0204, message, span, label));
    }

    /// What an expression is worth.
    pub(super) fn term(&mut self, scope: &Scope, expr: &Expr) -> Term {
        if !self.charge(1, scope, expr.span) || !self.enter(1, expr.span) {
            return Term::Failed;
        }
        let term = self.term_inside(scope, expr);
        self.leave(1);
        term
    }

    fn term_inside(&mut self, scope: &Scope, expr: &Expr) -> Term {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Number { value, .. } => Term::Number(Formula::Number(*value)),
            ExprKind::Bool(value) => Term::Truth(Truth::Known(*value)),
            ExprKind::Text(_) => self.not_a_number(span, "text"),
            ExprKind::List(_) => self.not_a_number(span, "a list"),
            ExprKind::Name(name) => self.name(scope, name, span),
            ExprKind::Call(call) => self.expression_call(scope, call),
            ExprKind::Unary(UnaryOp::Neg, x) => match self.number(scope, x) {
                Some(x) => Term::Number(Formula::unary(Unary::Neg, x)),
                None => Term::Failed,
            },
            ExprKind::Unary(UnaryOp::Not, x) => {
                self.truth(scope, x).map_or(Term::Failed, |x| Term::Truth(x.negated()))
            }
            ExprKind::Binary(op, a, b) => self.binary(scope, *op, a, b, span),
            ExprKind::If { condition, then, otherwise } => {
                self.conditional(scope, condition, then, otherwise)
            }
            ExprKind::Error => Term::Failed,
        }
    }

    fn not_a_number(&mut self, span: Span, found: &str) -> Term {
        self.wrong_kind(span, "a number", found);
        Term::Failed
    }

    fn name(&mut self, scope: &Scope, name: &str, span: Span) -> Term {
        if let Some(term) = scope.get(name) {
            let size = match term {
                Term::Number(formula) => formula.size(),
                Term::Truth(truth) => truth.size(),
                Term::Trained(_) | Term::Value(..) | Term::Nothing => 1,
                Term::Failed => return Term::Failed,
            };
            return if self.charge(size, scope, span) { term.clone() } else { Term::Failed };
        }
        if scope.role == Role::Init && self.lookup(scope.origin, Sort::Init, name).is_some() {
            return self.call_without_arguments(scope, name, span);
        }
        let functions = self.function_names(scope);
        let is_function = functions.iter().any(|function| function == name);
        let mut diagnostic =
            Diagnostic::new(Code::E0207, format!("unknown name `{name}`"), span, "not known here");
        if is_function {
            diagnostic = diagnostic.with_help(format!("`{name}` is a function: `{name}(…)`"));
        } else {
            diagnostic =
                diagnostic.with_closest(name, scope.names().chain(functions.iter().map(String::as_str)));
        }
        let names: Vec<&str> = scope.names().take(12).collect();
        if !names.is_empty() && diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_note(super::listed("known here are", &names));
        }
        self.report(diagnostic);
        Term::Failed
    }

    fn binary(&mut self, scope: &Scope, op: BinaryOp, a: &Expr, b: &Expr, span: Span) -> Term {
        if let BinaryOp::And | BinaryOp::Or = op {
            let (a, b) = (self.truth(scope, a), self.truth(scope, b));
            return match (a, b) {
                (Some(a), Some(b)) if op == BinaryOp::And => Term::Truth(Truth::and(a, b)),
                (Some(a), Some(b)) => Term::Truth(Truth::or(a, b)),
                _ => Term::Failed,
            };
        }
        let (x, y) = (self.number(scope, a), self.number(scope, b));
        let (Some(x), Some(y)) = (x, y) else { return Term::Failed };
        match operator(op) {
            Operator::Arithmetic(op) => self.finite(scope, Formula::binary(op, x, y), span),
            Operator::Relation(relation) => Term::Truth(Truth::compare(relation, x, y)),
        }
    }

    /// A number that was just computed must be one.
    pub(super) fn finite(&mut self, scope: &Scope, formula: Formula, span: Span) -> Term {
        let Some(value) = formula.value().filter(|value| !value.is_finite()) else {
            return Term::Number(formula);
        };
        let text = self.text(span);
        let (message, what) = if value.is_nan() {
            (format!("`{text}` has no value"), "not a number")
        } else {
            (format!("`{text}` is too large"), "infinite in f64")
        };
        let diagnostic = match scope.site {
            Some(site) => Diagnostic::new(Code::E0205, message, site, "with these arguments")
                .with_label(span, format!("this is {what}")),
            None => Diagnostic::new(Code::E0205, message, span, format!("this is {what}")),
        };
        self.report(diagnostic);
        Term::Failed
    }

    fn conditional(&mut self, scope: &Scope, condition: &Expr, then: &Expr, otherwise: &Expr) -> Term {
        let condition_truth = self.truth(scope, condition);
        // What is never taken may divide by zero.
        match condition_truth {
            Some(Truth::Known(true)) if scope.inline => return self.term(scope, then),
            Some(Truth::Known(false)) if scope.inline => return self.term(scope, otherwise),
            _ => {}
        }
        let (a, b) = (self.term(scope, then), self.term(scope, otherwise));
        let Some(condition) = condition_truth else { return Term::Failed };
        match (a, b) {
            (Term::Number(a), Term::Number(b)) => {
                Term::Number(Formula::Select(Box::new(condition), Box::new(a), Box::new(b)))
            }
            (Term::Truth(a), Term::Truth(b)) => {
                if !self.charge(condition.size(), scope, then.span) {
                    return Term::Failed;
                }
                let first = Truth::and(condition.clone(), a);
                Term::Truth(Truth::or(first, Truth::and(condition.negated(), b)))
            }
            (Term::Failed, _) | (_, Term::Failed) => Term::Failed,
            (a, b) => {
                let label = format!("expected {}, found {}", a.noun(), b.noun());
                self.report(
                    Diagnostic::new(
                        Code::E0204,
                        "both alternatives must be of one kind",
                        otherwise.span,
                        label,
                    )
                    .with_label(then.span, format!("this is {}", a.noun())),
                );
                Term::Failed
            }
        }
    }
}

enum Operator {
    Arithmetic(Binary),
    Relation(Relation),
}

fn operator(op: BinaryOp) -> Operator {
    match op {
        BinaryOp::Add => Operator::Arithmetic(Binary::Add),
        BinaryOp::Sub => Operator::Arithmetic(Binary::Sub),
        BinaryOp::Mul => Operator::Arithmetic(Binary::Mul),
        BinaryOp::Div => Operator::Arithmetic(Binary::Div),
        BinaryOp::Pow => Operator::Arithmetic(Binary::Pow),
        BinaryOp::Lt => Operator::Relation(Relation::Lt),
        BinaryOp::Le => Operator::Relation(Relation::Le),
        BinaryOp::Gt => Operator::Relation(Relation::Gt),
        BinaryOp::Ge => Operator::Relation(Relation::Ge),
        BinaryOp::Eq => Operator::Relation(Relation::Eq),
        // `&&` and `||` were taken before; they never get here.
        BinaryOp::Ne | BinaryOp::And | BinaryOp::Or => Operator::Relation(Relation::Ne),
    }
}
