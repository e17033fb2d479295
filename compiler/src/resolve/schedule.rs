//! Schedules: `optimizer sgd(lr = cosine(0.1, to = 0.001, warmup = 2))`.
//!
//! A schedule is a formula of the time, or a rule with states that are brought up to date at the end of each epoch. Its
//! first parameter is the number that it changes. Time is known by the steps that are done and by how many there will
//! be, so that every schedule becomes a formula over these few.

use nnc_grammar::ast::{Argument, Call, Expr, ExprKind, Optimizer};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::{Callee, call_text};
use super::definitions::{DefId, Definition, Origin, Sort, Tree};
use super::formula::{Formula, Rank, Truth};
use super::ranges;
use super::scalar::{Role, Scope, Term};
use crate::program::{Hyper, HyperValue, OptimizerUse, ScheduleUse, TrainSpec};
use crate::scalar::{Binary, Relation, Scalar, Unary, Variable};

/// Names that every schedule knows.
pub(super) const GIVEN: &[&str] =
    &["step", "steps", "epoch", "epochs", "time", "progress", "loss", "rate", "warmup"];

/// The argument that every schedule has.
const WARMUP: &str = "warmup";

/// What is assigned in the rule of a schedule: the number that it makes.
const RATE: &str = "rate";

/// What a schedule makes of its base.
struct Made {
    value: Formula,
    states: Vec<(String, f64)>,
    updates: Vec<Formula>,
}

fn variable(variable: Variable) -> Formula {
    Formula::Variable(variable)
}

/// What a schedule knows of the time, `warmup` epochs after the first step.
fn define_clock(scope: &mut Scope, warmup: f64) {
    let before = Formula::binary(Binary::Mul, Formula::Number(warmup), variable(Variable::StepsPerEpoch));
    let less = |a: Formula, b: &Formula| match b {
        Formula::Number(0.0) => a,
        b => Formula::binary(Binary::Sub, a, b.clone()),
    };
    let before = if warmup == 0.0 { Formula::Number(0.0) } else { before };
    let step = less(variable(Variable::Step), &before);
    let done = Formula::binary(Binary::Sub, step.clone(), Formula::Number(1.0));
    let epochs = less(variable(Variable::Epochs), &Formula::Number(warmup));
    let steps = Formula::binary(Binary::Mul, epochs.clone(), variable(Variable::StepsPerEpoch));
    let time = Formula::binary(Binary::Div, done.clone(), variable(Variable::StepsPerEpoch));
    let define = |scope: &mut Scope, name: &str, formula: Formula| scope.define(name, Term::Number(formula));
    define(scope, "epoch", Formula::unary(Unary::Floor, time.clone()));
    // Who goes on behind the end stays there.
    let share = Formula::binary(Binary::Div, done, steps.clone());
    define(scope, "progress", Formula::binary(Binary::Min, share, Formula::Number(1.0)));
    define(scope, "time", time);
    define(scope, "step", step);
    define(scope, "steps", steps);
    define(scope, "epochs", epochs);
    define(scope, "warmup", before);
}

/// Checks a schedule by itself.
pub(super) fn check<'a>(cx: &mut Cx<'a>, id: DefId, definition: &Definition<'a>) -> bool {
    let n_before = cx.diagnostics.len();
    if definition.parameters.is_empty() {
        let name = &definition.name.name;
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("schedule `{name}` has nothing to change"),
                definition.name.span,
                "expected a parameter for the number that it changes",
            )
            .with_help(format!("write `schedule {name}(lr, …)`")),
        );
        return false;
    }
    let mut scope = cx.opaque_scope(id, definition, Role::Schedule);
    define_clock(&mut scope, 0.0);
    match definition.tree {
        Tree::Function(function) => {
            cx.number(&scope, &function.body);
        }
        Tree::Optimizer(rule) => {
            let mut constants = cx.opaque_scope(id, definition, Role::Constant);
            constants.inline = false;
            check_rule(cx, rule);
            let _ = cx.schedule_rule(&scope, &constants, rule, true);
        }
        Tree::Block(_) | Tree::Import(..) => return false,
    }
    !cx.errors_since(n_before)
}

/// Names of a rule: each has one meaning, and `rate` gets one.
fn check_rule(cx: &mut Cx<'_>, rule: &Optimizer) {
    for (n, state) in rule.states.iter().enumerate() {
        let name = &state.name;
        let first = rule.states.iter().take(n).find(|first| first.name.name == name.name);
        let parameter = rule.parameters.iter().find(|parameter| parameter.name.name == name.name);
        if let Some(first) = first {
            cx.report(super::defined_twice("state", &name.name, first.name.span, name.span));
        } else if let Some(parameter) = parameter {
            cx.report(
                Diagnostic::new(
                    Code::E0206,
                    format!("`{}` is a parameter", name.name),
                    name.span,
                    "expected another name",
                )
                .with_label(parameter.span, "first defined here"),
            );
        } else if GIVEN.contains(&name.name.as_str()) {
            cx.report(Diagnostic::new(
                Code::E0206,
                format!("`{}` has a meaning in every schedule", name.name),
                name.span,
                "expected another name",
            ));
        }
    }
    let rates =
        rule.assignments.iter().filter(|assignment| !assignment.is_let && assignment.name.name == RATE);
    if rates.count() != 1 {
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("schedule `{}` does not say what it makes", rule.name.name),
                rule.name.span,
                "expected one assignment to `rate`",
            )
            .with_help("for example `rate = lr * scale`"),
        );
    }
}

impl Cx<'_> {
    /// The formulas of a rule. `scope` knows parameters and time, `constants` the parameters alone. `None` after a
    /// report, or if something is not known.
    fn schedule_rule(
        &mut self,
        scope: &Scope,
        constants: &Scope,
        rule: &Optimizer,
        is_dry: bool,
    ) -> Option<Made> {
        // States as they are between epochs, and as they become at the end of one.
        let mut between = scope.clone();
        let mut at_end = scope.clone();
        at_end.define("loss", Term::Number(variable(Variable::EpochLoss)));
        let mut states = Vec::new();
        for state in &rule.states {
            let Some(initial) = &state.initial else {
                self.report(
                    Diagnostic::new(
                        Code::E0217,
                        format!("state `{}` has no initial value", state.name.name),
                        state.span,
                        "expected a value",
                    )
                    .with_help(format!("write `state {} = 0`", state.name.name)),
                );
                return None;
            };
            self.begin_formula();
            let initial = self.number(constants, initial)?;
            let known = Term::Number(variable(Variable::ScheduleState(states.len() as u32)));
            between.define(&state.name.name, known.clone());
            at_end.define(&state.name.name, known);
            states.push((state.name.name.clone(), initial.value().unwrap_or(0.0)));
        }
        let mut rate = None;
        for assignment in &rule.assignments {
            let name = &assignment.name.name;
            self.begin_formula();
            if !assignment.is_let && name == RATE {
                rate = Some(self.number(&between, &assignment.value)?);
                continue;
            }
            let is_state = states.iter().any(|(state, _)| state == name);
            if !assignment.is_let && !is_state {
                if is_dry {
                    self.report(
                        Diagnostic::new(
                            Code::E0217,
                            format!("`{name}` cannot be assigned"),
                            assignment.name.span,
                            "expected `rate` or a state",
                        )
                        .with_help(format!("`let {name} = …` names a value, `state {name} = 0` keeps one")),
                    );
                }
                return None;
            }
            let value = self.number(&at_end, &assignment.value)?;
            at_end.define(name, Term::Number(value));
        }
        let updates = states.iter().map(|(name, _)| match at_end.get(name) {
            Some(Term::Number(formula)) => Some(formula.clone()),
            _ => None,
        });
        let updates = updates.collect::<Option<Vec<Formula>>>()?;
        Some(Made { value: rate?, states, updates })
    }

    /// Whether an argument of an optimizer is a schedule.
    pub(super) fn is_schedule(&self, scope: &Scope, value: &Expr) -> bool {
        let name = match &value.kind {
            ExprKind::Call(call) => &call.name.name,
            ExprKind::Name(name) if scope.get(name).is_none() => name,
            _ => return false,
        };
        self.lookup(scope.origin, Sort::Schedule, name).is_some()
    }

    /// The schedule that an argument of an optimizer is, and the number that it changes. `None` after a report.
    pub(super) fn schedule_use(&mut self, scope: &Scope, value: &Expr) -> Option<(f64, ScheduleUse)> {
        let call = match &value.kind {
            ExprKind::Call(call) => call.clone(),
            ExprKind::Name(name) => Call {
                name: nnc_grammar::ast::Ident { name: name.clone(), span: value.span },
                arguments: Vec::new(),
                has_parens: false,
                span: value.span,
            },
            _ => return None,
        };
        let id = self.lookup(scope.origin, Sort::Schedule, &call.name.name)?;
        let definition = self.definition(id)?;
        self.mark_used(id);
        if !self.check(id, Some(call.span)) {
            return None;
        }
        let (warmups, arguments): (Vec<Argument>, Vec<Argument>) = call
            .arguments
            .iter()
            .cloned()
            .partition(|argument| argument.name.as_ref().is_some_and(|name| name.name == WARMUP));
        let (warmup, warmup_span) = self.warmup(scope, &call, &warmups)?;
        let defined = (definition.origin != Origin::Library).then_some(definition.name.span);
        let callee = Callee { name: &call.name.name, span: call.span, defined, general: &[WARMUP] };
        self.begin_formula();
        let terms = self.definition_arguments(scope, &definition, callee, &arguments, 0)?;
        let base = match terms.first() {
            Some((_, Term::Number(Formula::Number(base)), _)) => *base,
            _ => return None,
        };
        let mut texts: Vec<(Option<String>, String)> = Vec::new();
        for (n, (name, term, is_given)) in terms.iter().enumerate() {
            if *is_given && let Some(text) = self.term_text(term) {
                texts.push(((n > 0).then(|| name.clone()), text));
            }
        }
        if warmup > 0.0 {
            texts.push((Some(WARMUP.to_owned()), warmup.to_string()));
        }
        let made = self.made(id, &definition, call.span, terms, warmup)?;
        let rise = {
            let share = Formula::binary(Binary::Div, variable(Variable::Step), warmup_steps(warmup));
            Formula::binary(Binary::Mul, variable(Variable::Hyper(0)), share)
        };
        let value = behind_warmup(warmup, rise, made.value);
        let to_scalar =
            |formula: &Formula| formula.to_scalar().map(|scalar| crate::scalar::simplify(&scalar));
        // Losses of the warm-up say nothing about the schedule's own rates.
        let updates = made.updates.into_iter().enumerate().map(|(n, update)| {
            let unchanged = variable(Variable::ScheduleState(n as u32));
            to_scalar(&behind_warmup(warmup, unchanged, update))
        });
        let updates: Option<Vec<Scalar>> = updates.collect();
        let schedule = ScheduleUse {
            text: call_text(&call.name.name, &texts),
            value: to_scalar(&value)?,
            states: made.states,
            updates: updates?,
            warmup,
            warmup_span,
        };
        Some((base, schedule))
    }

    /// What a schedule makes of `Hyper(0)`.
    fn made(
        &mut self,
        id: DefId,
        definition: &Definition<'_>,
        site: Span,
        terms: Vec<(String, Term, bool)>,
        warmup: f64,
    ) -> Option<Made> {
        let mut constants = Scope::new(definition.origin, Role::Constant);
        let mut inside = Scope::new(definition.origin, Role::Schedule);
        for scope in [&mut constants, &mut inside] {
            scope.owner = Some(id);
            scope.site = Some(site);
        }
        define_clock(&mut inside, warmup);
        for (n, (name, term, _)) in terms.into_iter().enumerate() {
            constants.define(&name, term.clone());
            let base = Term::Number(variable(Variable::Hyper(0)));
            inside.define(&name, if n == 0 { base } else { term });
        }
        match definition.tree {
            Tree::Function(function) => {
                let value = self.number(&inside, &function.body)?;
                Some(Made { value, states: Vec::new(), updates: Vec::new() })
            }
            Tree::Optimizer(rule) => self.schedule_rule(&inside, &constants, rule, false),
            Tree::Block(_) | Tree::Import(..) => None,
        }
    }

    /// How long it warms up, and where that stands.
    fn warmup(&mut self, scope: &Scope, call: &Call, given: &[Argument]) -> Option<(f64, Span)> {
        let [argument, more @ ..] = given else { return Some((0.0, call.span)) };
        if let Some(second) = more.first() {
            self.report(
                Diagnostic::new(
                    Code::E0206,
                    "argument `warmup` is given twice",
                    second.span,
                    "given again here",
                )
                .with_label(argument.span, "first given here"),
            );
            return None;
        }
        let what = format!("`warmup` of `{}`", call.name.name);
        let epochs = self.constant(scope, &argument.value, &what)?;
        if epochs >= 0.0 && epochs.is_finite() {
            return Some((epochs, argument.value.span));
        }
        let found = self.found(&argument.value, epochs);
        let help = ranges::help(epochs, |x| x >= 0.0, Some("0"), "1");
        self.out_of_range(argument.value.span, &what, "a number of epochs from 0", &found, help);
        None
    }

    /// A schedule that another one calls: `cosine(lr, to = 0)`.
    pub(super) fn schedule_call(
        &mut self,
        scope: &Scope,
        id: DefId,
        definition: &Definition<'_>,
        terms: Vec<(String, Term, bool)>,
        call: &Call,
    ) -> Term {
        let Tree::Function(function) = definition.tree else {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("`{}` has states", call.name.name),
                    call.span,
                    "expected a schedule that is a formula",
                )
                .with_note("a schedule with states stands by itself: `lr = plateau(0.1)`"),
            );
            return Term::Failed;
        };
        if !scope.inline {
            return Term::Number(Formula::Opaque(Rank::Constant));
        }
        let mut inside = scope.clone();
        inside.origin = definition.origin;
        inside.owner = Some(id);
        inside.site = Some(scope.site.unwrap_or(call.span));
        for (name, term, _) in terms {
            inside.define(&name, term);
        }
        self.number(&inside, &function.body).map_or(Term::Failed, Term::Number)
    }
}

/// Steps of an epoch, where a schedule is looked at from its start to its end.
const STEPS: f64 = 100.0;

/// The most places at which it is looked at.
const PLACES: usize = 1000;

/// Checks what schedules make of the numbers of an optimizer, now that it is known how long training is.
pub(super) fn check_uses(cx: &mut Cx<'_>, optimizer: &OptimizerUse, train: &TrainSpec) {
    for hyper in &optimizer.hyper {
        let values = std::iter::once(&hyper.value).chain(hyper.overrides.iter().map(|(_, value)| value));
        for value in values {
            let Some(schedule) = &value.schedule else { continue };
            if check_warmup(cx, schedule, train) {
                check_ends(cx, optimizer, hyper, value, schedule, train);
            }
        }
    }
}

/// E0420: a warm-up that does not come to its end. How long training is by default says nothing: the command and
/// `fit` know better, and check it as well.
fn check_warmup(cx: &mut Cx<'_>, schedule: &ScheduleUse, train: &TrainSpec) -> bool {
    let Some(span) = train.epochs_span.filter(|_| schedule.warmup > train.epochs as f64) else { return true };
    let (warmup, epochs) = (schedule.warmup, train.epochs);
    cx.report(
        Diagnostic::new(
            Code::E0420,
            "the warm-up is longer than the training",
            schedule.warmup_span,
            format!("expected at most {epochs} epochs, found `{warmup}`"),
        )
        .with_label(span, "training ends here")
        .with_help(format!("warm up for less, `warmup = {}`", epochs as f64 / 10.0))
        .with_help(format!("or train for longer, `epochs {}`", (warmup * 10.0).min(1e9).ceil())),
    );
    false
}

/// E0205: a schedule that leaves the range of the number that it changes.
fn check_ends(
    cx: &mut Cx<'_>,
    optimizer: &OptimizerUse,
    hyper: &Hyper,
    value: &HyperValue,
    schedule: &ScheduleUse,
    train: &TrainSpec,
) {
    let (low, high) = hyper.ends;
    // As long as is said; else just long enough to see what depends on the share that is done.
    let epochs = train.epochs_span.map_or(schedule.warmup.ceil() + 1.0, |_| train.epochs as f64);
    let steps = epochs * STEPS;
    // Rounding may carry what ends at a bound a little beyond it.
    let room = 1e-9 * value.base.abs();
    let n = PLACES.min(steps as usize).max(1);
    let at = |place: usize| {
        // One step beyond the last one, where a schedule is all the way at its end.
        let step = 1.0 + (steps * place as f64 / n as f64).floor();
        crate::scalar::evaluate(&schedule.value, &mut |variable| match variable {
            Variable::Hyper(_) => value.base,
            Variable::Step => step,
            Variable::StepsPerEpoch => STEPS,
            Variable::Epochs => epochs,
            Variable::ScheduleState(n) => {
                schedule.states.get(n as usize).map_or(0.0, |(_, initial)| *initial)
            }
            _ => 0.0,
        })
    };
    // What is not a number is no number out of its range.
    let Some(place) = (0..=n).find(|place| at(*place) < low - room || at(*place) > high + room) else {
        return;
    };
    let expected = match (low, high) {
        (low, f64::INFINITY) => format!("a number from {low}"),
        (low, high) => format!("a number from {low} to {high}"),
    };
    // The number furthest out is the one that is easiest to recognise: most often what stands in the text.
    let furthest = (place..=n).map(at).fold(0.0f64, |far, x| {
        let outside = |x: f64| (low - x).max(x - high);
        if outside(x) > outside(far).max(0.0) { x } else { far }
    });
    let rounded = format!("{furthest:.6}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    let what = format!("`{}` of `{}`", hyper.name, optimizer.name);
    let help = if schedule.text.contains("to = ") {
        format!("`to` is {expected} as well")
    } else {
        format!("`{}` has to keep it there until the last step", schedule.text)
    };
    cx.out_of_range(value.span, &what, &expected, &format!("a schedule that makes it {rounded}"), help);
}

/// Steps of the warm-up.
fn warmup_steps(warmup: f64) -> Formula {
    Formula::binary(Binary::Mul, Formula::Number(warmup), variable(Variable::StepsPerEpoch))
}

/// One formula up to the end of the warm-up, and another one behind it.
fn behind_warmup(warmup: f64, during: Formula, behind: Formula) -> Formula {
    if warmup == 0.0 {
        return behind;
    }
    let is_during = Truth::compare(Relation::Le, variable(Variable::Step), warmup_steps(warmup));
    Formula::Select(Box::new(is_during), Box::new(during), Box::new(behind))
}
