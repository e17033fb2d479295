//! Constants: numbers, counts, truth values and shapes that are known before anything runs.
//!
//! Everything here returns `None` both for what was reported and for what is not known (a parameter without a value,
//! while a block is checked by itself): either way what depends on it stays silent.

use nnc_grammar::ast::{Expr, ExprKind, Model};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::Origin;
use super::formula::{Formula, Rank, Truth};
use super::scalar::{Role, Scope, Term};
use super::set::value_of;
use crate::compile::Options;

/// The largest size of an axis, number of units or of repetitions.
const LARGEST_COUNT: f64 = 1e9;

/// The most axes of a shape.
const MOST_AXES: usize = 8;

/// The most values of a sample.
const LARGEST_SAMPLE: u128 = 1 << 40;

/// What to write instead of a number that is no whole number from 1.
fn help_for_count(number: f64) -> String {
    if number > 1.0 {
        return format!("`{}` or `{}`", number.floor(), number.ceil());
    }
    super::ranges::help(number, |x| x >= 1.0 && x.fract() == 0.0, None, "1")
}

impl<'a> Cx<'a> {
    /// What a constant expression is worth.
    pub(super) fn constant_term(&mut self, scope: &Scope, expr: &Expr) -> Term {
        self.begin_formula();
        self.term(scope, expr)
    }

    /// A number. `what` is what it is for, for messages.
    pub(super) fn constant(&mut self, scope: &Scope, expr: &Expr, what: &str) -> Option<f64> {
        if self.is_of_wrong_form(expr, what, "a number") {
            return None;
        }
        match self.constant_term(scope, expr) {
            Term::Number(formula) => formula.value(),
            Term::Truth(_) | Term::Value(..) | Term::Nothing => {
                self.wrong_argument(expr.span, what, "a number");
                None
            }
            Term::Trained(_) | Term::Failed => None,
        }
    }

    /// A truth value.
    pub(super) fn flag(&mut self, scope: &Scope, expr: &Expr, what: &str) -> Option<bool> {
        let expected = "`true` or `false`";
        if self.is_of_wrong_form(expr, what, expected) {
            return None;
        }
        match self.constant_term(scope, expr) {
            Term::Truth(Truth::Known(value)) => Some(value),
            Term::Number(_) | Term::Value(..) | Term::Nothing => {
                self.wrong_argument(expr.span, what, expected);
                None
            }
            Term::Truth(_) | Term::Trained(_) | Term::Failed => None,
        }
    }

    /// A whole number from 1; `code` for what is none.
    pub(super) fn count(&mut self, scope: &Scope, expr: &Expr, what: &str, code: Code) -> Option<usize> {
        self.count_from(1, scope, expr, what, code)
    }

    /// A whole number from `min`; `code` for what is none.
    fn count_from(
        &mut self,
        min: usize,
        scope: &Scope,
        expr: &Expr,
        what: &str,
        code: Code,
    ) -> Option<usize> {
        let number = self.constant(scope, expr, what)?;
        if number.fract() == 0.0 && (min as f64..=LARGEST_COUNT).contains(&number) {
            return Some(number as usize);
        }
        let found = self.found(expr, number);
        let (message, expected) = if number > LARGEST_COUNT {
            (format!("{what} is too large"), format!("a whole number up to {LARGEST_COUNT}"))
        } else {
            (format!("{what} is a whole number from {min}"), format!("a whole number from {min}"))
        };
        let mut diagnostic =
            Diagnostic::new(code, message, expr.span, format!("expected {expected}, found {found}"));
        if number <= LARGEST_COUNT {
            diagnostic = diagnostic.with_help(help_for_count(number));
        }
        self.report(diagnostic);
        None
    }

    /// A list of whole numbers from 1; `code` for what is none.
    pub(super) fn shape(&mut self, scope: &Scope, expr: &Expr, what: &str, code: Code) -> Option<Vec<usize>> {
        let ExprKind::List(sizes) = &expr.kind else {
            if !matches!(expr.kind, ExprKind::Error) {
                self.wrong_argument(expr.span, what, "a list of sizes such as `[28, 28]`");
            }
            return None;
        };
        if sizes.is_empty() || sizes.len() > MOST_AXES {
            let label = format!("expected 1 to {MOST_AXES} sizes, found {}", sizes.len());
            self.report(
                Diagnostic::new(code, format!("{what} has {} axes", sizes.len()), expr.span, label)
                    .with_help("one number an axis, without the batch: `[4]`, `[28, 28]`"),
            );
            return None;
        }
        let mut shape = Some(Vec::with_capacity(sizes.len()));
        for size in sizes {
            match (shape.as_mut(), self.count(scope, size, &format!("a size in {what}"), code)) {
                (Some(shape), Some(size)) => shape.push(size),
                _ => shape = None,
            }
        }
        let shape = shape?;
        let n_values = shape.iter().fold(1u128, |product, size| product.saturating_mul(*size as u128));
        if n_values > LARGEST_SAMPLE {
            let label = format!("this is {n_values} values a sample");
            self.report(Diagnostic::new(Code::E0502, format!("{what} is too large"), expr.span, label));
            return None;
        }
        Some(shape)
    }

    /// Whole numbers from `min`: one for all axes, or a list with one for each of `axes`.
    pub(super) fn counts(
        &mut self,
        scope: &Scope,
        expr: &Expr,
        what: &str,
        min: usize,
        axes: Option<usize>,
    ) -> Option<Vec<usize>> {
        let ExprKind::List(numbers) = &expr.kind else {
            return self.count_from(min, scope, expr, what, Code::E0205).map(|count| vec![count]);
        };
        if numbers.is_empty() || numbers.len() > MOST_AXES || axes.is_some_and(|n| n != numbers.len()) {
            let expected = match axes {
                Some(1) => "one number".to_owned(),
                Some(n) => format!("one number or a list of {n}"),
                None => format!("one number or a list of up to {MOST_AXES}"),
            };
            let label = format!("expected {expected}, found a list of {}", numbers.len());
            let message = format!("{what} has a number for each axis");
            self.report(Diagnostic::new(Code::E0205, message, expr.span, label));
            return None;
        }
        let what = format!("a number in {what}");
        let counts: Vec<Option<usize>> =
            numbers.iter().map(|number| self.count_from(min, scope, number, &what, Code::E0205)).collect();
        counts.into_iter().collect()
    }

    /// Reports a value that is out of its range.
    pub(super) fn out_of_range(
        &mut self,
        span: Span,
        what: &str,
        expected: &str,
        found: &str,
        help: impl Into<String>,
    ) {
        let label = format!("expected {expected}, found {found}");
        self.report(
            Diagnostic::new(Code::E0205, format!("{what} is out of range"), span, label).with_help(help),
        );
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong_argument(&mut self, span: Span, what: &str, expected: &str) {
        let found = self.text(span);
        let label = format!("expected {expected}, found `{found}`");
        self.report(Diagnostic::new(Code::E0204, format!("{what} is {expected}"), span, label));
    }

    /// A number as it was written, with its value where that differs: `n / 2 = 1.5`.
    pub(super) fn found(&self, expr: &Expr, value: f64) -> String {
        let text = self.text(expr.span);
        if matches!(expr.kind, ExprKind::Number { .. }) || text == value.to_string() {
            format!("`{text}`")
        } else {
            format!("`{text}` = {value}")
        }
    }

    fn is_of_wrong_form(&mut self, expr: &Expr, what: &str, expected: &str) -> bool {
        let is_wrong = matches!(expr.kind, ExprKind::Text(_) | ExprKind::List(_));
        if is_wrong {
            self.wrong_argument(expr.span, what, expected);
        }
        is_wrong
    }

    /// The scope of a model: its parameters, as `--set` and defaults have them.
    pub(super) fn model_scope(&mut self, model: &Model, options: &Options) -> Scope {
        let mut scope = Scope::new(Origin::User, Role::Constant);
        for (n, parameter) in model.parameters.iter().enumerate() {
            let name = &parameter.name.name;
            if let Some(first) = model.parameters.iter().take(n).find(|first| first.name.name == *name) {
                let diagnostic =
                    super::defined_twice("parameter", name, first.name.span, parameter.name.span);
                self.report(diagnostic);
                continue;
            }
            if let Some(kind) = &parameter.kind {
                let diagnostic = Diagnostic::new(
                    Code::E0217,
                    format!("parameter `{name}` cannot be of kind `{}`", kind.name),
                    kind.span,
                    format!("expected no kind, found `{}`", kind.name),
                );
                self.report(diagnostic);
            }
            let default = parameter.default.as_ref().map(|default| self.constant_term(&scope, default));
            let set = options.set.iter().rev().find(|(key, _)| key == name);
            let unknown = Term::Number(Formula::Opaque(Rank::Constant));
            let term = match (set, default) {
                (Some((_, text)), default) => {
                    let expected = default.as_ref().map_or("a number", Term::noun);
                    self.set_value(name, text, expected, parameter.span).unwrap_or(unknown)
                }
                (None, Some(Term::Failed)) => unknown,
                (None, Some(default)) => default,
                (None, None) => {
                    self.report(
                        Diagnostic::new(
                            Code::E0203,
                            format!("parameter `{name}` of `{}` has no value", model.name.name),
                            parameter.span,
                            "expected a value, found no default",
                        )
                        .with_help(format!(
                            "set it from outside, `--set {name}=16`, or give it a default: `{name} = 16`"
                        )),
                    );
                    unknown
                }
            };
            scope.define(name, term);
        }
        scope
    }

    /// What `--set name=text` is worth.
    fn set_value(&mut self, name: &str, text: &str, expected: &str, span: Span) -> Option<Term> {
        let value = value_of(text).and_then(|expr| {
            let scope = Scope::new(Origin::Library, Role::Constant);
            Some(self.quietly(|cx| cx.constant_term(&scope, &expr))).filter(|term| *term != Term::Failed)
        });
        if let Some(term) = value.filter(|term| term.noun() == expected) {
            return Some(term);
        }
        self.report(Diagnostic::new(
            Code::E0204,
            format!("`{name}={text}` is not {expected}"),
            span,
            format!("expected {expected}, found `{text}`"),
        ));
        None
    }
}
