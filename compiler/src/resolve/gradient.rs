//! E0405: definitions of activations and losses whose derivative cannot be trained with.
//!
//! A formula is looked at with one value a sample, at numbers that nets meet: 0, which many units are, small and larger
//! ones, and those that stand in the formula itself. It is at fault where the function is there on both sides of a
//! number and at it, and its derivative is not finite: one such unit, or one output that is exactly right, makes every
//! weight below it NaN. A root of x alone is none: 0 is where it begins, and who takes it keeps x above 0. A loss is at
//! fault as well when its derivative is 0 everywhere, for that is all that training gets from it; an activation of that
//! kind may stand where nothing is trained (else E0404 tells the layers below).

use nnc_grammar::ast::Function;
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::{DefId, Definition, Origin, Sort, Tree};
use super::expression_call::is_trained;
use super::formula::Formula;
use super::loss;
use super::scalar::{Role, Scope, Term};
use crate::program::TargetKind;
use crate::scalar::{Binary, Scalar, Unary, Variable, differentiate, evaluate, simplify};

/// Numbers that units and outputs are.
const POINTS: &[f64] = &[0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.01, -0.01, 6.0, -6.0];

/// Targets of all kinds: probabilities, classes, signs, counts, numbers.
const TARGETS: &[f64] = &[0.0, 1.0, -1.0, 0.5, 3.0];

/// How far to both sides a function has to be there.
const ASIDE: &[f64] = &[1e-6, 1e-3];

/// The most numbers of a formula that are tried.
const MOST_OWN: usize = 16;

/// What stands for a trained parameter: no number at which formulas have a kink.
const TRAINED: f64 = 0.625;

const TARGET: Variable = Variable::Input(1);

/// What the other values of a sample add to a reduction: 0, which no rewrite may know of, for the root of a sum of
/// squares is not the absolute value.
const OTHERS: Variable = Variable::Input(2);

/// What is wrong with a derivative.
enum Fault {
    /// It is 0 everywhere.
    Flat,
    /// It is not finite at this value and target.
    At { x: f64, target: f64, value: f64, slope: f64 },
}

/// Checks a definition with its defaults. One that needs arguments is checked where it is used.
pub(super) fn check(cx: &mut Cx<'_>, id: DefId, definition: &Definition<'_>, function: &Function) -> bool {
    if definition.origin == Origin::Library {
        return true;
    }
    let used = cx.used_marks();
    let formula = cx.quietly(|cx| with_defaults(cx, id, definition, function));
    cx.set_used_marks(&used);
    formula.is_none_or(|formula| check_formula(cx, definition, &formula, None))
}

/// Checks the formula of a use, whose arguments may make another function of it.
pub(super) fn check_use(cx: &mut Cx<'_>, definition: &Definition<'_>, formula: &Formula, site: Span) -> bool {
    definition.origin == Origin::Library || check_formula(cx, definition, formula, Some(site))
}

/// The formula that a use without arguments has; `None` where it needs some, and after a report.
fn with_defaults(
    cx: &mut Cx<'_>,
    id: DefId,
    definition: &Definition<'_>,
    function: &Function,
) -> Option<Formula> {
    let role = if definition.sort == Sort::Loss { Role::Loss } else { Role::Activation };
    let mut inside = Scope::new(definition.origin, role);
    let mut constants = Scope::new(definition.origin, Role::Constant);
    for scope in [&mut inside, &mut constants] {
        scope.owner = Some(id);
    }
    if definition.sort == Sort::Loss {
        loss::define_values(&mut inside, Formula::Target(loss::target(definition)));
    } else {
        inside.define(&definition.parameters.first()?.name.name, Term::Number(Formula::Value));
    }
    for (n, parameter) in definition.parameters.iter().skip(definition.sort.n_values()).enumerate() {
        let name = &parameter.name.name;
        if is_trained(parameter) {
            inside.define(name, Term::Number(Formula::Parameter(n as u32)));
            continue;
        }
        let term = cx.term(&constants, parameter.default.as_ref()?);
        constants.define(name, term.clone());
        inside.define(name, term);
    }
    cx.begin_formula();
    cx.number(&inside, &function.body)
}

fn check_formula(
    cx: &mut Cx<'_>,
    definition: &Definition<'_>,
    formula: &Formula,
    site: Option<Span>,
) -> bool {
    let Tree::Function(function) = definition.tree else { return true };
    let mut own = Vec::new();
    let Some(scalar) = of_one_value(formula, &mut own) else { return true };
    let Some(fault) = fault(&scalar, &own, definition.sort) else { return true };
    let (noun, name) = (definition.sort.noun(), &function.name.name);
    let is_loss = definition.sort == Sort::Loss;
    let x = definition.parameters.first().map_or("x", |parameter| parameter.name.name.as_str());
    let (message, label) = match fault {
        Fault::Flat => (
            format!("the gradient of {noun} `{name}` is 0 everywhere"),
            "expected a slope somewhere, found steps alone".to_owned(),
        ),
        Fault::At { x: at, target, value, slope } => {
            let place = if is_loss && at == target {
                format!("where `{x}` is `target`")
            } else if is_loss {
                format!("where `{x}` is {at} and `target` {target}")
            } else {
                format!("where `{x}` is {at}")
            };
            let found = if slope.is_nan() { "that is not a number" } else { "that is infinite" };
            (
                format!("the gradient of {noun} `{name}` is not defined {place}"),
                format!("it is {value} there, with a derivative {found}"),
            )
        }
    };
    let mut diagnostic = Diagnostic::new(Code::E0405, message, function.body.span, label);
    if let Some(site) = site {
        diagnostic = diagnostic.with_label(site, "with these arguments");
    }
    diagnostic = match fault {
        Fault::Flat => diagnostic.with_help(
            "take a loss with a slope, such as `mse` or `cross_entropy`, and report this by `metrics`",
        ),
        Fault::At { .. } => diagnostic
            .with_help("keep what stands under a root away from 0: `sqrt(… + 1e-12)`")
            .with_help("or say what happens there with `if`, whose derivative is that of the branch taken"),
    };
    cx.report(diagnostic);
    false
}

/// A formula over one value, `Input(0)`, and one target; its numbers go to `own`. `None` where something of it is not
/// known. What looks at several values is looked at with one other value that is 0.
fn of_one_value(formula: &Formula, own: &mut Vec<f64>) -> Option<Scalar> {
    let scalar = formula.map(&mut |part| match part {
        Formula::Number(value) => {
            own.push(value);
            Formula::Number(value)
        }
        Formula::Reduce(_, x) => Formula::binary(Binary::Add, *x, Formula::Variable(OTHERS)),
        Formula::Part(_, _, x) => *x,
        Formula::Weighted(x, _) => *x,
        Formula::Softmax(x) => Formula::unary(Unary::Sigmoid, *x),
        Formula::LogSoftmax(x) => {
            let beyond = Formula::unary(Unary::Softplus, Formula::unary(Unary::Neg, *x));
            Formula::unary(Unary::Neg, beyond)
        }
        Formula::OneHot(_)
        | Formula::Target(TargetKind::Class | TargetKind::Values)
        | Formula::Distribution => Formula::Variable(TARGET),
        Formula::Parameter(_) => Formula::Number(TRAINED),
        Formula::Count => Formula::Number(2.0),
        Formula::List(list) => Formula::Number(list.values.first().copied().unwrap_or(1.0)),
        other => other,
    });
    scalar.to_scalar()
}

fn fault(scalar: &Scalar, own: &[f64], sort: Sort) -> Option<Fault> {
    let slope = simplify(&differentiate(scalar, Variable::Input(0)));
    if slope.is(0.0) {
        // A formula without the value, such as a constant, is none that a slope is expected of.
        return (sort == Sort::Loss && scalar.depends_on(Variable::Input(0))).then_some(Fault::Flat);
    }
    let at = |formula: &Scalar, x: f64, target: f64| {
        evaluate(formula, &mut |variable| match variable {
            TARGET => target,
            OTHERS => 0.0,
            _ => x,
        })
    };
    let own = own.iter().copied().filter(|x| x.abs() < 1e6).take(MOST_OWN);
    let points: Vec<f64> = POINTS.iter().copied().chain(own).collect();
    let targets = if sort == Sort::Loss { TARGETS } else { &[0.0] };
    let places = points.iter().flat_map(|x| targets.iter().map(move |target| (*x, *target)));
    for (x, target) in places {
        let (value, slope) = (at(scalar, x, target), at(&slope, x, target));
        let is_there = |x: f64| at(scalar, x, target).is_finite();
        let is_inside = value.is_finite() && ASIDE.iter().all(|by| is_there(x - by) && is_there(x + by));
        if is_inside && !slope.is_finite() {
            return Some(Fault::At { x, target, value, slope });
        }
    }
    None
}
