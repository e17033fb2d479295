//! Arguments of calls: which goes where, and what layers make of theirs.

use nnc_grammar::ast::{Argument, Call, Expr, ExprKind};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::{Definition, Origin, Sort};
use super::expression_call::is_trained;
use super::formula::Formula;
use super::ranges;
use super::scalar::{Scope, Term};
use crate::ops::{self, ArgumentKind, Arguments, Layer, Value};
use crate::program::{Initializer, List};
use crate::scalar::Scalar;

/// What stands in the place of a value that is not there.
pub(super) const NOTHING: &str = "none";

/// Whether a parameter of a block stands for a value: `mask: value = none`.
pub(super) fn is_value(parameter: &nnc_grammar::ast::Parameter) -> bool {
    parameter.kind.as_ref().is_some_and(|kind| kind.name == "value")
}

/// A parameter as a call sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'s> {
    pub(super) name: &'s str,
    pub(super) is_required: bool,
}

/// What is called, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Callee<'s> {
    pub(super) name: &'s str,
    /// Where it is called.
    pub(super) span: Span,
    /// Where it is defined, if in a text.
    pub(super) defined: Option<Span>,
    /// What every call of the kind may say besides, which is taken out before.
    pub(super) general: &'static [&'static str],
}

impl Cx<'_> {
    /// Gives each argument its parameter, by position or by name. `None` after a report.
    pub(super) fn bind<'c>(
        &mut self,
        callee: Callee<'_>,
        slots: &[Slot<'_>],
        arguments: impl IntoIterator<Item = &'c Argument>,
    ) -> Option<Vec<Option<&'c Argument>>> {
        let mut bound: Vec<Option<&'c Argument>> = vec![None; slots.len()];
        let mut next = 0;
        let mut is_valid = true;
        for argument in arguments {
            if let Some(scope) = &argument.scope {
                self.report(
                    Diagnostic::new(
                        Code::E0202,
                        format!("`{}` has no settings for some parameters", callee.name),
                        scope.span,
                        "expected a value for all",
                    )
                    .with_note(
                        "numbers of an optimizer can differ: `adamw(decay = 0.1, decay = 0 for *.bias)`",
                    ),
                );
                is_valid = false;
                continue;
            }
            let idx = match &argument.name {
                None => {
                    next += 1;
                    Some(next - 1).filter(|idx| *idx < slots.len())
                }
                Some(name) => slots.iter().position(|slot| slot.name == name.name),
            };
            let (Some(idx), Some(slot)) = (idx, idx.and_then(|idx| bound.get_mut(idx))) else {
                is_valid = false;
                self.report_surplus(callee, slots, argument);
                // One message for all that is too much.
                if argument.name.is_none() {
                    break;
                }
                continue;
            };
            if let Some(first) = slot {
                let name = slots.get(idx).map_or("", |slot| slot.name);
                let diagnostic = Diagnostic::new(
                    Code::E0206,
                    format!("argument `{name}` is given twice"),
                    argument.span,
                    "given again here",
                )
                .with_label(first.span, "first given here");
                self.report(diagnostic);
                is_valid = false;
                continue;
            }
            *slot = Some(argument);
        }
        if !is_valid {
            return None;
        }
        let missing: Vec<&str> = slots
            .iter()
            .zip(&bound)
            .filter(|(slot, argument)| slot.is_required && argument.is_none())
            .map(|(slot, _)| slot.name)
            .collect();
        if missing.is_empty() {
            return Some(bound);
        }
        self.report_missing(callee, slots, &missing);
        None
    }

    fn report_surplus(&mut self, callee: Callee<'_>, slots: &[Slot<'_>], argument: &Argument) {
        let places: Vec<&str> = slots.iter().map(|slot| slot.name).collect();
        // What a definition has itself is not general any more.
        let general = callee.general.iter().copied().filter(|general| !places.contains(general));
        let names: Vec<&str> = places.iter().copied().chain(general).collect();
        let name = callee.name;
        let mut diagnostic = match &argument.name {
            Some(unknown) => {
                let label = if names.is_empty() {
                    format!("`{name}` takes no arguments")
                } else {
                    "unknown argument".to_owned()
                };
                Diagnostic::new(
                    Code::E0202,
                    format!("`{name}` has no argument `{}`", unknown.name),
                    unknown.span,
                    label,
                )
                .with_closest(&unknown.name, names.iter().copied())
            }
            None => {
                let label = match places.len() {
                    0 => "expected no arguments".to_owned(),
                    1 => "expected at most 1 argument".to_owned(),
                    n => format!("expected at most {n} arguments"),
                };
                Diagnostic::new(Code::E0215, format!("too many arguments for `{name}`"), argument.span, label)
            }
        };
        if !names.is_empty() && diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_note(super::listed(&format!("arguments of `{name}` are"), &names));
        }
        if let Some(defined) = callee.defined {
            diagnostic = diagnostic.with_label(defined, format!("`{name}` is defined here"));
        }
        self.report(diagnostic);
    }

    fn report_missing(&mut self, callee: Callee<'_>, slots: &[Slot<'_>], missing: &[&str]) {
        let name = callee.name;
        let list = super::listed("", missing);
        let list = list.trim_start();
        let example: Vec<String> =
            slots.iter().filter(|slot| slot.is_required).map(|slot| format!("{} = …", slot.name)).collect();
        let mut diagnostic = Diagnostic::new(
            Code::E0203,
            format!("`{name}` needs {list}"),
            callee.span,
            format!("expected {list}, found none"),
        )
        .with_help(format!("write `{name}({})`", example.join(", ")));
        if let Some(defined) = callee.defined {
            diagnostic = diagnostic.with_label(defined, format!("`{name}` is defined here"));
        }
        self.report(diagnostic);
    }

    /// The parameters of a definition that a use may set: name, and what it is worth there. Arguments are worth what
    /// `scope` says, defaults what the definition says. `None` after a report.
    pub(super) fn definition_arguments(
        &mut self,
        scope: &Scope,
        definition: &Definition<'_>,
        callee: Callee<'_>,
        arguments: &[Argument],
        n_skipped: usize,
    ) -> Option<Vec<(String, Term, bool)>> {
        let parameters = definition.parameters.get(n_skipped..).unwrap_or(&[]);
        let slots: Vec<Slot<'_>> = parameters
            .iter()
            .map(|parameter| Slot { name: &parameter.name.name, is_required: parameter.default.is_none() })
            .collect();
        let bound = self.bind(callee, &slots, arguments)?;
        let takes_lists = definition.sort.takes_lists();
        let mut inside = Scope::new(definition.origin, super::scalar::Role::Constant);
        inside.site = Some(scope.site.unwrap_or(callee.span));
        let mut terms = Vec::with_capacity(parameters.len());
        let mut is_valid = true;
        for (parameter, argument) in parameters.iter().zip(bound.iter().copied()) {
            if is_trained(parameter) {
                let term = self.trained(scope, &inside, parameter, argument, callee.span);
                is_valid &= term.is_some();
                terms.push((
                    parameter.name.name.clone(),
                    term.map_or(Term::Failed, Term::Trained),
                    argument.is_some(),
                ));
                continue;
            }
            if is_value(parameter) {
                let term = self.value_argument(scope, callee, parameter, argument);
                is_valid &= term != Term::Failed;
                inside.define(&parameter.name.name, term.clone());
                terms.push((parameter.name.name.clone(), term, argument.is_some()));
                continue;
            }
            let default = parameter.default.as_ref().map(|default| self.term(&inside, default));
            let term = match (argument, default) {
                (Some(argument), _) if takes_lists && matches!(argument.value.kind, ExprKind::List(_)) => {
                    self.list(scope, &parameter.name.name, &argument.value)
                }
                (None, Some(default)) => default,
                (None, None) => Term::Failed,
                (Some(argument), default) => {
                    let term = self.term(scope, &argument.value);
                    let fits =
                        self.check_kind_of_argument(callee, parameter, argument, &term, default.as_ref());
                    if fits { term } else { Term::Failed }
                }
            };
            is_valid &= term != Term::Failed && self.is_in_range(callee, parameter, argument, &term);
            inside.define(&parameter.name.name, term.clone());
            terms.push((parameter.name.name.clone(), term, argument.is_some()));
        }
        is_valid &= self.is_in_order(callee, parameters, &bound, &terms);
        is_valid.then_some(terms)
    }

    /// The value that a block is given by name, as it is called where the block is used.
    fn value_argument(
        &mut self,
        scope: &Scope,
        callee: Callee<'_>,
        parameter: &nnc_grammar::ast::Parameter,
        argument: Option<&Argument>,
    ) -> Term {
        let Some(argument) = argument else { return Term::Nothing };
        if self.is_nothing(scope, &argument.value) {
            return Term::Nothing;
        }
        match &argument.value.kind {
            ExprKind::Name(name) => Term::Value(name.clone(), argument.value.span),
            ExprKind::Error => Term::Failed,
            _ => {
                let what = format!("`{}` of `{}`", parameter.name.name, callee.name);
                self.wrong_argument(argument.value.span, &what, "the name of a value");
                Term::Failed
            }
        }
    }

    /// Whether an argument that names a value says that there is none: by the word, or by a parameter of a block which
    /// was given none.
    pub(super) fn is_nothing(&self, scope: &Scope, value: &Expr) -> bool {
        match &value.kind {
            ExprKind::Name(name) => name == NOTHING || scope.get(name) == Some(&Term::Nothing),
            _ => false,
        }
    }

    /// What a trained parameter starts as: an initializer, or a number for all.
    fn trained(
        &mut self,
        scope: &Scope,
        inside: &Scope,
        parameter: &nnc_grammar::ast::Parameter,
        argument: Option<&Argument>,
        span: Span,
    ) -> Option<Initializer> {
        let (scope, value) = match (argument, &parameter.default) {
            (Some(argument), _) => (scope, &argument.value),
            (None, Some(default)) => (inside, default),
            (None, None) => return self.named_initializer(Origin::Library, "zeros", span),
        };
        let name = match &value.kind {
            ExprKind::Name(name) => Some(name),
            ExprKind::Call(call) => Some(&call.name.name),
            _ => None,
        };
        if name.is_some_and(|name| self.lookup(scope.origin, Sort::Init, name).is_some()) {
            return self.initializer(scope, value);
        }
        let number = self.constant(scope, value, &format!("`{}`", parameter.name.name))?;
        let text = match number {
            0.0 => "zeros".to_owned(),
            1.0 => "ones".to_owned(),
            number => format!("constant({number})"),
        };
        Some(Initializer { text, scalar: Scalar::Number(number) })
    }

    /// Numbers in brackets.
    fn list(&mut self, scope: &Scope, name: &str, value: &Expr) -> Term {
        let ExprKind::List(items) = &value.kind else { return Term::Failed };
        let what = format!("`{name}`");
        let numbers: Vec<Option<f64>> = items.iter().map(|item| self.constant(scope, item, &what)).collect();
        let Some(values) = numbers.into_iter().collect::<Option<Vec<f64>>>() else { return Term::Failed };
        if values.is_empty() {
            let help = "one number for each: `[1, 2]`";
            self.out_of_range(value.span, &what, "a number or more", "none", help);
            return Term::Failed;
        }
        let (name, values) = (name.to_owned(), values.into());
        Term::Number(Formula::List(List { name, values, span: value.span }))
    }

    fn check_kind_of_argument(
        &mut self,
        callee: Callee<'_>,
        parameter: &nnc_grammar::ast::Parameter,
        argument: &Argument,
        term: &Term,
        default: Option<&Term>,
    ) -> bool {
        let expected = default.map_or("a number", Term::noun);
        if *term == Term::Failed || term.noun() == expected {
            return true;
        }
        let found = self.text(argument.value.span);
        self.report(
            Diagnostic::new(
                Code::E0204,
                format!("`{}` of `{}` is {expected}", parameter.name.name, callee.name),
                argument.value.span,
                format!("expected {expected}, found `{found}`"),
            )
            .with_label(parameter.span, "declared here"),
        );
        false
    }

    /// The arguments of a layer, each with a value. `None` after a report, or if one is not known.
    pub(super) fn layer_arguments(
        &mut self,
        scope: &Scope,
        layer: &'static dyn Layer,
        call: Option<&Call>,
        arguments: &[&Argument],
        span: Span,
    ) -> Option<Arguments> {
        let declared = layer.arguments();
        let slots: Vec<Slot<'_>> = declared
            .iter()
            .map(|argument| Slot { name: argument.name, is_required: argument.default.is_none() })
            .collect();
        let name = call.map_or(layer.name(), |call| call.name.name.as_str());
        let callee = Callee { name, span, defined: None, general: &[] };
        let bound = self.bind(callee, &slots, arguments.iter().copied())?;
        let mut values: Option<Vec<(&'static str, Value, Option<Span>)>> = Some(Vec::new());
        for (declared, argument) in declared.iter().zip(bound) {
            let value = match (argument, declared.default) {
                (Some(argument), _) => {
                    let value = self.layer_argument(scope, name, declared, &argument.value);
                    value.map(|value| (declared.name, value, Some(argument.span)))
                }
                // What another argument is: that one has been read.
                (None, Some(ops::Default::Argument(other))) => {
                    let known = values.iter().flatten().find(|(name, ..)| *name == other);
                    known.map(|(_, value, _)| (declared.name, value.clone(), None))
                }
                (None, Some(default)) => {
                    self.default_value(declared.kind, default, span).map(|value| (declared.name, value, None))
                }
                (None, None) => None,
            };
            match (values.as_mut(), value) {
                (Some(values), Some(value)) => values.push(value),
                _ => values = None,
            }
        }
        values.map(|values| Arguments { values, part: 0 })
    }

    fn default_value(&mut self, kind: ArgumentKind, default: ops::Default, span: Span) -> Option<Value> {
        Some(match default {
            ops::Default::Number(value) if matches!(kind, ArgumentKind::Counts { .. }) => {
                Value::Counts(vec![value as usize])
            }
            ops::Default::Number(value) => Value::Number(value),
            ops::Default::Bool(value) => Value::Bool(value),
            ops::Default::Choice(word) => Value::Choice(word),
            // Defaults are those of the library, whatever the user calls an initializer.
            ops::Default::Init(name) => Value::Init(self.named_initializer(Origin::Library, name, span)?),
            ops::Default::Nothing => Value::Nothing,
            ops::Default::Argument(_) => return None,
        })
    }

    fn layer_argument(
        &mut self,
        scope: &Scope,
        layer: &str,
        declared: &ops::Argument,
        value: &Expr,
    ) -> Option<Value> {
        if matches!(value.kind, ExprKind::Error) {
            return None;
        }
        let what = format!("`{}` of `{layer}`", declared.name);
        match declared.kind {
            ArgumentKind::Count => {
                self.count(scope, value, &what, Code::E0205).map(|count| Value::Number(count as f64))
            }
            ArgumentKind::Number { min, max } => {
                let number = self.constant(scope, value, &what)?;
                if (min..=max).contains(&number) {
                    return Some(Value::Number(number));
                }
                let found = self.found(value, number);
                let default = number_of(declared.default);
                let holds = |x: f64| (min..=max).contains(&x);
                let example = if min.is_finite() { min } else { max };
                let help = ranges::help(number, holds, default.as_deref(), &example.to_string());
                self.out_of_range(value.span, &what, &range(min, max), &found, help);
                None
            }
            ArgumentKind::Kind(kind) => {
                let number = self.constant(scope, value, &what)?;
                let range = ranges::range_of(kind)?;
                if (range.holds)(number) && number.is_finite() {
                    return Some(Value::Number(number));
                }
                let found = self.found(value, number);
                let help = range.help(number, number_of(declared.default).as_deref());
                self.out_of_range(value.span, &what, range.text, &found, help);
                None
            }
            ArgumentKind::Bool => self.flag(scope, value, &what).map(Value::Bool),
            ArgumentKind::Choice(words) => self.choice(value, &what, words).map(Value::Choice),
            ArgumentKind::Init => self.initializer(scope, value).map(Value::Init),
            ArgumentKind::Value => Some(match self.is_nothing(scope, value) {
                true => Value::Nothing,
                false => Value::Operand,
            }),
            ArgumentKind::Shape => self.shape(scope, value, &what, Code::E0205).map(Value::Shape),
            ArgumentKind::Counts { words, .. } if is_word(value, words) => {
                self.choice(value, &what, words).map(Value::Choice)
            }
            ArgumentKind::Counts { min, axes, .. } => {
                self.counts(scope, value, &what, min, axes).map(Value::Counts)
            }
        }
    }

    /// One of these words, or `None` after a report.
    pub(super) fn choice(
        &mut self,
        value: &Expr,
        what: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let expected = match words {
            [] => "no word".to_owned(),
            [word] => format!("`{word}`"),
            [rest @ .., last] => {
                let rest: Vec<String> = rest.iter().map(|word| format!("`{word}`")).collect();
                format!("{} or `{last}`", rest.join(", "))
            }
        };
        let text = self.text(value.span);
        if let ExprKind::Name(name) = &value.kind {
            if let Some(word) = words.iter().find(|word| *word == name) {
                return Some(word);
            }
            self.report(
                Diagnostic::new(
                    Code::E0204,
                    format!("{what} is {expected}"),
                    value.span,
                    format!("expected {expected}, found `{text}`"),
                )
                .with_closest(name, words.iter().copied()),
            );
            return None;
        }
        let mut diagnostic = Diagnostic::new(
            Code::E0204,
            format!("{what} is {expected}"),
            value.span,
            format!("expected {expected}, found `{text}`"),
        );
        if let ExprKind::Text(written) = &value.kind
            && let Some(word) = words.iter().find(|word| *word == written)
        {
            diagnostic = diagnostic.with_help(format!("without quotes: `{word}`"));
        }
        self.report(diagnostic);
        None
    }
}

/// Whether an argument is one of these words.
fn is_word(value: &Expr, words: &[&str]) -> bool {
    matches!(&value.kind, ExprKind::Name(name) if words.contains(&name.as_str()))
}

/// The default of a layer's argument, if that is a number.
fn number_of(default: Option<ops::Default>) -> Option<String> {
    match default {
        Some(ops::Default::Number(value)) => Some(value.to_string()),
        _ => None,
    }
}

fn range(min: f64, max: f64) -> String {
    match (min.is_finite(), max.is_finite()) {
        (true, true) => format!("a number from {min} to {max}"),
        (true, false) => format!("a number from {min}"),
        (false, true) => format!("a number up to {max}"),
        (false, false) => "a number".to_owned(),
    }
}

/// A call as messages and comments show it: the arguments that were given, constants computed.
pub(super) fn call_text(name: &str, arguments: &[(Option<String>, String)]) -> String {
    if arguments.is_empty() {
        return name.to_owned();
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|(name, value)| match name {
            Some(name) => format!("{name} = {value}"),
            None => value.clone(),
        })
        .collect();
    format!("{name}({})", arguments.join(", "))
}
