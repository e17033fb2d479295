//! The optimizer of a program becomes that of a graph: its numbers are put in for every parameter.
//!
//! Hyper-parameters may differ between parameters (`decay = 0 for *.bias`) and may follow a schedule. Parameters with
//! the same numbers form a group. A schedule becomes a formula over the learning rate and the time. States that nothing
//! depends on, for what they are for is switched off, are left out.

use nnc_grammar::ast::Pattern;
use nnc_grammar::diagnostic::{Code, Diagnostic};

use crate::graph::{Group, Optimizer, Parameter, Phase, Role};
use crate::program::{Assign, Hyper, HyperValue, OptimizerUse};
use crate::scalar::{Binary, Relation, Scalar, Variable, simplify};

/// Freezes the parameters of which the optimizer says so for ever.
///
/// # Errors
/// E0223 for a setting that is for no trained parameter.
pub fn freeze(optimizer: &OptimizerUse, parameters: &mut [Parameter]) -> Result<(), Vec<Diagnostic>> {
    let Some(freeze) = optimizer.freeze.and_then(|at| optimizer.hyper.get(at as usize)) else {
        return Ok(());
    };
    let faults = unmatched(&freeze.overrides, parameters);
    if !faults.is_empty() {
        return Err(faults);
    }
    for parameter in parameters.iter_mut().filter(|parameter| parameter.role == Role::Trained) {
        if frozen_epochs(optimizer, parameter).is_infinite() {
            parameter.role = Role::Frozen;
        }
    }
    Ok(())
}

/// For how many epochs a parameter is left as it is.
fn frozen_epochs(optimizer: &OptimizerUse, parameter: &Parameter) -> f64 {
    let freeze = optimizer.freeze.and_then(|at| optimizer.hyper.get(at as usize));
    let mut said = freeze.into_iter().flat_map(|freeze| freeze.overrides.iter().rev());
    said.find(|(pattern, _)| pattern.matches(&parameter.name)).map_or(0.0, |(_, value)| value.base)
}

/// Puts the numbers of an optimizer in.
///
/// # Errors
/// E0223 for a setting that no trained parameter gets.
pub fn specialize(optimizer: &OptimizerUse, parameters: &[Parameter]) -> Result<Optimizer, Vec<Diagnostic>> {
    let settings = optimizer.hyper.iter().enumerate();
    let settings = settings.filter(|(n, _)| optimizer.freeze != Some(*n as u32));
    let faults: Vec<Diagnostic> =
        settings.flat_map(|(_, hyper)| unmatched(&hyper.overrides, parameters)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut schedules = Schedules::default();
    let plain: Vec<Scalar> = optimizer.hyper.iter().map(|hyper| schedules.base(optimizer, hyper)).collect();
    // Numbers of a group and the epoch until which it is frozen, and what its update does.
    type Group = ((Vec<Scalar>, f64), Vec<Assign>);
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let epochs = frozen_epochs(optimizer, parameter);
        let numbers: Vec<Scalar> = optimizer
            .hyper
            .iter()
            .zip(&plain)
            .map(|(hyper, plain)| {
                let matching =
                    hyper.overrides.iter().rev().find(|(pattern, _)| pattern.matches(&parameter.name));
                matching.map_or_else(
                    || plain.clone(),
                    |(_, value)| schedules.of_some(optimizer, hyper, plain, value),
                )
            })
            .collect();
        let numbers = (with_factor(optimizer, numbers), epochs);
        // What is not trained belongs to any group.
        let at = groups.iter().position(|(known, _)| *known == numbers);
        let at = match at {
            _ if parameter.role != Role::Trained => 0,
            Some(at) => at,
            None => {
                let assignments = held_back(optimizer, &optimizer.assignments, epochs);
                let assignments = with_numbers(&assignments, &numbers.0);
                groups.push((numbers, assignments));
                groups.len() - 1
            }
        };
        group_of.push(at);
    }
    if groups.is_empty() {
        let assignments = with_numbers(&optimizer.assignments, &plain);
        groups.push(((plain.clone(), 0.0), assignments));
    }
    let rate = optimizer.rate.and_then(|rate| optimizer.hyper.get(rate as usize));
    let scheduled = rate.is_some_and(|rate| rate.value.schedule.is_some());
    let scheduled_rate =
        optimizer.rate.filter(|_| scheduled).and_then(|rate| plain.get(rate as usize).cloned());
    let mut states: Vec<(String, f64)> = optimizer
        .states
        .iter()
        .map(|(name, initial)| (name.clone(), crate::scalar::evaluate(initial, &mut |_| 0.0)))
        .collect();
    let mut average = optimizer.average.map(|state| state as usize);
    let mut groups: Vec<Vec<Assign>> = groups.into_iter().map(|(_, assignments)| assignments).collect();
    drop_unused(&mut groups, &mut states, &mut average);
    let groups =
        groups.into_iter().map(|assignments| phases(optimizer, assignments)).collect::<Result<_, _>>()?;
    Ok(Optimizer {
        name: optimizer.name.clone(),
        text: optimizer.text.clone(),
        states,
        locals: optimizer.locals.clone(),
        rate: rate.map(|rate| rate.value.base),
        groups,
        group_of,
        clip_norm: optimizer.clip_norm,
        accumulate: optimizer.accumulate,
        adds_up: false,
        average,
        schedule_states: schedules.states,
        schedule_updates: schedules.updates,
        scheduled_rate,
        warmup: schedules.warmup,
        span: optimizer.span,
    })
}

/// The learning rate of a parameter times its factor.
fn with_factor(optimizer: &OptimizerUse, mut numbers: Vec<Scalar>) -> Vec<Scalar> {
    let factor = optimizer.factor.and_then(|at| numbers.get(at as usize).cloned());
    let rate = optimizer.rate.and_then(|at| numbers.get_mut(at as usize));
    if let (Some(factor), Some(rate)) = (factor, rate) {
        *rate = simplify(&Scalar::binary(Binary::Mul, factor, rate.clone()));
    }
    numbers
}

/// Assignments that leave weight and states as they are for so many epochs, and then do what they would have done from
/// the first step on. The average of the weights follows them all the time.
fn held_back(optimizer: &OptimizerUse, assignments: &[Assign], epochs: f64) -> Vec<Assign> {
    if epochs == 0.0 {
        return assignments.to_vec();
    }
    let steps =
        Scalar::binary(Binary::Mul, Scalar::Number(epochs), Scalar::Variable(Variable::StepsPerEpoch));
    let since = Scalar::binary(Binary::Sub, Scalar::Variable(Variable::Step), steps);
    let held = assignments.iter().map(|assign| {
        if optimizer.average.map(Variable::State) == Some(assign.target) {
            return assign.clone();
        }
        let value =
            assign.value.substitute(&mut |variable| (variable == Variable::Step).then(|| since.clone()));
        let value = match assign.target {
            Variable::Local(_) => value,
            target => {
                let zero = Scalar::Number(0.0);
                Scalar::select(Relation::Gt, since.clone(), zero, value, Scalar::Variable(target))
            }
        };
        Assign { value, ..assign.clone() }
    });
    held.collect()
}

/// Settings whose pattern names no trained parameter.
fn unmatched(settings: &[(Pattern, HyperValue)], parameters: &[Parameter]) -> Vec<Diagnostic> {
    let names =
        || parameters.iter().filter(|parameter| parameter.role == Role::Trained).map(|p| p.name.as_str());
    let mut faults = Vec::new();
    for (pattern, _) in settings {
        if names().any(|name| pattern.matches(name)) {
            continue;
        }
        let mut fault = Diagnostic::new(
            Code::E0223,
            format!("no trained parameter is called `{pattern}`"),
            pattern.span,
            "expected the name of a parameter, or `*` for a part of it",
        )
        .with_closest(&pattern.to_string(), names());
        if fault.help.is_empty() {
            let some: Vec<String> = names().take(8).map(|name| format!("`{name}`")).collect();
            fault = fault.with_note(format!("parameters are {}", some.join(", ")));
        }
        faults.push(fault);
    }
    faults
}

/// Schedules on their way into formulas.
#[derive(Default)]
struct Schedules {
    states: Vec<(String, f64)>,
    updates: Vec<Scalar>,
    warmup: f64,
}

impl Schedules {
    /// What a hyper-parameter is for parameters that nothing else is said of.
    fn base(&mut self, optimizer: &OptimizerUse, hyper: &Hyper) -> Scalar {
        let is_rate = is_rate(optimizer, hyper);
        let base =
            if is_rate { Scalar::Variable(Variable::Hyper(0)) } else { Scalar::Number(hyper.value.base) };
        self.scheduled(&hyper.value, base)
    }

    /// What it is for some. A learning rate of some stays in proportion to that of all when that is changed.
    fn of_some(
        &mut self,
        optimizer: &OptimizerUse,
        hyper: &Hyper,
        plain: &Scalar,
        value: &HyperValue,
    ) -> Scalar {
        if !is_rate(optimizer, hyper) {
            return self.scheduled(value, Scalar::Number(value.base));
        }
        let factor = Scalar::Number(value.base / hyper.value.base);
        let rate = if value.schedule.is_some() { &Scalar::Variable(Variable::Hyper(0)) } else { plain };
        let base = Scalar::binary(Binary::Mul, factor, rate.clone());
        simplify(&self.scheduled(value, base))
    }

    fn scheduled(&mut self, value: &HyperValue, base: Scalar) -> Scalar {
        let Some(schedule) = &value.schedule else { return base };
        self.warmup = self.warmup.max(schedule.warmup);
        let first = self.states.len() as u32;
        let put = |scalar: &Scalar| {
            simplify(&scalar.substitute(&mut |variable| match variable {
                Variable::Hyper(_) => Some(base.clone()),
                Variable::ScheduleState(n) => Some(Scalar::Variable(Variable::ScheduleState(first + n))),
                _ => None,
            }))
        };
        for (name, initial) in &schedule.states {
            let mut unique = name.clone();
            let mut n = 1;
            while self.states.iter().any(|(known, _)| *known == unique) {
                n += 1;
                unique = format!("{name}_{n}");
            }
            self.states.push((unique, *initial));
        }
        self.updates.extend(schedule.updates.iter().map(put));
        put(&schedule.value)
    }
}

fn is_rate(optimizer: &OptimizerUse, hyper: &Hyper) -> bool {
    let rate = optimizer.rate.and_then(|rate| optimizer.hyper.get(rate as usize));
    rate.is_some_and(|rate| rate.name == hyper.name && rate.value.span == hyper.value.span)
}

/// Assignments with the numbers of one group.
fn with_numbers(assignments: &[Assign], numbers: &[Scalar]) -> Vec<Assign> {
    let assigned = assignments.iter().map(|assign| {
        let value = assign.value.substitute(&mut |variable| match variable {
            Variable::Hyper(n) => numbers.get(n as usize).cloned(),
            _ => None,
        });
        Assign { value: simplify(&value), ..assign.clone() }
    });
    // What a number switches off, `weight * (1 - 0)`, is no assignment.
    assigned.filter(|assign| assign.value != Scalar::Variable(assign.target)).collect()
}

/// Leaves out states and local values that no weight depends on.
fn drop_unused(groups: &mut [Vec<Assign>], states: &mut Vec<(String, f64)>, average: &mut Option<usize>) {
    let mut is_live = vec![false; states.len()];
    if let Some(live) = average.and_then(|average| is_live.get_mut(average)) {
        *live = true;
    }
    // A state of one group is one of all: its memory has the form of all parameters.
    loop {
        let before = is_live.clone();
        for variable in groups.iter().flat_map(|group| needed(group, &before)) {
            if let Variable::State(n) = variable
                && let Some(live) = is_live.get_mut(n as usize)
            {
                *live = true;
            }
        }
        if before == is_live {
            break;
        }
    }
    for group in groups.iter_mut() {
        let needed = needed(group, &is_live);
        group.retain(|assign| match assign.target {
            Variable::State(n) => is_live.get(n as usize).copied().unwrap_or(true),
            Variable::Local(_) => needed.contains(&assign.target),
            _ => true,
        });
    }
    let new: Vec<usize> = is_live
        .iter()
        .scan(0, |next, live| {
            let here = *next;
            *next += usize::from(*live);
            Some(here)
        })
        .collect();
    let renumber = |variable: Variable| match variable {
        Variable::State(n) => Variable::State(new.get(n as usize).map_or(n, |new| *new as u32)),
        other => other,
    };
    for assign in groups.iter_mut().flatten() {
        assign.target = renumber(assign.target);
        assign.value = assign.value.substitute(&mut |variable| Some(Scalar::Variable(renumber(variable))));
    }
    *average = average.and_then(|average| new.get(average).copied());
    let mut live = is_live.iter();
    states.retain(|_| live.next().copied().unwrap_or(true));
}

/// What the new weight, and the states that are live, are made of.
fn needed(group: &[Assign], is_live: &[bool]) -> Vec<Variable> {
    let mut needed: Vec<Variable> = Vec::new();
    for assign in group.iter().rev() {
        let matters = match assign.target {
            Variable::State(n) => is_live.get(n as usize).copied().unwrap_or(false),
            Variable::Local(_) => needed.contains(&assign.target),
            _ => true,
        };
        if matters {
            assign.value.variables(&mut |variable| {
                if !needed.contains(&variable) {
                    needed.push(variable);
                }
            });
        }
    }
    needed
}

/// Divides what is done to an element into passes: what depends on a norm waits until the whole tensor was seen.
fn phases(optimizer: &OptimizerUse, assignments: Vec<Assign>) -> Result<Group, Vec<Diagnostic>> {
    let mut phases = vec![Phase::default()];
    // Local values of earlier phases, as formulas over what is in memory then.
    let mut earlier: Vec<(Variable, Scalar, Vec<Variable>)> = Vec::new();
    for mut assign in assignments {
        let pending = phases.last().map(|phase| phase.norms.clone()).unwrap_or_default();
        if pending.iter().any(|(local, _)| assign.value.depends_on(Variable::Local(*local))) {
            let ended = phases.last().map(|phase| phase.assignments.clone()).unwrap_or_default();
            earlier.extend(of_memory(&ended, &earlier));
            phases.push(Phase::default());
        }
        let mut stale = None;
        assign.value = assign.value.substitute(&mut |variable| {
            let (_, value, changed) = earlier.iter().find(|(local, ..)| *local == variable)?;
            if let Some(changed) = changed.first() {
                stale = Some((variable, *changed));
            }
            Some(value.clone())
        });
        if let Some((local, changed)) = stale {
            return Err(vec![report_stale(optimizer, &assign, local, changed)]);
        }
        let Some(phase) = phases.last_mut() else { continue };
        match assign.target {
            Variable::Local(local) if assign.is_norm => phase.norms.push((local, simplify(&assign.value))),
            _ => phase.assignments.push(Assign { value: simplify(&assign.value), ..assign }),
        }
    }
    phases.iter_mut().for_each(drop_unread);
    Ok(Group { phases })
}

/// A local value that only later phases read has been put into their formulas.
fn drop_unread(phase: &mut Phase) {
    for at in (0..phase.assignments.len()).rev() {
        let Some(assign) = phase.assignments.get(at) else { continue };
        let (target, later) = (assign.target, phase.assignments.iter().skip(at + 1));
        let mut readers = later.map(|later| &later.value).chain(phase.norms.iter().map(|(_, norm)| norm));
        if matches!(target, Variable::Local(_)) && !readers.any(|value| value.depends_on(target)) {
            phase.assignments.remove(at);
        }
    }
}

/// The local values of a phase over weight, gradient and states, and which of those have changed since.
fn of_memory(
    phase: &[Assign],
    earlier: &[(Variable, Scalar, Vec<Variable>)],
) -> Vec<(Variable, Scalar, Vec<Variable>)> {
    let mut locals: Vec<(Variable, Scalar, Vec<Variable>)> = Vec::new();
    for (at, assign) in phase.iter().enumerate() {
        if !matches!(assign.target, Variable::Local(_)) {
            continue;
        }
        let known = earlier.iter().chain(&locals);
        let known: Vec<(Variable, Scalar)> = known.map(|(local, value, _)| (*local, value.clone())).collect();
        let value = assign.value.substitute(&mut |variable| {
            known.iter().find(|(local, _)| *local == variable).map(|(_, value)| value.clone())
        });
        let mut changed: Vec<Variable> = Vec::new();
        value.variables(&mut |variable| {
            if phase.iter().skip(at).any(|later| later.target == variable) {
                changed.push(variable);
            }
        });
        // A value that was made of an outdated one is outdated as well.
        for (local, _, others) in earlier.iter().chain(&locals) {
            if assign.value.depends_on(*local) {
                changed.extend(others);
            }
        }
        locals.push((assign.target, value, changed));
    }
    locals
}

fn report_stale(optimizer: &OptimizerUse, assign: &Assign, local: Variable, changed: Variable) -> Diagnostic {
    let name = |variable: Variable| match variable {
        Variable::Local(n) => optimizer.locals.get(n as usize).cloned().unwrap_or_default(),
        Variable::State(n) => {
            optimizer.states.get(n as usize).map_or_else(String::new, |(name, _)| name.clone())
        }
        _ => "weight".to_owned(),
    };
    let (local, changed) = (name(local), name(changed));
    Diagnostic::new(
        Code::E0217,
        format!("`{local}` is needed behind a norm, and `{changed}` that it was made of has changed"),
        assign.span,
        format!("expected `{local}` to be computed after the last assignment to `{changed}`"),
    )
    .with_label(optimizer.span, "in this optimizer")
    .with_note("a norm takes a pass over the whole tensor; what comes behind it is computed in another")
}
