//! Definitions of optimizers: `optimizer sgd(lr) { weight = weight - lr * gradient }`.

use nnc_grammar::ast::{Assignment, Optimizer, State};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::{DefId, Sort, reserved};
use super::formula::Formula;
use super::scalar::{Role, Scope, Term};
use crate::program::Assign;
use crate::scalar::{Scalar, Variable};

/// The hyper-parameter that can change while training runs.
pub(super) const VARIABLE: &str = "lr";

/// Checks an optimizer by itself.
pub(super) fn check(cx: &mut Cx<'_>, id: DefId, tree: &Optimizer) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let n_before = cx.diagnostics.len();
    let constants = {
        let mut scope = cx.opaque_scope(id, &definition, Role::Constant);
        scope.inline = false;
        scope
    };
    let mut scope = cx.opaque_scope(id, &definition, Role::Optimizer);
    check_names(cx, tree);
    let _ = body(cx, &mut scope, &constants, tree, true);
    if !tree.assignments.iter().any(|assignment| !assignment.is_let && assignment.name.name == "weight") {
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("optimizer `{}` does not change the weight", tree.name.name),
                tree.name.span,
                "expected an assignment to `weight`, found none",
            )
            .with_help("for example `weight = weight - lr * gradient`"),
        );
    }
    !cx.errors_since(n_before)
}

/// What a name in an optimizer is.
fn owner<'t>(tree: &'t Optimizer, name: &str) -> Option<(&'static str, Option<Span>, &'t str)> {
    if let Some(word) = reserved(Sort::Optimizer).iter().find(|word| **word == name) {
        return Some(("given in every optimizer", None, word));
    }
    if let Some(parameter) = tree.parameters.iter().find(|parameter| parameter.name.name == name) {
        return Some(("a hyper-parameter", Some(parameter.span), &parameter.name.name));
    }
    let state = tree.states.iter().find(|state| state.name.name == name)?;
    Some(("a state", Some(state.span), &state.name.name))
}

/// Each name has one meaning.
fn check_names(cx: &mut Cx<'_>, tree: &Optimizer) {
    for (n, state) in tree.states.iter().enumerate() {
        let name = &state.name;
        if let Some(first) = tree.states.iter().take(n).find(|first| first.name.name == name.name) {
            cx.report(super::defined_twice("state", &name.name, first.name.span, name.span));
        } else if let Some((what, span, _)) = owner(tree, &name.name).filter(|(what, ..)| *what != "a state")
        {
            report_taken(cx, &name.name, name.span, what, span);
        }
    }
    let locals: Vec<&Assignment> = tree.assignments.iter().filter(|assignment| assignment.is_let).collect();
    for (n, local) in locals.iter().enumerate() {
        let name = &local.name;
        if let Some(first) = locals.iter().take(n).find(|first| first.name.name == name.name) {
            cx.report(super::defined_twice("value", &name.name, first.name.span, name.span));
        } else if let Some((what, span, _)) = owner(tree, &name.name) {
            report_taken(cx, &name.name, name.span, what, span);
        }
    }
}

fn report_taken(cx: &mut Cx<'_>, name: &str, span: Span, what: &str, first: Option<Span>) {
    let mut diagnostic =
        Diagnostic::new(Code::E0206, format!("`{name}` is {what}"), span, "expected another name");
    if let Some(first) = first {
        diagnostic = diagnostic.with_label(first, "first defined here");
    }
    cx.report(diagnostic);
}

/// What a step does.
pub(super) struct Update {
    pub(super) states: Vec<(String, Scalar)>,
    pub(super) locals: Vec<String>,
    pub(super) assignments: Vec<Assign>,
}

/// Walks states and assignments. `None` after a report, or if something is not known.
pub(super) fn body(
    cx: &mut Cx<'_>,
    scope: &mut Scope,
    constants: &Scope,
    tree: &Optimizer,
    is_dry: bool,
) -> Option<Update> {
    let mut update = Update { states: Vec::new(), locals: Vec::new(), assignments: Vec::new() };
    let mut is_known = true;
    let variable = |variable: Variable| Term::Number(Formula::Variable(variable));
    scope.define("weight", variable(Variable::Weight));
    scope.define("gradient", variable(Variable::Gradient));
    scope.define("step", variable(Variable::Step));
    for state in &tree.states {
        let initial = initial(cx, constants, state, is_dry);
        scope.define(&state.name.name, variable(Variable::State(update.states.len() as u32)));
        is_known &= initial.is_some();
        update.states.push((state.name.name.clone(), initial.unwrap_or(Scalar::Number(0.0))));
    }
    for assignment in &tree.assignments {
        cx.begin_formula();
        let name = &assignment.name.name;
        let formula = cx.number(scope, &assignment.value);
        let target = if assignment.is_let {
            let local = Variable::Local(update.locals.len() as u32);
            let known = if formula.is_some() { variable(local) } else { Term::Failed };
            scope.define(name, known);
            update.locals.push(name.clone());
            Some(local)
        } else {
            target(cx, tree, assignment, is_dry)
        };
        let formula = formula.map(|formula| with_norms(&mut update, &formula, assignment.span));
        match (target, formula.and_then(|formula| formula.to_scalar())) {
            (Some(target), Some(value)) => {
                update.assignments.push(Assign { target, value, is_norm: false, span: assignment.span })
            }
            _ => is_known = false,
        }
    }
    is_known.then_some(update)
}

/// Takes each `norm(…)` out of a formula, as a local value that is computed before it.
fn with_norms(update: &mut Update, formula: &Formula, span: Span) -> Formula {
    let mut known: Vec<(Formula, Formula)> = Vec::new();
    formula.map_norms(&mut |x| {
        if let Some((_, norm)) = known.iter().find(|(of, _)| *of == x) {
            return norm.clone();
        }
        let local = Variable::Local(update.locals.len() as u32);
        update.locals.push(format!("norm_{}", update.locals.len()));
        if let Some(value) = x.to_scalar() {
            update.assignments.push(Assign { target: local, value, is_norm: true, span });
        }
        known.push((x, Formula::Variable(local)));
        Formula::Variable(local)
    })
}

/// The initial value of a state: a constant.
fn initial(cx: &mut Cx<'_>, constants: &Scope, state: &State, is_dry: bool) -> Option<Scalar> {
    if let Some(shape) = state.shape.as_ref().filter(|_| is_dry) {
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("state `{}` cannot have a shape", state.name.name),
                shape.span,
                "expected no shape",
            )
            .with_note("a state of an optimizer is one number for each element of each parameter"),
        );
    }
    let Some(value) = &state.initial else {
        if is_dry {
            cx.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("state `{}` has no initial value", state.name.name),
                    state.span,
                    "expected a value",
                )
                .with_help(format!("write `state {} = 0`", state.name.name)),
            );
        }
        return None;
    };
    cx.begin_formula();
    let formula = cx.number(constants, value)?;
    formula.value().map(Scalar::Number)
}

/// What is assigned to.
fn target(cx: &mut Cx<'_>, tree: &Optimizer, assignment: &Assignment, is_dry: bool) -> Option<Variable> {
    let name = &assignment.name;
    if name.name == "weight" {
        return Some(Variable::Weight);
    }
    if let Some(n) = tree.states.iter().position(|state| state.name.name == name.name) {
        return Some(Variable::State(n as u32));
    }
    if !is_dry {
        return None;
    }
    let local = tree.assignments.iter().find(|other| other.is_let && other.name.name == name.name);
    let mut diagnostic = Diagnostic::new(
        Code::E0217,
        format!("`{}` cannot be assigned", name.name),
        name.span,
        "expected `weight` or a state",
    );
    if let Some(local) = local {
        diagnostic = diagnostic
            .with_label(local.name.span, "`let` gives it one value for the step")
            .with_help("give the new value a name of its own, or keep it in a `state`");
    } else if let Some((what, span, _)) = owner(tree, &name.name) {
        diagnostic = diagnostic.with_note(format!("`{}` is {what}", name.name));
        if let Some(span) = span {
            diagnostic = diagnostic.with_label(span, "defined here");
        }
    } else {
        let help = format!("`let {0} = …` names a value for this step, `state {0} = 0` keeps one", name.name);
        let known = tree.states.iter().map(|state| state.name.name.as_str()).chain(["weight"]);
        diagnostic = diagnostic.with_closest(&name.name, known);
        if diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_help(help);
        }
    }
    cx.report(diagnostic);
    None
}
