//! Cells: one step of a recurrent network, and where it is used.
//!
//! A use becomes one application that holds the step as applications of its own: value 0 is what the step is given of
//! the sequence, the states before the step come behind it, and then whatever the statements compute. A formula is an
//! application of an activation to several values. A state that is assigned is from there on what it was assigned; what
//! it is at the end is the state of the next step.

use std::sync::Arc;

use nnc_grammar::ast::{
    Argument, Assignment, Block, Call, Expr, ExprKind, Ident, Let, Stage, StageKind, Statement,
};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::body::{Frame, Place, Running, Value, Walk};
use super::definitions::{DefId, Tree};
use super::formula::{Formula, Rank};
use super::scalar::{Role, Scope, Term};
use crate::program::{ActivationBody, Cell, CellState, Input, Kind, ValueId};
use crate::scalar::Variable;

/// What a use says beside the parameters of the cell.
pub(super) const SETTINGS: &[&str] = &["output", "reverse", "bidirectional", "carry", "mask"];

/// How a use runs the step, and what it gives.
#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    is_last: bool,
    is_reverse: bool,
    is_bidirectional: bool,
    carry: Option<Span>,
}

/// A state while the body is walked.
struct Declared<'a> {
    name: &'a Ident,
    span: Span,
    len: usize,
    initial: f64,
    is_assigned: bool,
}

/// Checks a cell by itself.
pub(super) fn check<'a>(cx: &mut Cx<'a>, id: DefId, cell: &'a Block) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let n_before = cx.diagnostics.len();
    let scope = cx.opaque_scope(id, &definition, Role::Constant);
    let mut walk = Walk::default();
    walk.is_dry = true;
    let mut frame = frame(&scope, String::new(), None);
    cx.step(&mut walk, &mut frame, cell);
    let is_valid = !cx.errors_since(n_before);
    if is_valid {
        cx.warn_of_unused_values(&walk);
    }
    is_valid
}

fn frame(scope: &Scope, path: String, site: Option<Span>) -> Frame<'_> {
    Frame { scope, place: Place::Inside, path, site, running: Running::One(None), base: 0 }
}

impl<'a> Cx<'a> {
    /// The use of a cell in a chain.
    pub(super) fn cell_call(
        &mut self,
        walk: &mut Walk<'a>,
        frame_of_use: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        id: DefId,
    ) -> Value {
        let label = stage.label.as_ref();
        let name = self.layer_name(&mut walk.names, &frame_of_use.path, label, &call.name.name);
        let value = self.take(walk, frame_of_use, call.span);
        let is_setting = |argument: &&Argument| {
            argument.name.as_ref().is_some_and(|name| SETTINGS.contains(&name.name.as_str()))
        };
        let own: Vec<Argument> =
            call.arguments.iter().filter(|argument| !is_setting(argument)).cloned().collect();
        let given: Vec<&Argument> = call.arguments.iter().filter(is_setting).collect();
        let settings = self.cell_settings(frame_of_use.scope, &given);
        let masks = given.iter().find(|argument| {
            argument.name.as_ref().is_some_and(|name| name.name == "mask")
                && !self.is_nothing(frame_of_use.scope, &argument.value)
        });
        let mask = masks.map(|mask| self.given_value(walk, frame_of_use, &call.name.name, mask));
        let terms = self.used_definition(walk, frame_of_use, call, &own, (id, 0));
        let (Some(settings), Some(terms)) = (settings, terms) else { return walk.poison() };
        if walk.is_dry {
            return None;
        }
        let Some(definition) = self.definition(id) else { return walk.poison() };
        let Tree::Block(cell) = definition.tree else { return walk.poison() };
        let mut scope = Scope::new(definition.origin, Role::Constant);
        let site = frame_of_use.site.unwrap_or(stage.span);
        scope.owner = Some(id);
        scope.site = Some(frame_of_use.scope.site.unwrap_or(call.span));
        let text = self.use_text(&call.name.name, &terms);
        for (name, term, _) in terms {
            scope.define(&name, term);
        }
        let n_before = self.diagnostics.len();
        let path = format!("{name}.");
        walk.names.begin(&path, &cell.body);
        let names = std::mem::take(&mut walk.names);
        let mut inside = Walk::default();
        (inside.names, inside.is_frozen) = (names, walk.is_frozen);
        let mut frame = frame(&scope, path, Some(site));
        let step = self.step(&mut inside, &mut frame, cell);
        walk.names = std::mem::take(&mut inside.names);
        self.tell_use(n_before, call);
        let (Some((states, output)), Some(value), false) = (step, value, inside.is_poisoned) else {
            return walk.poison();
        };
        let mut inputs = vec![value];
        match mask {
            Some(Some(mask)) => inputs.push(mask),
            // That it is not known was reported.
            Some(None) => return walk.poison(),
            None => {}
        }
        let Settings { is_last, is_reverse, is_bidirectional, carry } = settings;
        let (name_of_cell, steps) = (call.name.name.clone(), inside.applications);
        let cell = Cell {
            name: name_of_cell,
            text,
            states,
            steps,
            output,
            is_last,
            is_reverse,
            is_bidirectional,
            carry,
            mask: masks.map(|mask| mask.span),
            span: definition.name.span,
        };
        let kind = Kind::Cell(Arc::new(cell));
        self.apply(walk, frame_of_use, (name, label.is_some()), kind, inputs, (stage.span, call.span))
    }

    /// `output = last`, `reverse = true`, `bidirectional = true`. `None` after a report.
    fn cell_settings(&mut self, scope: &Scope, given: &[&Argument]) -> Option<Settings> {
        let mut settings = Settings::default();
        let mut is_valid = true;
        for (n, argument) in given.iter().enumerate() {
            let Some(name) = &argument.name else { continue };
            let earlier = given
                .iter()
                .take(n)
                .find(|first| first.name.as_ref().is_some_and(|first| first.name == name.name));
            if let Some(first) = earlier {
                let message = format!("argument `{}` is given twice", name.name);
                self.report(
                    Diagnostic::new(Code::E0206, message, argument.span, "given again here")
                        .with_label(first.span, "first given here"),
                );
                is_valid = false;
                continue;
            }
            let what = format!("`{}`", name.name);
            if name.name == "mask" {
                continue;
            }
            if name.name == "output" {
                match &argument.value.kind {
                    ExprKind::Name(word) if word == "last" || word == "every" => {
                        settings.is_last = word == "last"
                    }
                    _ => {
                        self.wrong_argument(argument.value.span, &what, "`every` or `last`");
                        is_valid = false;
                    }
                }
                continue;
            }
            match self.flag(scope, &argument.value, &what) {
                Some(flag) if name.name == "reverse" => settings.is_reverse = flag,
                Some(flag) if name.name == "carry" => settings.carry = flag.then_some(argument.span),
                Some(flag) => settings.is_bidirectional = flag,
                None => is_valid = false,
            }
        }
        if settings.is_reverse && settings.is_bidirectional {
            let span = given.last().map_or(Span::default(), |last| last.span);
            self.report(
                Diagnostic::new(
                    Code::E0205,
                    "`reverse` and `bidirectional` exclude each other",
                    span,
                    "expected one of them",
                )
                .with_help("`bidirectional = true` runs both ways already"),
            );
            return None;
        }
        if let Some(carry) = settings.carry.filter(|_| settings.is_reverse || settings.is_bidirectional) {
            let word = if settings.is_reverse { "reverse" } else { "bidirectional" };
            let is_it = |argument: &&&Argument| argument.name.as_ref().is_some_and(|name| name.name == word);
            let mut fault = Diagnostic::new(
                Code::E0205,
                format!("`carry` and `{word}` exclude each other"),
                carry,
                "expected a cell that runs from the first position to the last",
            );
            if let Some(other) = given.iter().find(is_it) {
                fault = fault.with_label(other.span, "this one begins at the last position");
            }
            self.report(fault.with_note("what is carried is the state behind a window, before the next one"));
            return None;
        }
        is_valid.then_some(settings)
    }

    /// Walks the body of a cell: its states with what they become, and its output.
    fn step(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        cell: &'a Block,
    ) -> Option<(Vec<CellState>, ValueId)> {
        let n_before = self.diagnostics.len();
        let mut states = self.declared(walk, frame, cell);
        let is_known = |n: usize| (!walk.is_dry).then_some(ValueId(n as u32));
        let (input, before): (Value, Vec<Value>) = (is_known(0), (1..=states.len()).map(is_known).collect());
        walk.give("input", input, cell.name.span);
        for (state, value) in states.iter().zip(before) {
            walk.give(&state.name.name, value, state.name.span);
        }
        frame.running = Running::One(input);
        let mut output: Option<(&'a Ident, Value)> = None;
        for statement in &cell.body.statements {
            match statement {
                Statement::State(_) => {}
                Statement::Let(binding) => self.cell_binding(walk, frame, binding),
                Statement::Assignment(assignment) => {
                    self.cell_assignment(walk, frame, assignment, &mut states)
                }
                Statement::Output(statement) => self.cell_output(walk, frame, statement, &mut output),
                Statement::Chain(chain) => self.report_misplaced_in_cell(
                    "a chain",
                    chain.span,
                    "expected a name for its value",
                    "`let name = …` names the value of a chain, `state = …` assigns a formula",
                ),
                Statement::Input(input) => self.report_misplaced_in_cell(
                    "`input`",
                    input.span,
                    "expected a step",
                    "what the step is given of the sequence is called `input`",
                ),
                Statement::Loss(call) | Statement::Optimizer(call) => {
                    self.report_misplaced_in_cell(
                        "this",
                        call.span,
                        "expected a step",
                        "put it into a model",
                    );
                }
                Statement::Metrics(metrics) => {
                    self.report_misplaced_in_cell(
                        "this",
                        metrics.span,
                        "expected a step",
                        "put it into a model",
                    );
                }
            }
        }
        let states = self.finished(walk, frame, cell, &states, output.is_some());
        walk.forget(0);
        let (_, output) = output?;
        (!self.errors_since(n_before)).then_some(())?;
        Some((states?, output?))
    }

    fn report_misplaced_in_cell(&mut self, what: &str, span: Span, label: &str, help: &str) {
        let message = format!("{what} has no place in a cell");
        self.report(Diagnostic::new(Code::E0216, message, span, label).with_help(help));
    }

    /// The states that a cell declares. Each is an input of the walk, behind that of the sequence.
    fn declared(&mut self, walk: &mut Walk<'a>, frame: &Frame<'_>, cell: &'a Block) -> Vec<Declared<'a>> {
        let mut states: Vec<Declared<'a>> = Vec::new();
        let input = |name: &str, span| Input { name: name.to_owned(), shape: Vec::new(), span };
        walk.inputs.push(input("input", cell.name.span));
        for state in cell.body.statements.iter().flat_map(|statement| match statement {
            Statement::State(states) => states.as_slice(),
            _ => &[],
        }) {
            let name = &state.name;
            if let Some(first) = states.iter().find(|first| first.name.name == name.name) {
                let diagnostic = super::defined_twice("state", &name.name, first.name.span, name.span);
                self.report(diagnostic);
                continue;
            }
            let what = format!("the shape of state `{}`", name.name);
            let len = match &state.shape {
                Some(shape) => self.shape(frame.scope, shape, &what, Code::E0301).and_then(|sizes| {
                    if let [len] = *sizes.as_slice() {
                        return Some(len);
                    }
                    self.report(
                        Diagnostic::new(
                            Code::E0301,
                            format!("state `{}` is no vector", name.name),
                            shape.span,
                            format!("expected `[size]`, found {sizes:?}"),
                        )
                        .with_help("a state has one axis: what goes from step to step are features"),
                    );
                    None
                }),
                None => {
                    let example = format!("state {}: [hidden] = 0", name.name);
                    self.report(
                        Diagnostic::new(
                            Code::E0217,
                            format!("state `{}` has no shape", name.name),
                            state.span,
                            "expected a shape, found none",
                        )
                        .with_help(format!("write `{example}`")),
                    );
                    None
                }
            };
            let initial = match &state.initial {
                Some(initial) => self.constant(frame.scope, initial, &format!("state `{}`", name.name)),
                None => Some(0.0),
            };
            walk.is_poisoned |= len.is_none() || initial.is_none();
            walk.inputs.push(input(&name.name, name.span));
            let (len, initial) = (len.unwrap_or(1), initial.unwrap_or(0.0));
            states.push(Declared { name, span: state.span, len, initial, is_assigned: false });
        }
        states
    }

    /// What is missing is reported. The states with the values that they end with.
    fn finished(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        cell: &Block,
        states: &[Declared<'_>],
        has_output: bool,
    ) -> Option<Vec<CellState>> {
        let name = &cell.name;
        if states.is_empty() {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("cell `{}` has no state", name.name),
                    name.span,
                    "expected a statement `state`, found none",
                )
                .with_help("`state h: [hidden] = 0`; without a state, a `block` does"),
            );
        }
        if !has_output {
            let example = states.first().map_or("h", |state| state.name.name.as_str());
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("cell `{}` has no output", name.name),
                    name.span,
                    "expected a statement `output`, found none",
                )
                .with_help(format!("say what a step gives: `output {example}`")),
            );
        }
        for state in states.iter().filter(|state| !state.is_assigned) {
            let name = &state.name.name;
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("state `{name}` is never assigned"),
                    state.span,
                    "it would stay what it is at the start",
                )
                .with_help(format!("say what it becomes: `{name} = …`")),
            );
        }
        let end = |state: &Declared<'_>| {
            let next = walk.value(frame, &state.name.name)??;
            let name = state.name.name.clone();
            Some(CellState { name, len: state.len, initial: state.initial, next, span: state.span })
        };
        states.iter().map(end).collect()
    }

    fn cell_output(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        statement: &'a nnc_grammar::ast::Output,
        output: &mut Option<(&'a Ident, Value)>,
    ) {
        for name in &statement.names {
            if let Some((first, _)) = output {
                self.report(
                    Diagnostic::new(Code::E0206, "a cell has one output", name.span, "the second")
                        .with_label(first.span, "the first")
                        .with_help("`concat(a, b)` puts values side by side"),
                );
                continue;
            }
            *output = Some((name, self.named_value(walk, frame, &name.name, name.span)));
        }
    }

    /// `state = formula`, or `let name = formula`.
    fn cell_assignment(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        assignment: &Assignment,
        states: &mut [Declared<'_>],
    ) {
        let name = &assignment.name;
        let value = self.cell_formula(walk, frame, name, &assignment.value, assignment.span);
        if assignment.is_let {
            return self.name_value(walk, frame, &name.name, name.span, value, false);
        }
        if let Some(state) = states.iter_mut().find(|state| state.name.name == name.name) {
            state.is_assigned = true;
            return walk.set_value(frame, &name.name, value);
        }
        let known: Vec<&str> = states.iter().map(|state| state.name.name.as_str()).collect();
        let mut diagnostic = Diagnostic::new(
            Code::E0207,
            format!("unknown state `{}`", name.name),
            name.span,
            "not known here",
        )
        .with_closest(&name.name, known.iter().copied());
        if diagnostic.help.is_empty() {
            diagnostic = diagnostic
                .with_note(super::listed("states are", &known))
                .with_help(format!("`let {} = …` names a value of the step", name.name));
        }
        self.report(diagnostic);
    }

    /// `let name = function(a)`, or a chain as anywhere else.
    fn cell_binding(&mut self, walk: &mut Walk<'a>, frame: &mut Frame<'_>, binding: &'a Let) {
        let stages = binding.chain.stages.as_slice();
        if let ([name], [Stage { label: None, kind: StageKind::Call(call), .. }], false) =
            (binding.names.as_slice(), stages, binding.is_list)
            && self.is_function_of_values(walk, frame, call)
        {
            let expr = Expr { kind: ExprKind::Call(call.clone()), span: call.span };
            let value = self.cell_formula(walk, frame, name, &expr, binding.span);
            return self.name_value(walk, frame, &name.name, name.span, value, false);
        }
        self.binding(walk, frame, binding);
    }

    /// Whether a call is a function of values that it names, rather than a layer on the running value.
    fn is_function_of_values(&mut self, walk: &mut Walk<'a>, frame: &Frame<'_>, call: &Call) -> bool {
        let is_layer = self.is_layer(frame.scope.origin, &call.name.name);
        let known = walk.value_names(frame);
        let mut names = Vec::new();
        call.arguments.iter().for_each(|argument| names_in(&argument.value, &mut names));
        !is_layer && names.iter().any(|name| known.contains(&name.as_str()))
    }

    /// A formula over single elements of values.
    fn cell_formula(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        name: &Ident,
        expr: &Expr,
        span: Span,
    ) -> Value {
        let mut names = Vec::new();
        names_in(expr, &mut names);
        let mut scope = frame.scope.clone();
        let mut inputs: Vec<ValueId> = Vec::new();
        let (mut is_known, mut has_values) = (true, false);
        for name in &names {
            let Some(value) = walk.value(frame, name) else { continue };
            has_values = true;
            let term = match value {
                Some(value) => {
                    let at = inputs.iter().position(|known| *known == value).unwrap_or_else(|| {
                        inputs.push(value);
                        inputs.len() - 1
                    });
                    Term::Number(Formula::Variable(Variable::Input(at as u32)))
                }
                None => {
                    is_known = false;
                    Term::Number(Formula::Opaque(Rank::Elements))
                }
            };
            scope.define(name, term);
        }
        self.begin_formula();
        let formula = self.number(&scope, expr);
        let Some(formula) = formula else { return walk.poison() };
        if !has_values {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("`{}` depends on no value of the step", name.name),
                    expr.span,
                    "expected a formula over `input`, a state, or what is made of them",
                )
                .with_help("a number for all steps is a parameter of the cell"),
            );
            return walk.poison();
        }
        if !is_known {
            return None;
        }
        let Some(scalar) = formula.to_scalar() else {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("`{}` is no function of single elements", self.text(expr.span)),
                    expr.span,
                    "expected functions that take each element by itself",
                )
                .with_help("use it as a layer: `let name = value -> layer`"),
            );
            return walk.poison();
        };
        let kind = Kind::Activation {
            text: self.text(span),
            name: name.name.clone(),
            body: ActivationBody::Scalar(scalar),
            parameters: Vec::new(),
        };
        self.apply(walk, frame, (name.name.clone(), false), kind, inputs, (span, span))
    }
}

/// The names in an expression, without those of functions, in the order in which they stand.
fn names_in(expr: &Expr, names: &mut Vec<String>) {
    match &expr.kind {
        ExprKind::Name(name) => {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        ExprKind::Call(call) => call.arguments.iter().for_each(|argument| names_in(&argument.value, names)),
        ExprKind::Unary(_, x) => names_in(x, names),
        ExprKind::Binary(_, a, b) => {
            names_in(a, names);
            names_in(b, names);
        }
        ExprKind::If { condition, then, otherwise } => {
            [condition, then, otherwise].into_iter().for_each(|part| names_in(part, names));
        }
        ExprKind::List(items) => items.iter().for_each(|item| names_in(item, names)),
        ExprKind::Number { .. } | ExprKind::Bool(_) | ExprKind::Text(_) | ExprKind::Error => {}
    }
}
