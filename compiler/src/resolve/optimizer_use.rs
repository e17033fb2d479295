//! The optimizer of a model: `optimizer adam(lr = 0.01)`, with what every optimizer may be told besides.

use nnc_grammar::ast::{Argument, Call, Expr, ExprKind};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::Callee;
use super::definitions::{Definition, Origin, Sort, Tree};
use super::formula::{Formula, Rank};
use super::optimizer::{VARIABLE, body};
use super::ranges::{self, range_of};
use super::scalar::{Role, Scope, Term};
use crate::program::{Assign, Hyper, HyperValue, OptimizerUse, ScheduleUse};
use crate::scalar::{Binary, Relation, Scalar, Unary, Variable};

/// Settings that every optimizer has.
struct General {
    /// Numbers that may differ between parameters: a name, and what is said of it.
    hyper: Vec<Hyper>,
    clip_norm: Option<f64>,
    accumulate: usize,
    /// The share of the average that a step keeps.
    average: Option<f64>,
    /// As they were written.
    texts: Vec<(Option<String>, String)>,
}

/// Settings that every optimizer has, if it does not define one of the name itself.
pub(super) const GENERAL: &[&str] =
    &["decay", "l1", "l2", "clip", "clip_norm", "accumulate", "ema", FACTOR, FREEZE];

/// What the learning rate is multiplied by.
const FACTOR: &str = "lr_factor";

/// For how many epochs a parameter is left as it is.
const FREEZE: &str = "freeze";

/// Those of them that may differ between parameters, with the range of their numbers.
const DIFFERING: &[(&str, &str)] = &[
    ("decay", "nonnegative"),
    ("l1", "nonnegative"),
    ("l2", "nonnegative"),
    ("clip", "positive"),
    (FACTOR, "positive"),
    (FREEZE, "nonnegative"),
];

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
        let callee = Callee { name, span: call.span, defined, general: GENERAL };
        let is_own = |argument: &&Argument| match &argument.name {
            Some(name) => {
                let is_parameter = definition.parameters.iter().any(|known| known.name.name == name.name);
                is_parameter || !GENERAL.contains(&name.name.as_str())
            }
            None => true,
        };
        let (own, general): (Vec<&Argument>, Vec<&Argument>) = call.arguments.iter().partition(is_own);
        let (own, scoped): (Vec<&Argument>, Vec<&Argument>) =
            own.into_iter().partition(|argument| argument.scope.is_none());
        // A schedule stands for the number that it changes.
        let mut plain = Vec::with_capacity(own.len());
        let mut schedules: Vec<(Span, ScheduleUse)> = Vec::new();
        for argument in own {
            let (argument, schedule) = self.without_schedule(scope, argument)?;
            schedules.extend(schedule.map(|schedule| (argument.value.span, schedule)));
            plain.push(argument);
        }
        self.begin_formula();
        let terms = self.definition_arguments(scope, &definition, callee, &plain, 0)?;
        let Tree::Optimizer(tree) = definition.tree else { return None };
        self.check_rate(call, &terms)?;
        let mut constants = Scope::new(definition.origin, Role::Constant);
        let mut inside = Scope::new(definition.origin, Role::Optimizer);
        for scope in [&mut constants, &mut inside] {
            scope.owner = Some(id);
            scope.site = Some(call.span);
        }
        let (mut hyper, mut texts): (Vec<Hyper>, Vec<(Option<String>, String)>) = (Vec::new(), Vec::new());
        for ((name, term, is_given), parameter) in terms.iter().zip(definition.parameters) {
            constants.define(name, term.clone());
            let argument = argument_of(&plain, definition.parameters, &parameter.name.name);
            let span = argument.map_or(call.span, |argument| argument.value.span);
            let schedule = schedules.iter().find(|(of, _)| *of == span).map(|(_, schedule)| schedule.clone());
            if *is_given {
                let text = schedule.as_ref().map(|schedule| schedule.text.clone());
                let text = text.or_else(|| self.term_text(term));
                texts.extend(text.map(|text| (Some(name.clone()), text)));
            }
            let Term::Number(Formula::Number(base)) = term else {
                inside.define(name, term.clone());
                continue;
            };
            inside.define(name, Term::Number(Formula::Variable(Variable::Hyper(hyper.len() as u32))));
            let value = HyperValue { base: *base, schedule, span };
            let kind = parameter.kind.as_ref().map(|kind| kind.name.as_str());
            let ends = ends_of(name, kind);
            hyper.push(Hyper { name: name.clone(), value, ends, overrides: Vec::new() });
        }
        let general = self.general(scope, call, &general)?;
        texts.extend(general.texts.iter().cloned());
        let n_own = hyper.len();
        hyper.extend(general.hyper);
        for argument in scoped {
            let text = self.scoped(scope, call, &definition, argument, &mut hyper[..n_own])?;
            texts.push(text);
        }
        if !is_valid {
            return None;
        }
        let update = body(self, &mut inside, &constants, tree, false)?;
        let rate = hyper.iter().position(|hyper| hyper.name == VARIABLE).map(|at| at as u32);
        let mut optimizer = OptimizerUse {
            name: name.clone(),
            text: super::arguments::call_text(name, &texts),
            states: update.states,
            locals: update.locals,
            hyper,
            rate,
            assignments: update.assignments,
            clip_norm: general.clip_norm,
            accumulate: general.accumulate,
            average: None,
            factor: None,
            freeze: None,
            span: call.span,
        };
        self.around(&mut optimizer, call)?;
        if let Some(keep) = general.average {
            add_average(&mut optimizer, keep);
        }
        Some(optimizer)
    }

    /// An argument with the base of its schedule for a value, and the schedule. `None` after a report.
    fn without_schedule(
        &mut self,
        scope: &Scope,
        argument: &Argument,
    ) -> Option<(Argument, Option<ScheduleUse>)> {
        if !self.is_schedule(scope, &argument.value) {
            return Some((argument.clone(), None));
        }
        let (base, schedule) = self.schedule_use(scope, &argument.value)?;
        let kind = ExprKind::Number { value: base, text: base.to_string() };
        let value = Expr { kind, span: argument.value.span };
        Some((Argument { value, ..argument.clone() }, Some(schedule)))
    }

    /// `lr = 0.01 for head.*`: adds it to the hyper-parameter, and returns it as it was written.
    fn scoped(
        &mut self,
        scope: &Scope,
        call: &Call,
        definition: &Definition<'_>,
        argument: &Argument,
        hyper: &mut [Hyper],
    ) -> Option<(Option<String>, String)> {
        let pattern = argument.scope.clone()?;
        let Some(name) = &argument.name else {
            self.report(
                Diagnostic::new(
                    Code::E0202,
                    "a setting for some parameters needs its name",
                    argument.span,
                    "expected `name = value for …`",
                )
                .with_help(format!("for example `lr = 0.01 for {pattern}`")),
            );
            return None;
        };
        let Some(of) = hyper.iter_mut().find(|hyper| hyper.name == name.name) else {
            let mut known: Vec<&str> = hyper.iter().map(|hyper| hyper.name.as_str()).collect();
            let settings = DIFFERING.iter().map(|(name, _)| *name);
            known.extend(settings.filter(|name| !hyper.iter().any(|hyper| hyper.name == *name)));
            let is_known = definition.parameters.iter().any(|known| known.name.name == name.name);
            let mut diagnostic = Diagnostic::new(
                Code::E0202,
                format!("`{}` cannot differ between parameters", name.name),
                name.span,
                if is_known { "expected a number of the optimizer" } else { "not known" },
            )
            .with_closest(&name.name, known.iter().copied());
            if diagnostic.help.is_empty() {
                diagnostic = diagnostic.with_note(super::listed("numbers that can are", &known));
            }
            self.report(diagnostic);
            return None;
        };
        let (argument, schedule) = self.without_schedule(scope, argument)?;
        let what = format!("`{}` of `{}`", name.name, call.name.name);
        let base = self.constant(scope, &argument.value, &what)?;
        if let Some(parameter) = definition.parameters.iter().find(|known| known.name.name == name.name) {
            let callee = Callee { name: &call.name.name, span: call.span, defined: None, general: &[] };
            let term = Term::Number(Formula::Number(base));
            if !self.is_in_range(callee, parameter, Some(&argument), &term) {
                return None;
            }
        }
        let text = schedule.as_ref().map_or_else(|| base.to_string(), |schedule| schedule.text.clone());
        of.overrides.push((pattern.clone(), HyperValue { base, schedule, span: argument.value.span }));
        Some((Some(name.name.clone()), format!("{text} for {pattern}")))
    }

    /// Reads the settings that every optimizer has. `None` after a report.
    fn general(&mut self, scope: &Scope, call: &Call, arguments: &[&Argument]) -> Option<General> {
        let mut general =
            General { hyper: Vec::new(), clip_norm: None, accumulate: 1, average: None, texts: Vec::new() };
        let mut given: Vec<(&str, Span)> = Vec::new();
        for argument in arguments {
            let Some(name) = &argument.name else { continue };
            let key = name.name.as_str();
            if argument.scope.is_none() {
                if let Some((_, first)) = given.iter().find(|(known, _)| *known == key) {
                    let message = format!("argument `{key}` is given twice");
                    self.report(
                        Diagnostic::new(Code::E0206, message, argument.span, "given again here")
                            .with_label(*first, "first given here"),
                    );
                    return None;
                }
                given.push((key, argument.span));
            }
            let (plain, schedule) = self.without_schedule(scope, argument)?;
            let what = format!("`{key}` of `{}`", call.name.name);
            if key == FREEZE && argument.scope.is_none() {
                self.report_freeze_of_all(argument);
                return None;
            }
            let is_for_ever = key == FREEZE && matches!(argument.value.kind, ExprKind::Bool(true));
            let number = match is_for_ever {
                true => f64::INFINITY,
                false => self.constant(scope, &plain.value, &what)?,
            };
            let range = match key {
                "accumulate" => "count",
                "ema" => "fraction",
                "clip_norm" => "positive",
                _ => {
                    DIFFERING.iter().find(|(known, _)| *known == key).map_or("nonnegative", |(_, kind)| kind)
                }
            };
            let range = range_of(range)?;
            if !(range.holds)(number) || !number.is_finite() && !is_for_ever {
                let found = self.found(&argument.value, number);
                let help = range.help(number, None);
                self.out_of_range(argument.value.span, &what, range.text, &found, help);
                return None;
            }
            let text = match &schedule {
                Some(schedule) => schedule.text.clone(),
                None if is_for_ever => "true".to_owned(),
                None => number.to_string(),
            };
            let differs = DIFFERING.iter().any(|(known, _)| *known == key);
            if let Some(pattern) = argument.scope.as_ref().filter(|_| !differs) {
                self.report(Diagnostic::new(
                    Code::E0202,
                    format!("`{key}` cannot differ between parameters"),
                    pattern.span,
                    "expected one for all",
                ));
                return None;
            }
            if schedule.is_some() && (!differs || key == FREEZE) {
                self.wrong_argument(argument.value.span, &what, "a number that stays the same");
                return None;
            }
            match key {
                "clip_norm" => general.clip_norm = Some(number),
                // A whole number from 1, as was just checked.
                "accumulate" => general.accumulate = number.min(1e6) as usize,
                "ema" => general.average = Some(number),
                _ => {
                    let value = HyperValue { base: number, schedule, span: argument.value.span };
                    let at = general.hyper.iter().position(|hyper| hyper.name == key);
                    let at = at.unwrap_or_else(|| {
                        // Nothing is done to the parameters that are not named.
                        let base = match key {
                            "clip" => f64::INFINITY,
                            FACTOR => 1.0,
                            _ => 0.0,
                        };
                        let value = HyperValue { base, schedule: None, span: argument.value.span };
                        let (name, ends) = (key.to_owned(), range.ends);
                        general.hyper.push(Hyper { name, value, ends, overrides: Vec::new() });
                        general.hyper.len() - 1
                    });
                    let Some(hyper) = general.hyper.get_mut(at) else { continue };
                    match &argument.scope {
                        Some(pattern) => hyper.overrides.push((pattern.clone(), value)),
                        None => hyper.value = value,
                    }
                }
            }
            let scope = argument.scope.as_ref().map_or_else(String::new, |scope| format!(" for {scope}"));
            general.texts.push((Some(key.to_owned()), format!("{text}{scope}")));
        }
        Some(general)
    }

    fn report_freeze_of_all(&mut self, argument: &Argument) {
        self.report(
            Diagnostic::new(
                Code::E0202,
                "`freeze` is for some of the parameters",
                argument.span,
                "expected a pattern of their names behind it",
            )
            .with_help(
                "for example `freeze = true for hidden.*`, or `freeze = 3 for hidden.*` for three epochs",
            ),
        );
    }

    /// Puts the settings that every optimizer has around what it does itself.
    fn around(&mut self, optimizer: &mut OptimizerUse, call: &Call) -> Option<()> {
        let find = |name: &str| {
            let at = optimizer.hyper.iter().rposition(|hyper| hyper.name == name);
            let at = at.filter(|_| !self.is_parameter_of(call, name));
            at.map(|at| Scalar::Variable(Variable::Hyper(at as u32)))
        };
        let (decay, l1, l2, clip) = (find("decay"), find("l1"), find("l2"), find("clip"));
        let at = |name: &str| match find(name) {
            Some(Scalar::Variable(Variable::Hyper(at))) => Some(at),
            _ => None,
        };
        let (factor, freeze) = (at(FACTOR), at(FREEZE));
        let span = optimizer.span;
        let weight = || Scalar::Variable(Variable::Weight);
        let times = |a: Scalar, b: Scalar| Scalar::binary(Binary::Mul, a, b);
        let plus = |a: Scalar, b: Scalar| Scalar::binary(Binary::Add, a, b);
        let mut gradient = Scalar::Variable(Variable::Gradient);
        let mut before = Vec::new();
        let mut named = |locals: &mut Vec<String>, name: &str, value: Scalar| {
            let mut name = name.to_owned();
            while locals.contains(&name) {
                name.push('_');
            }
            let local = Variable::Local(locals.len() as u32);
            locals.push(name);
            before.push(Assign { target: local, value, is_norm: false, span });
            Scalar::Variable(local)
        };
        if optimizer.accumulate > 1 {
            let share = Scalar::Number(1.0 / optimizer.accumulate as f64);
            gradient = named(&mut optimizer.locals, "mean_gradient", times(share, gradient));
        }
        if optimizer.clip_norm.is_some() {
            let scale = Scalar::Variable(Variable::ClipScale);
            gradient = named(&mut optimizer.locals, "clipped", times(scale, gradient));
        }
        if let Some(clip) = clip {
            let low = Scalar::unary(Unary::Neg, clip.clone());
            let held = Scalar::binary(Binary::Min, Scalar::binary(Binary::Max, gradient, low), clip);
            gradient = named(&mut optimizer.locals, "held", held);
        }
        if l1.is_some() || l2.is_some() {
            let l2 = l2.map(|l2| times(l2, weight()));
            let l1 = l1.map(|l1| times(l1, Scalar::unary(Unary::Sign, weight())));
            let penalized = [l2, l1].into_iter().flatten().fold(gradient, plus);
            gradient = named(&mut optimizer.locals, "penalized", penalized);
        }
        (optimizer.factor, optimizer.freeze) = (factor, freeze);
        if factor.is_some() && optimizer.rate.is_none() {
            let message = format!("`{}` has no learning rate for `{FACTOR}` to multiply", optimizer.name);
            let label = "expected an optimizer with a hyper-parameter `lr`";
            self.report(Diagnostic::new(Code::E0202, message, span, label));
            return None;
        }
        if let Some(decay) = decay {
            let Some(rate) = optimizer.rate else {
                self.report(
                    Diagnostic::new(
                        Code::E0202,
                        format!("`{}` has no learning rate for `decay` to go by", optimizer.name),
                        span,
                        "expected an optimizer with a hyper-parameter `lr`",
                    )
                    .with_help("`l2` adds to the gradient instead"),
                );
                return None;
            };
            let lost = times(Scalar::Variable(Variable::Hyper(rate)), decay);
            let kept = Scalar::binary(Binary::Sub, Scalar::Number(1.0), lost);
            let value = times(kept, weight());
            before.push(Assign { target: Variable::Weight, value, is_norm: false, span });
        }
        for assign in &mut optimizer.assignments {
            assign.value = assign
                .value
                .substitute(&mut |variable| (variable == Variable::Gradient).then(|| gradient.clone()));
        }
        before.append(&mut optimizer.assignments);
        optimizer.assignments = before;
        Some(())
    }

    /// Whether the optimizer of a call defines a parameter of this name itself.
    fn is_parameter_of(&self, call: &Call, name: &str) -> bool {
        let id = self.lookup(Origin::User, Sort::Optimizer, &call.name.name);
        let definition = id.and_then(|id| self.definition(id));
        definition.is_some_and(|definition| definition.parameters.iter().any(|known| known.name.name == name))
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
        let (expected, help) = ("a number above 0", ranges::help(value, |x| x > 0.0, None, "0.01"));
        match given {
            Some(argument) => {
                let found = self.found(&argument.value, value);
                self.out_of_range(argument.value.span, &what, expected, &found, help);
            }
            None => {
                let help = format!("`{}({VARIABLE} = 0.01)`", call.name.name);
                self.out_of_range(call.span, &what, expected, &format!("the default {value}"), help);
            }
        }
        None
    }
}

/// What a schedule may make of a hyper-parameter of this kind.
fn ends_of(name: &str, kind: Option<&str>) -> (f64, f64) {
    // A learning rate is above 0 whether or not its optimizer says so.
    let kind = kind.or((name == VARIABLE).then_some("positive"));
    kind.and_then(range_of).map_or((f64::NEG_INFINITY, f64::INFINITY), |range| range.ends)
}

/// The argument that is bound to a parameter: by name, or by its place.
fn argument_of<'a>(
    arguments: &'a [Argument],
    parameters: &[nnc_grammar::ast::Parameter],
    name: &str,
) -> Option<&'a Argument> {
    let named = |argument: &&Argument| argument.name.as_ref().is_some_and(|given| given.name == name);
    let at = parameters.iter().position(|parameter| parameter.name.name == name)?;
    let mut by_place = arguments.iter().filter(|argument| argument.name.is_none());
    arguments.iter().find(named).or_else(|| by_place.nth(at))
}

/// Adds a moving average of the weights, which begins as the weights after the first step.
fn add_average(optimizer: &mut OptimizerUse, keep: f64) {
    let mut name = "average".to_owned();
    while optimizer.states.iter().any(|(known, _)| *known == name) {
        name.push('_');
    }
    let state = optimizer.states.len() as u32;
    optimizer.states.push((name, Scalar::Number(0.0)));
    let keep = Scalar::select(
        Relation::Gt,
        Scalar::Variable(Variable::Step),
        Scalar::Number(1.0),
        Scalar::Number(keep),
        Scalar::Number(0.0),
    );
    let kept = Scalar::binary(Binary::Mul, keep.clone(), Scalar::Variable(Variable::State(state)));
    let share = Scalar::binary(Binary::Sub, Scalar::Number(1.0), keep);
    let new = Scalar::binary(Binary::Mul, share, Scalar::Variable(Variable::Weight));
    optimizer.assignments.push(Assign {
        target: Variable::State(state),
        value: Scalar::binary(Binary::Add, kept, new),
        is_norm: false,
        span: optimizer.span,
    });
    optimizer.average = Some(state);
}
