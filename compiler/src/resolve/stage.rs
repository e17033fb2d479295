//! Stages: layers, activations, blocks, values, and the combinators that take a body.

use nnc_grammar::ast::{Argument, Body, Call, Expr, ExprKind, Function, Ident, Stage, StageKind};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::{Callee, call_text};
use super::body::{Frame, MOST_APPLICATIONS, Place, Running, Value, Walk};
use super::definitions::{DefId, Definition, Origin, Sort, Tree};
use super::expression_call::is_trained;
use super::formula::{Formula, Rank};
use super::gradient;
use super::scalar::{Role, Scope, Term};
use crate::ops::{self, Arguments, Arity, Layer};
use crate::program::{ActivationBody, Kind, ValueId};

/// An activation has a value for each element.
pub(super) fn check_activation(cx: &mut Cx<'_>, function: &Function, formula: &Formula) -> bool {
    if formula.rank() != Rank::Sample {
        return true;
    }
    cx.report(
        Diagnostic::new(
            Code::E0217,
            format!("activation `{}` gives one number a sample", function.name.name),
            function.body.span,
            "expected a number for each element",
        )
        .with_help("a reduction belongs into a formula over the elements: `x - max(x)`"),
    );
    false
}

/// What a call in a chain means.
enum Meaning {
    Layer(&'static dyn Layer),
    Activation(DefId),
    Block(DefId),
    Import(DefId),
    Cell(DefId),
}

/// Words that open a stage with a body.
const COMBINATORS: &[(&str, &str)] = &[
    ("residual", "residual { … }"),
    ("repeat", "repeat 3 { … }"),
    ("branch", "branch { … } { … }"),
    ("frozen", "frozen { … }"),
    ("recompute", "recompute { … }"),
];

impl<'a> Cx<'a> {
    /// What a stage makes of the running value.
    pub(super) fn stage(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        stage: &'a Stage,
        is_first: bool,
    ) -> Running {
        let label = stage.label.as_ref();
        match &stage.kind {
            StageKind::Call(call) => self.call(walk, frame, stage, call, is_first),
            StageKind::Repeat(count, body) => Running::One(self.repeat(walk, frame, label, count, body)),
            StageKind::Residual(body) => Running::One(self.residual(walk, frame, stage, body)),
            StageKind::Branch(bodies) => self.branch(walk, frame, stage, bodies),
            StageKind::Frozen(body) => {
                let is_outer = std::mem::replace(&mut walk.is_frozen, true);
                let value = self.wrapped(walk, frame, label, "frozen", body);
                walk.is_frozen = is_outer;
                Running::One(value)
            }
            StageKind::Recompute(body) => {
                let outer = walk.recompute;
                walk.n_recomputed += u32::from(outer.is_none());
                walk.recompute = outer.or(Some(walk.n_recomputed));
                let value = self.wrapped(walk, frame, label, "recompute", body);
                walk.recompute = outer;
                Running::One(value)
            }
        }
    }

    /// The keyword of a stage, which stands between its label and its body.
    fn keyword(&self, stage: &Stage, body: Span, keyword: &str) -> Span {
        let start = stage.label.as_ref().map_or(stage.span.start, |label| label.span.end);
        let before = Span { start, end: body.start, ..stage.span };
        match self.sources.text(before).rfind(keyword) {
            Some(at) => Span { start: start + at as u32, end: start + (at + keyword.len()) as u32, ..before },
            None => stage.span,
        }
    }

    /// The running value, for a layer that takes one.
    pub(super) fn take(&mut self, walk: &mut Walk<'_>, frame: &Frame<'_>, span: Span) -> Value {
        let running = frame.running.clone();
        self.one_value(walk, &running, span)
    }

    // ---- Bodies ----------------------------------------------------------------------------------------------------

    /// Walks a body on the running value.
    fn nested(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        path: String,
        has_path: bool,
        body: &'a Body,
    ) -> Value {
        let value = self.take(walk, frame, body.span);
        if has_path {
            walk.names.begin(&path, body);
        }
        let mut inner = frame.inner(path, Running::One(value));
        self.body(walk, &mut inner, body);
        self.one_value(walk, &inner.running, body.span)
    }

    fn repeat(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        label: Option<&Ident>,
        count: &Expr,
        body: &'a Body,
    ) -> Value {
        let name = self.layer_name(&mut walk.names, &frame.path, label, "repeat");
        let count = self.count(frame.scope, count, "the number of repetitions", Code::E0205);
        // Once, to find its faults, where the number is not known.
        let times = if walk.is_dry { 1 } else { count.unwrap_or(1) };
        let n_before = self.diagnostics.len();
        for n in 1..=times {
            let value = self.nested(walk, frame, format!("{name}.{n}."), true, body);
            frame.running = Running::One(value);
            // Once is enough for each fault.
            if self.errors_since(n_before) {
                return walk.poison();
            }
        }
        match (count, &frame.running) {
            (Some(_), Running::One(value)) => *value,
            _ => walk.poison(),
        }
    }

    fn residual(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        stage: &'a Stage,
        body: &'a Body,
    ) -> Value {
        let label = stage.label.as_ref();
        let name = self.layer_name(&mut walk.names, &frame.path, label, "residual");
        let skip = self.take(walk, frame, stage.span);
        frame.running = Running::One(skip);
        let path = if label.is_some() { format!("{name}.") } else { frame.path.clone() };
        let main = self.nested(walk, frame, path, label.is_some(), body);
        let span = self.keyword(stage, body.span, "residual");
        let Some(layer) = ops::layers().iter().copied().find(|layer| layer.arity() == Arity::Join) else {
            return walk.poison();
        };
        let arguments = self.layer_arguments(frame.scope, layer, None, &[], span);
        match (arguments, main, skip) {
            (Some(arguments), Some(main), Some(skip)) => {
                let kind = Kind::Layer(layer, arguments);
                self.apply(walk, frame, (name, label.is_some()), kind, vec![main, skip], (stage.span, span))
            }
            _ => walk.poison(),
        }
    }

    /// A body that says something of its layers, such as that they are not trained. It changes no names, unless it has a
    /// label.
    fn wrapped(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        label: Option<&Ident>,
        word: &str,
        body: &'a Body,
    ) -> Value {
        let path = match label {
            Some(_) => format!("{}.", self.layer_name(&mut walk.names, &frame.path, label, word)),
            None => frame.path.clone(),
        };
        let value = self.take(walk, frame, body.span);
        if label.is_some() {
            walk.names.begin(&path, body);
        }
        let mut inner = frame.inner(path, Running::One(value));
        if frame.place == Place::Imported {
            // The label at which an imported model ends may stand in here.
            inner.place = Place::Imported;
        }
        self.body(walk, &mut inner, body);
        self.one_value(walk, &inner.running, body.span)
    }

    fn branch(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        stage: &'a Stage,
        bodies: &'a [Body],
    ) -> Running {
        let label = stage.label.as_ref();
        let name = label.map(|_| self.layer_name(&mut walk.names, &frame.path, label, "branch"));
        let start = bodies.first().map_or(stage.span, |body| body.span);
        let span = self.keyword(stage, start, "branch");
        let value = self.take(walk, frame, stage.span);
        frame.running = Running::One(value);
        let mut values = Vec::with_capacity(bodies.len());
        for (n, body) in bodies.iter().enumerate() {
            let path = match &name {
                Some(name) => format!("{name}.{}.", n + 1),
                None => frame.path.clone(),
            };
            values.push(self.nested(walk, frame, path, name.is_some(), body));
        }
        if values.len() < 2 {
            let label = "expected two bodies or more, found one";
            self.report(
                Diagnostic::new(Code::E0302, "a branch has two or more bodies", span, label)
                    .with_help("with one body, its stages can stand without `branch`"),
            );
            return Running::One(walk.poison());
        }
        Running::Branches(values, span)
    }

    // ---- Calls -----------------------------------------------------------------------------------------------------

    fn meaning(&self, origin: Origin, name: &str) -> Option<Meaning> {
        if let Some(id) = self.lookup_user(origin, Sort::Block, name) {
            return Some(Meaning::Block(id));
        }
        if let Some(id) = self.lookup_user(origin, Sort::Cell, name) {
            return Some(Meaning::Cell(id));
        }
        if let Some(id) = self.lookup_user(origin, Sort::Import, name) {
            return Some(Meaning::Import(id));
        }
        if let Some(id) = self.lookup_user(origin, Sort::Activation, name) {
            return Some(Meaning::Activation(id));
        }
        if let Some(layer) = ops::layer(name).filter(|layer| layer.arity() != Arity::Join) {
            return Some(Meaning::Layer(layer));
        }
        let block = self.lookup(origin, Sort::Block, name).map(Meaning::Block);
        let block = block.or_else(|| self.lookup(origin, Sort::Cell, name).map(Meaning::Cell));
        block.or_else(|| self.lookup(origin, Sort::Activation, name).map(Meaning::Activation))
    }

    /// Whether a stage of this name is a layer, a block or a cell, rather than a function of single elements.
    pub(super) fn is_layer(&self, origin: Origin, name: &str) -> bool {
        !matches!(self.meaning(origin, name), None | Some(Meaning::Activation(_)))
    }

    fn call(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        stage: &'a Stage,
        call: &'a Call,
        is_first: bool,
    ) -> Running {
        let (name, label) = (&call.name, stage.label.as_ref());
        if is_first
            && !call.has_parens
            && let Some(value) = walk.value(frame, &name.name)
        {
            if let Some(label) = label {
                self.warn_of_label(label, &name.name, "is a value");
            }
            return Running::One(value);
        }
        let value = match self.meaning(frame.scope.origin, &name.name) {
            Some(Meaning::Layer(layer)) if layer.arity() == Arity::Several => {
                self.join_call(walk, frame, stage, call, layer)
            }
            Some(Meaning::Layer(layer)) if layer.arity() == Arity::Parts => {
                return self.parts_call(walk, frame, stage, call, layer);
            }
            Some(Meaning::Layer(layer)) => self.layer_call(walk, frame, stage, call, layer),
            Some(Meaning::Activation(id)) => self.activation_call(walk, frame, stage, call, id),
            Some(Meaning::Block(id)) => self.block_call(walk, frame, stage, call, id),
            Some(Meaning::Cell(id)) => self.cell_call(walk, frame, stage, call, id),
            Some(Meaning::Import(id)) => self.import_call(walk, frame, stage, call, id),
            None => {
                // What is wrong with the running value is a fault of its own.
                self.take(walk, frame, call.span);
                self.report_unknown_stage(walk, frame, call);
                walk.poison()
            }
        };
        Running::One(value)
    }

    fn report_unknown_stage(&mut self, walk: &mut Walk<'_>, frame: &Frame<'_>, call: &Call) {
        let name = &call.name;
        if self.is_unsupported(&name.name) {
            return;
        }
        if walk.value(frame, &name.name).is_some() {
            let diagnostic = if call.has_parens {
                Diagnostic::new(
                    Code::E0215,
                    format!("`{}` is a value and takes no arguments", name.name),
                    call.span,
                    format!("expected `{}` alone", name.name),
                )
            } else {
                Diagnostic::new(
                    Code::E0216,
                    format!("value `{}` does not begin the chain", name.name),
                    name.span,
                    "expected a layer, found a value",
                )
                .with_help(format!(
                    "start a chain from it: `{} -> …`; or put values together: `add(a, b)`",
                    name.name
                ))
            };
            self.report(diagnostic);
            return;
        }
        let origin = frame.scope.origin;
        let mut known: Vec<&str> = walk.value_names(frame);
        known.extend(
            ops::layers().iter().filter(|layer| layer.arity() != Arity::Join).map(|layer| layer.name()),
        );
        known.extend(self.names_of(origin, Sort::Block));
        known.extend(self.names_of(origin, Sort::Cell));
        known.extend(self.names_of(origin, Sort::Activation));
        known.extend(self.names_of(origin, Sort::Import));
        known.extend(COMBINATORS.iter().map(|(word, _)| *word));
        // A statement whose first word is misspelt is two stages.
        known.extend(["loss", "optimizer", "metrics", "output"]);
        let mut diagnostic = Diagnostic::new(
            Code::E0201,
            format!("unknown layer `{}`", name.name),
            name.span,
            "not known here",
        );
        if let Some((_, form)) = COMBINATORS.iter().find(|(word, _)| *word == name.name) {
            diagnostic = diagnostic.with_help(format!("`{}` has a body: `{form}`", name.name));
        } else if self.lookup(origin, Sort::Loss, &name.name).is_some() {
            diagnostic = diagnostic.with_help(format!("it is a loss: `loss {}`", name.name));
        } else if self.lookup(origin, Sort::Optimizer, &name.name).is_some() {
            diagnostic = diagnostic.with_help(format!("it is an optimizer: `optimizer {}`", name.name));
        } else {
            diagnostic = diagnostic.with_closest(&name.name, known);
            if diagnostic.help.is_empty() {
                let layers: Vec<&str> = ops::layers()
                    .iter()
                    .filter(|layer| layer.arity() != Arity::Join)
                    .map(|layer| layer.name())
                    .collect();
                diagnostic = diagnostic.with_note(super::listed("layers are", &layers));
            }
        }
        self.report(diagnostic);
    }

    fn warn_of_label(&mut self, label: &Ident, name: &str, what: &str) {
        self.report(
            Diagnostic::new(
                Code::W0103,
                format!("label `{}` has no parameters to name", label.name),
                label.span,
                format!("`{name}` {what}"),
            )
            .with_help("put it before the layer whose parameters it should name, or take it out"),
        );
    }

    fn layer_call(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        layer: &'static dyn Layer,
    ) -> Value {
        let arguments: Vec<&Argument> = call.arguments.iter().collect();
        let value = self.take(walk, frame, call.span);
        self.layer_on(walk, frame, stage, call, layer, &arguments, value.map(|value| vec![value]))
    }

    /// `split(2)`: as many values as the first argument says.
    fn parts_call(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        layer: &'static dyn Layer,
    ) -> Running {
        let label = stage.label.as_ref();
        if let Some(label) = label {
            self.warn_of_label(label, layer.name(), "has none");
        }
        let given: Vec<&Argument> = call.arguments.iter().collect();
        let value = self.take(walk, frame, call.span);
        let name = self.layer_name(&mut walk.names, &frame.path, label, layer.name());
        let arguments = self.layer_arguments(frame.scope, layer, Some(call), &given, call.span);
        let (Some(arguments), Some(value)) = (arguments, value) else { return Running::One(walk.poison()) };
        let n_values = layer.arguments().first().map_or(0, |first| arguments.count(first.name));
        let values = (0..n_values.min(MOST_APPLICATIONS + 1)).map(|part| {
            let kind = Kind::Layer(layer, Arguments { part, ..arguments.clone() });
            self.apply(
                walk,
                frame,
                (name.clone(), label.is_some()),
                kind,
                vec![value],
                (stage.span, call.span),
            )
        });
        Running::Branches(values.collect(), call.span)
    }

    #[expect(clippy::too_many_arguments, reason = "what a call is made of")]
    fn layer_on(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        layer: &'static dyn Layer,
        arguments: &[&Argument],
        inputs: Option<Vec<ValueId>>,
    ) -> Value {
        let label = stage.label.as_ref();
        if let Some(label) = label.filter(|_| !layer.has_parameters()) {
            self.warn_of_label(label, layer.name(), "has none");
        }
        let name = self.layer_name(&mut walk.names, &frame.path, label, layer.name());
        let given = arguments;
        let arguments = self.layer_arguments(frame.scope, layer, Some(call), given, call.span);
        let inputs = self.with_operands(walk, frame, layer, arguments.as_ref(), given, inputs);
        match (arguments, inputs) {
            (Some(arguments), Some(inputs)) => {
                let kind = Kind::Layer(layer, arguments);
                self.apply(walk, frame, (name, label.is_some()), kind, inputs, (stage.span, call.span))
            }
            _ => walk.poison(),
        }
    }

    /// The values of a layer, with those behind them that arguments name.
    fn with_operands(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        layer: &'static dyn Layer,
        arguments: Option<&Arguments>,
        given: &[&Argument],
        mut inputs: Option<Vec<ValueId>>,
    ) -> Option<Vec<ValueId>> {
        let named = arguments?.values.iter().filter(|(_, value, _)| *value == ops::Value::Operand);
        for (.., span) in named {
            let argument = given.iter().find(|argument| Some(argument.span) == *span)?;
            let value = self.given_value(walk, frame, layer.name(), argument);
            match (inputs.as_mut(), value) {
                (Some(inputs), Some(value)) => inputs.push(value),
                _ => inputs = None,
            }
        }
        inputs
    }

    /// `add(a, b)`, or `-> add` behind branches.
    fn join_call(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        layer: &'static dyn Layer,
    ) -> Value {
        let given: Vec<&Argument> =
            call.arguments.iter().filter(|argument| argument.name.is_none()).collect();
        let named: Vec<&Argument> =
            call.arguments.iter().filter(|argument| argument.name.is_some()).collect();
        let inputs = match &frame.running {
            Running::Branches(values, branch) => {
                if given.is_empty() {
                    values.iter().copied().collect()
                } else {
                    let label = format!("expected no values, found {}", given.len());
                    let diagnostic = Diagnostic::new(
                        Code::E0302,
                        format!("`{}` puts the branches together", layer.name()),
                        call.span,
                        label,
                    )
                    .with_label(*branch, "the branches")
                    .with_help(format!("write `-> {}`", layer.name()));
                    self.report(diagnostic);
                    None
                }
            }
            _ => {
                let mut values = Some(Vec::with_capacity(given.len()));
                for argument in &given {
                    match (values.as_mut(), self.given_value(walk, frame, layer.name(), argument)) {
                        (Some(values), Some(value)) => values.push(value),
                        _ => values = None,
                    }
                }
                if given.len() < 2 {
                    self.report_too_few(layer.name(), given.len(), call.span);
                    values = None;
                }
                values
            }
        };
        self.layer_on(walk, frame, stage, call, layer, &named, inputs)
    }

    fn report_too_few(&mut self, name: &str, n: usize, span: Span) {
        let found = if n == 0 { "none".to_owned() } else { n.to_string() };
        let label = format!("expected two or more values, found {found}");
        self.report(
            Diagnostic::new(Code::E0302, format!("`{name}` takes two or more values"), span, label)
                .with_help(format!("name them: `let a = …`, `let b = …`, `{name}(a, b)`")),
        );
    }

    /// A value that is given by name.
    pub(super) fn given_value(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        layer: &str,
        argument: &Argument,
    ) -> Value {
        let span = argument.value.span;
        let ExprKind::Name(name) = &argument.value.kind else {
            if !matches!(argument.value.kind, ExprKind::Error) {
                let found = self.text(span);
                self.report(
                    Diagnostic::new(
                        Code::E0204,
                        format!("`{layer}` takes the names of values"),
                        span,
                        format!("expected the name of a value, found `{found}`"),
                    )
                    .with_help(format!("name it first: `let value = {found}`")),
                );
            }
            return walk.poison();
        };
        self.named_value(walk, frame, name, span)
    }

    /// The value of this name.
    pub(super) fn named_value(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        name: &str,
        span: Span,
    ) -> Value {
        if let Some(value) = walk.value(frame, name) {
            return value;
        }
        let known = walk.value_names(frame);
        let mut diagnostic =
            Diagnostic::new(Code::E0207, format!("unknown value `{name}`"), span, "not known here")
                .with_closest(name, known.iter().copied());
        if walk.names.is_label(&frame.path, name) {
            diagnostic = diagnostic.with_help(format!(
                "`{name}` is a label, which names parameters; `let {name} = …` names a value"
            ));
        } else if diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_help(format!("`let {name} = …` before it names a value"));
        }
        self.report(diagnostic);
        walk.poison()
    }

    fn activation_call(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        id: DefId,
    ) -> Value {
        let label = stage.label.as_ref();
        let is_trained =
            self.definition(id).is_some_and(|definition| definition.parameters.iter().any(is_trained));
        if let Some(label) = label.filter(|_| !is_trained) {
            self.warn_of_label(label, &call.name.name, "has none");
        }
        let name = self.layer_name(&mut walk.names, &frame.path, label, &call.name.name);
        let value = self.take(walk, frame, call.span);
        let Some(terms) = self.used_definition(walk, frame, call, &call.arguments, (id, 1)) else {
            return walk.poison();
        };
        if walk.is_dry {
            return None;
        }
        let kind = self
            .definition(id)
            .and_then(|definition| self.activation(frame.scope, &definition, id, call, terms));
        match (kind, value) {
            (Some(kind), Some(value)) => {
                self.apply(walk, frame, (name, label.is_some()), kind, vec![value], (stage.span, call.span))
            }
            _ => walk.poison(),
        }
    }

    /// Checks the use of a definition and its arguments. `None` after a report.
    pub(super) fn used_definition(
        &mut self,
        walk: &Walk<'_>,
        frame: &Frame<'_>,
        call: &Call,
        arguments: &[Argument],
        (id, n_values): (DefId, usize),
    ) -> Option<Vec<(String, Term, bool)>> {
        let definition = self.definition(id)?;
        if !walk.is_dry {
            self.mark_used(id);
        }
        if !self.check(id, Some(call.span)) {
            return None;
        }
        self.begin_formula();
        let defined = (definition.origin != Origin::Library).then_some(definition.name.span);
        let general = if definition.sort == Sort::Cell { super::cell::SETTINGS } else { &[] };
        let callee = Callee { name: &call.name.name, span: call.span, defined, general };
        self.definition_arguments(frame.scope, &definition, callee, arguments, n_values)
    }

    /// The formula of an activation with its arguments put in.
    fn activation(
        &mut self,
        scope: &Scope,
        definition: &Definition<'a>,
        id: DefId,
        call: &Call,
        terms: Vec<(String, Term, bool)>,
    ) -> Option<Kind> {
        let Tree::Function(function) = definition.tree else { return None };
        let mut inside = Scope::new(definition.origin, Role::Activation);
        inside.owner = Some(id);
        inside.site = Some(scope.site.unwrap_or(call.span));
        let x = definition.parameters.first()?;
        inside.define(&x.name.name, Term::Number(Formula::Value));
        let text = self.use_text(&call.name.name, &terms);
        let mut parameters = Vec::new();
        for (name, term, _) in terms {
            match term {
                Term::Trained(initializer) => {
                    let parameter = Formula::Parameter(parameters.len() as u32);
                    inside.define(&name, Term::Number(parameter));
                    parameters.push((name, initializer));
                }
                term => inside.define(&name, term),
            }
        }
        let formula = self.number(&inside, &function.body)?;
        if !gradient::check_use(self, definition, &formula, call.span) {
            return None;
        }
        let body = match formula.to_scalar() {
            Some(scalar) => ActivationBody::Scalar(scalar),
            None => ActivationBody::Value(self.value_body(&formula, call.span)?),
        };
        Some(Kind::Activation { text, name: call.name.name.clone(), body, parameters })
    }

    /// A use as messages and comments show it: arguments that were given, constants computed.
    pub(super) fn use_text(&self, name: &str, terms: &[(String, Term, bool)]) -> String {
        let given: Vec<(Option<String>, String)> = terms
            .iter()
            .filter(|(.., is_given)| *is_given)
            .filter_map(|(name, term, _)| Some((Some(name.clone()), self.term_text(term)?)))
            .collect();
        call_text(name, &given)
    }

    fn block_call(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        stage: &Stage,
        call: &Call,
        id: DefId,
    ) -> Value {
        let label = stage.label.as_ref();
        let name = self.layer_name(&mut walk.names, &frame.path, label, &call.name.name);
        let value = self.take(walk, frame, call.span);
        let Some(terms) = self.used_definition(walk, frame, call, &call.arguments, (id, 0)) else {
            return walk.poison();
        };
        let mut values = Vec::new();
        for (name, term, _) in &terms {
            if let Term::Value(written, span) = term {
                values.push((name.clone(), self.named_value(walk, frame, written, *span), *span));
            }
        }
        if walk.is_dry {
            return None;
        }
        let Some(definition) = self.definition(id) else { return walk.poison() };
        let Tree::Block(block) = definition.tree else { return walk.poison() };
        let mut scope = Scope::new(definition.origin, Role::Constant);
        let site = frame.site.unwrap_or(stage.span);
        scope.owner = Some(id);
        scope.site = Some(frame.scope.site.unwrap_or(call.span));
        for (name, term, _) in terms {
            if !matches!(term, Term::Value(..)) {
                scope.define(&name, term);
            }
        }
        let n_before = self.diagnostics.len();
        let base = walk.n_values();
        walk.give("input", value, call.span);
        for (name, value, span) in values {
            walk.give(&name, value, span);
        }
        let path = format!("{name}.");
        walk.names.begin(&path, &block.body);
        let running = Running::One(value);
        let mut inner = Frame { scope: &scope, place: Place::Inside, path, site: Some(site), running, base };
        self.body(walk, &mut inner, &block.body);
        walk.forget(base);
        self.tell_use(n_before, call);
        self.one_value(walk, &inner.running, call.span)
    }

    /// Adds to what was reported inside of a use where that is.
    pub(super) fn tell_use(&mut self, n_before: usize, call: &Call) {
        for diagnostic in self.diagnostics.iter_mut().skip(n_before) {
            let is_told = diagnostic.primary.span == call.span
                || diagnostic.secondary.iter().any(|label| label.span == call.span);
            if !is_told {
                let text = format!("in this use of `{}`", call.name.name);
                *diagnostic = diagnostic.clone().with_label(call.span, text);
            }
        }
    }
}
