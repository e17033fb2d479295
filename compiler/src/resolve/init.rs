//! Initializers: `he`, `normal(std = 0.1)`.

use nnc_grammar::ast::{Argument, Call, Expr, ExprKind, Function, Ident};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::call_text;
use super::definitions::{DefId, Origin, Sort};
use super::formula::Formula;
use super::scalar::{Role, Scope, Term};
use crate::program::Initializer;
use crate::scalar::{Variable, simplify};

/// Checks an initializer by itself.
pub(super) fn check(cx: &mut Cx<'_>, id: DefId, function: &Function) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let mut scope = cx.opaque_scope(id, &definition, Role::Init);
    define_fans(&mut scope);
    cx.number(&scope, &function.body).is_some()
}

/// What every initializer knows, unless a parameter of it is called `gain`.
pub(super) fn define_fans(scope: &mut Scope) {
    if scope.get("gain").is_none() {
        scope.define("gain", Term::Number(Formula::Variable(Variable::Gain)));
    }
    scope.define("fan_in", Term::Number(Formula::Variable(Variable::FanIn)));
    scope.define("fan_out", Term::Number(Formula::Variable(Variable::FanOut)));
}

impl Cx<'_> {
    /// The initializer that an argument names. `None` after a report, or if an argument of it is not known.
    pub(super) fn initializer(&mut self, scope: &Scope, value: &Expr) -> Option<Initializer> {
        match &value.kind {
            ExprKind::Name(name) => {
                let name = Ident { name: name.clone(), span: value.span };
                self.initializer_call(scope, &name, &[], value.span)
            }
            ExprKind::Call(call) => self.initializer_call(scope, &call.name, &call.arguments, call.span),
            ExprKind::Error => None,
            kind => {
                let found = self.text(value.span);
                let mut diagnostic = Diagnostic::new(
                    Code::E0204,
                    "expected an initializer",
                    value.span,
                    format!("expected an initializer, found `{found}`"),
                );
                diagnostic = match kind {
                    ExprKind::Text(text) if self.lookup(scope.origin, Sort::Init, text).is_some() => {
                        diagnostic.with_help(format!("without quotes: `{text}`"))
                    }
                    ExprKind::Number { .. } | ExprKind::Unary(..) | ExprKind::Binary(..) => {
                        diagnostic.with_help(format!("the same number everywhere is `constant({found})`"))
                    }
                    _ => diagnostic.with_help("for example `he` or `normal(std = 0.1)`"),
                };
                self.report(diagnostic);
                None
            }
        }
    }

    /// An initializer of the library or the user by its name alone.
    pub(super) fn named_initializer(
        &mut self,
        origin: Origin,
        name: &str,
        span: Span,
    ) -> Option<Initializer> {
        let scope = Scope::new(origin, Role::Constant);
        let name = Ident { name: name.to_owned(), span };
        self.initializer_call(&scope, &name, &[], span)
    }

    fn initializer_call(
        &mut self,
        scope: &Scope,
        name: &Ident,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Initializer> {
        let Some(id) = self.lookup(scope.origin, Sort::Init, &name.name) else {
            let known = self.names_of(scope.origin, Sort::Init);
            let diagnostic = Diagnostic::new(
                Code::E0213,
                format!("unknown initializer `{}`", name.name),
                name.span,
                "not known",
            )
            .with_closest(&name.name, known.iter().copied());
            let diagnostic = if diagnostic.help.is_empty() {
                diagnostic.with_note(super::listed("initializers are", &known))
            } else {
                diagnostic
            };
            self.report(diagnostic);
            return None;
        };
        self.begin_formula();
        // Arguments are constants of the model; the call itself is one of an initializer.
        let mut texts = Vec::with_capacity(arguments.len());
        let mut constants = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let term = self.term(scope, &argument.value);
            let text = self.term_text(&term);
            texts.push((argument.name.as_ref().map(|name| name.name.clone()), text?));
            constants.push(term);
        }
        let definition = self.definition(id)?;
        self.mark_used(id);
        if !self.check(id, Some(span)) {
            return None;
        }
        let mut outside = Scope::new(scope.origin, Role::Init);
        outside.site = Some(span);
        // The arguments again, each under a name that no text can hold, so that none is computed twice.
        let mut call = Call { name: name.clone(), arguments: Vec::new(), has_parens: true, span };
        for (n, (argument, term)) in arguments.iter().zip(constants).enumerate() {
            let key = format!("#{n}");
            let value = Expr { kind: ExprKind::Name(key.clone()), span: argument.value.span };
            call.arguments.push(Argument { value, ..argument.clone() });
            outside.define(&key, term);
        }
        let function = (definition.origin, &definition.name.name);
        let term = if function.0 == Origin::Library && scope.origin != Origin::Library {
            outside.origin = Origin::Library;
            self.expression_call(&outside, &call)
        } else {
            self.expression_call(&outside, &call)
        };
        let Term::Number(formula) = term else { return None };
        let scalar = simplify(&formula.to_scalar()?);
        Some(Initializer { text: call_text(&name.name, &texts), scalar })
    }
}
