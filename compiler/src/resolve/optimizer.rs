//! Optimizers: `optimizer adam(lr = 0.01)`.

use nnc_grammar::ast::{Assignment, Call, Optimizer, State};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::Callee;
use super::definitions::{DefId, Origin, Sort, Tree, reserved};
use super::formula::{Formula, Rank};
use super::scalar::{Role, Scope, Term};
use crate::program::{Assign, OptimizerUse};
use crate::scalar::{Scalar, Variable};

/// The hyper-parameter that can change while training runs.
const VARIABLE: &str = "lr";

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
struct Update {
    states: Vec<(String, Scalar)>,
    locals: Vec<String>,
    assignments: Vec<Assign>,
}

/// Walks states and assignments. `None` after a report, or if something is not known.
fn body(
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
        match (target, formula.and_then(|formula| formula.to_scalar())) {
            (Some(target), Some(value)) => {
                update.assignments.push(Assign { target, value, span: assignment.span })
            }
            _ => is_known = false,
        }
    }
    is_known.then_some(update)
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

impl Cx<'_> {
    /// The optimizer of a model. `None` after a report.
    pub(super) fn optimizer_use(&mut self, scope: &Scope, call: &Call) -> Option<OptimizerUse> {
        let name = &call.name.name;
        let Some(id) = self.lookup(scope.origin, Sort::Optimizer, name) else {
            self.report_unknown_definition(scope, Sort::Optimizer, Code::E0212, call);
            return None;
        };
        let definition = self.definition(id)?;
        self.mark_used(id);
        let is_valid = self.check(id, Some(call.span));
        let defined = (definition.origin != Origin::Library).then_some(definition.name.span);
        let callee = Callee { name, span: call.span, defined };
        self.begin_formula();
        let terms = self.definition_arguments(scope, &definition, callee, &call.arguments, 0)?;
        let Tree::Optimizer(tree) = definition.tree else { return None };
        self.check_rate(call, &terms)?;
        if !is_valid {
            return None;
        }
        let text = self.use_text(name, &terms);
        let mut constants = Scope::new(definition.origin, Role::Constant);
        let mut inside = Scope::new(definition.origin, Role::Optimizer);
        for scope in [&mut constants, &mut inside] {
            scope.owner = Some(id);
            scope.site = Some(call.span);
        }
        let mut hyper = Vec::new();
        for (name, term, _) in terms {
            constants.define(&name, term.clone());
            let value = match &term {
                Term::Number(formula) => formula.value(),
                _ => None,
            };
            match value.filter(|_| name == VARIABLE) {
                Some(value) => {
                    let variable = Variable::Hyper(hyper.len() as u32);
                    hyper.push((name.clone(), value));
                    inside.define(&name, Term::Number(Formula::Variable(variable)));
                }
                None => inside.define(&name, term),
            }
        }
        let Update { states, locals, assignments } = body(self, &mut inside, &constants, tree, false)?;
        Some(OptimizerUse { name: name.clone(), text, states, locals, hyper, assignments, span: call.span })
    }

    /// A learning rate is above 0.
    fn check_rate(&mut self, call: &Call, terms: &[(String, Term, bool)]) -> Option<()> {
        let rate = terms.iter().find(|(name, ..)| name == VARIABLE);
        let Some((name, Term::Number(formula), _)) = rate else { return Some(()) };
        let Some(value) = formula.value() else {
            // A parameter of the model without a value, which was reported.
            return matches!(formula, Formula::Opaque(Rank::Constant)).then_some(());
        };
        if value > 0.0 && value.is_finite() {
            return Some(());
        }
        let given = call.arguments.iter().find(|argument| match &argument.name {
            Some(given) => given.name == *name,
            None => terms.first().is_some_and(|(first, ..)| first == name),
        });
        let what = format!("`{name}` of `{}`", call.name.name);
        match given {
            Some(argument) => {
                let found = self.found(&argument.value, value);
                self.out_of_range(argument.value.span, &what, "a number above 0", &found);
            }
            None => self.out_of_range(call.span, &what, "a number above 0", &format!("the default {value}")),
        }
        None
    }
}
