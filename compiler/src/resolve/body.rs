//! Bodies of models and blocks: statements, the running value, and the names of values.

use nnc_grammar::ast::{Block, Body, Call, Chain, ExprKind, Ident, Input, Let, Output, Statement};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::is_value;
use super::definitions::DefId;
use super::import::Imported;
use super::names::Names;
use super::scalar::{Role, Scope};
use crate::program::{Application, ImportUse, Kind, ValueId};

/// The most layers that a model may have, and bodies that its repeats and blocks are expanded to.
pub(super) const MOST_APPLICATIONS: usize = 10_000;

/// A value that is known, or `None` where a fault was reported: what it flows into stays silent about it.
pub(super) type Value = Option<ValueId>;

/// What a chain goes on from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Running {
    /// Nothing was given yet.
    Nothing,
    /// One value.
    One(Value),
    /// What `branch` made, until they are joined; and where it stands.
    Branches(Vec<Value>, Span),
}

/// A value with a name.
#[derive(Debug)]
struct Named {
    name: String,
    value: Value,
    span: Span,
    is_used: bool,
    /// A name that nobody wrote, or that of an input: no warning when it is not used.
    is_given: bool,
}

/// A model that is being put together, or a block that is being checked.
#[derive(Debug, Default)]
pub(super) struct Walk<'a> {
    pub(super) inputs: Vec<crate::program::Input>,
    pub(super) applications: Vec<Application>,
    pub(super) names: Names,
    pub(super) losses: Vec<&'a Call>,
    /// What a statement `output` names: name, value and place.
    pub(super) outputs: Vec<(&'a Ident, Value)>,
    /// That statement.
    pub(super) output: Option<Span>,
    pub(super) optimizer: Option<&'a Call>,
    pub(super) metrics: Vec<&'a Ident>,
    /// Whether anything could not be resolved.
    pub(super) is_poisoned: bool,
    /// Whether only faults matter: a block by itself, its parameters unknown.
    pub(super) is_dry: bool,
    /// Statements `input` of the model, wherever they stand: values of layers are counted behind theirs.
    pub(super) n_inputs: usize,
    /// The first statement `input` of the model, wherever it stands.
    pub(super) first_input: Option<Span>,
    /// Whether a chain that continues the running value was met.
    pub(super) has_chain: bool,
    /// Whether what is walked stands in `frozen { … }`.
    pub(super) is_frozen: bool,
    /// The number of the outermost `recompute { … }` in which what is walked stands.
    pub(super) recompute: Option<u32>,
    /// Those that were met.
    pub(super) n_recomputed: u32,
    /// Values of the model by name, for losses that compare with one.
    pub(super) named: Vec<(String, Value)>,
    /// Imported models that were met.
    pub(super) imports: Vec<ImportUse>,
    /// The imported model that is being walked.
    pub(super) imported: Imported<'a>,
    values: Vec<Named>,
    pub(super) unused: Vec<(String, Span)>,
    n_bodies: usize,
    is_too_large: bool,
}

/// Where a body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Directly in a model.
    Model,
    /// Directly in a model that is imported.
    Imported,
    /// In a block, or in the braces of a stage.
    Inside,
}

/// A body that is being walked.
#[derive(Debug)]
pub(super) struct Frame<'s> {
    pub(super) scope: &'s Scope,
    pub(super) place: Place,
    /// Put before the names of layers: empty, or ending with a dot.
    pub(super) path: String,
    /// The use in the model of the block that this is in.
    pub(super) site: Option<Span>,
    pub(super) running: Running,
    /// The first of the values that can be seen.
    pub(super) base: usize,
}

impl<'s> Frame<'s> {
    /// A body inside of this one that sees its values.
    pub(super) fn inner(&self, path: String, running: Running) -> Frame<'s> {
        Frame { scope: self.scope, place: Place::Inside, path, site: self.site, running, base: self.base }
    }
}

impl Walk<'_> {
    /// The value of an application that will be pushed, or of an input.
    fn id(&self, n: usize) -> ValueId {
        ValueId(n as u32)
    }

    /// The value called `name`, which is now used.
    pub(super) fn value(&mut self, frame: &Frame<'_>, name: &str) -> Option<Value> {
        let named = self.values.iter_mut().skip(frame.base).rev().find(|named| named.name == name)?;
        named.is_used = true;
        Some(named.value)
    }

    /// Gives the value called `name` another meaning.
    pub(super) fn set_value(&mut self, frame: &Frame<'_>, name: &str, value: Value) {
        let mut seen = self.values.iter_mut().skip(frame.base).rev();
        if let Some(named) = seen.find(|named| named.name == name) {
            named.value = value;
        }
    }

    /// Names of values that can be seen.
    pub(super) fn value_names(&self, frame: &Frame<'_>) -> Vec<&str> {
        self.values.iter().skip(frame.base).map(|named| named.name.as_str()).collect()
    }

    /// Gives a value a name that no statement `let` defines.
    pub(super) fn give(&mut self, name: &str, value: Value, span: Span) {
        self.values.push(Named { name: name.to_owned(), value, span, is_used: false, is_given: true });
    }

    /// Keeps the names of the model's values for its losses. What one of them compares with is used.
    fn keep_values(&mut self) {
        let arguments = self.losses.iter().flat_map(|call| &call.arguments);
        let targets: Vec<&str> = arguments
            .filter(|argument| argument.name.as_ref().is_some_and(|name| name.name == "target"))
            .filter_map(|argument| match &argument.value.kind {
                ExprKind::Name(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        for named in &mut self.values {
            named.is_used |= targets.contains(&named.name.as_str());
            self.named.push((named.name.clone(), named.value));
        }
    }

    /// The place of the next value that gets a name.
    pub(super) fn n_values(&self) -> usize {
        self.values.len()
    }

    /// Forgets the names of a body that ends.
    pub(super) fn forget(&mut self, n_values: usize) {
        let ended = self.values.drain(n_values.min(self.values.len())..);
        let unused =
            ended.filter(|named| !named.is_used && !named.is_given).map(|named| (named.name, named.span));
        self.unused.extend(unused);
    }

    /// A value that could not be resolved.
    pub(super) fn poison(&mut self) -> Value {
        self.is_poisoned = true;
        None
    }
}

/// Checks a block by itself.
pub(super) fn check_block<'a>(cx: &mut Cx<'a>, id: DefId, block: &'a Block) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let n_before = cx.diagnostics.len();
    let scope = cx.opaque_scope(id, &definition, Role::Constant);
    let mut walk = Walk { is_dry: true, ..Walk::default() };
    walk.give("input", None, block.name.span);
    for parameter in block.parameters.iter().filter(|parameter| is_value(parameter)) {
        walk.give(&parameter.name.name, None, parameter.span);
    }
    let running = Running::One(None);
    let mut frame =
        Frame { scope: &scope, place: Place::Inside, path: String::new(), site: None, running, base: 0 };
    cx.body(&mut walk, &mut frame, &block.body);
    cx.one_value(&mut walk, &frame.running, block.name.span);
    let is_valid = !cx.errors_since(n_before);
    if is_valid {
        cx.warn_of_unused_values(&walk);
    }
    is_valid
}

impl<'a> Cx<'a> {
    /// Walks the statements of a body that is entered for the first time on this path.
    pub(super) fn body(&mut self, walk: &mut Walk<'a>, frame: &mut Frame<'_>, body: &'a Body) {
        // Each level holds a few frames of the stack: bodies, chains, stages.
        if !self.enter(4, body.span) {
            walk.is_poisoned = true;
            frame.running = Running::One(None);
            return;
        }
        walk.n_bodies += 1;
        if walk.n_bodies > MOST_APPLICATIONS {
            self.report_too_large(walk, body.span);
            frame.running = Running::One(None);
        } else {
            let n_values = walk.n_values();
            for statement in &body.statements {
                if walk.imported.is_at_end() {
                    break;
                }
                self.statement(walk, frame, statement);
            }
            if frame.place == Place::Model {
                walk.keep_values();
            }
            walk.forget(n_values);
        }
        self.leave(4);
    }

    fn statement(&mut self, walk: &mut Walk<'a>, frame: &mut Frame<'_>, statement: &'a Statement) {
        if frame.place == Place::Imported && self.imported_statement(walk, frame, statement) {
            return;
        }
        let is_model = frame.place == Place::Model;
        match statement {
            Statement::Input(input) if is_model => self.input(walk, frame, input),
            Statement::Loss(call) if is_model => walk.losses.push(call),
            Statement::Optimizer(call) if is_model => {
                if let Some(first) = walk.optimizer {
                    self.report_second("optimizer", first.span, call.span);
                } else {
                    walk.optimizer = Some(call);
                }
            }
            Statement::Metrics(metrics) if is_model => walk.metrics.extend(&metrics.names),
            Statement::Chain(chain) => {
                if is_model {
                    walk.has_chain = true;
                }
                frame.running = self.chain(walk, frame, chain);
            }
            Statement::Let(binding) => self.binding(walk, frame, binding),
            Statement::Input(input) => self.report_misplaced("input", input.span, "a model"),
            Statement::Loss(call) => self.report_misplaced("loss", call.span, "a model"),
            Statement::Optimizer(call) => self.report_misplaced("optimizer", call.span, "a model"),
            Statement::Metrics(metrics) => self.report_misplaced("metrics", metrics.span, "a model"),
            Statement::Output(output) if is_model => self.outputs(walk, frame, output),
            Statement::Output(output) => self.report_misplaced("output", output.span, "a model or a cell"),
            Statement::State(states) => {
                let span = states.first().map_or(Span::default(), |first| first.span);
                let span = states.last().map_or(span, |last| span.to(last.span));
                self.report_misplaced("state", span, "a cell or an optimizer");
            }
            Statement::Assignment(assignment) => {
                let name = &assignment.name.name;
                let mut diagnostic = Diagnostic::new(
                    Code::E0216,
                    "an assignment has no place here",
                    assignment.span,
                    "expected a chain of layers",
                )
                .with_note("values are assigned in cells and optimizers");
                if !assignment.is_let {
                    diagnostic = diagnostic.with_help(format!("`let {name} = …` names the value of a chain"));
                }
                self.report(diagnostic);
                // What stands below may well use it.
                let value = walk.poison();
                self.name_value(walk, frame, name, assignment.name.span, value, true);
            }
        }
    }

    fn outputs(&mut self, walk: &mut Walk<'a>, frame: &Frame<'_>, output: &'a Output) {
        if let Some(first) = walk.output {
            self.report(
                Diagnostic::new(Code::E0206, "more than one output", output.span, "the second")
                    .with_label(first, "the first")
                    .with_help("name all of them in one: `output position, kind`"),
            );
            return;
        }
        walk.output = Some(output.span);
        for name in &output.names {
            if let Some((first, _)) = walk.outputs.iter().find(|(first, _)| first.name == name.name) {
                let message = format!("output `{}` is named twice", name.name);
                self.report(
                    Diagnostic::new(Code::E0206, message, name.span, "named again here")
                        .with_label(first.span, "first named here"),
                );
                continue;
            }
            let value = self.named_value(walk, frame, &name.name, name.span);
            if value.is_some_and(|value| (value.0 as usize) < walk.n_inputs) {
                self.report(
                    Diagnostic::new(
                        Code::E0217,
                        format!("output `{}` is an input", name.name),
                        name.span,
                        "expected a value that a layer makes",
                    )
                    .with_help("name one: `let name = dense(3)`, and `output name`"),
                );
            }
            walk.outputs.push((name, value));
        }
    }

    fn report_second(&mut self, what: &str, first: Span, second: Span) {
        self.report(
            Diagnostic::new(Code::E0206, format!("more than one {what}"), second, "the second")
                .with_label(first, "the first")
                .with_help(format!("a model has one {what}")),
        );
    }

    fn report_misplaced(&mut self, what: &str, span: Span, owner: &str) {
        self.report(Diagnostic::new(
            Code::E0216,
            format!("`{what}` has no place here"),
            span,
            format!("expected directly in the body of {owner}"),
        ));
    }

    fn input(&mut self, walk: &mut Walk<'_>, frame: &mut Frame<'_>, input: &Input) {
        let name = input.name.as_ref().map_or("input", |name| name.name.as_str());
        let span = input.name.as_ref().map_or(input.span, |name| name.span);
        let shape = self.shape(frame.scope, &input.shape, "the shape of an input", Code::E0301);
        let value = match shape {
            Some(shape) => {
                let id = walk.id(walk.inputs.len());
                walk.inputs.push(crate::program::Input { name: name.to_owned(), shape, span: input.span });
                Some(id)
            }
            None => walk.poison(),
        };
        self.name_value(walk, frame, name, span, value, true);
        frame.running = Running::One(value);
    }

    pub(super) fn binding(&mut self, walk: &mut Walk<'a>, frame: &mut Frame<'_>, binding: &'a Let) {
        let running = self.chain(walk, frame, &binding.chain);
        if binding.is_list {
            let values = self.several_values(walk, &running, binding);
            for (name, value) in binding.names.iter().zip(values) {
                self.name_value(walk, frame, &name.name, name.span, value, false);
            }
            return;
        }
        let value = self.one_value(walk, &running, binding.chain.span);
        for name in &binding.names {
            self.name_value(walk, frame, &name.name, name.span, value, false);
        }
    }

    /// A value for each name of `let [a, b] = …`.
    fn several_values(&mut self, walk: &mut Walk<'_>, running: &Running, binding: &Let) -> Vec<Value> {
        let n_names = binding.names.len();
        let unknown = vec![None; n_names];
        let (found, made) = match running {
            Running::Branches(values, _) if values.len() == n_names => {
                return values.clone();
            }
            Running::Branches(values, made) => (format!("found {}", values.len()), *made),
            Running::One(Some(_)) => ("found one".to_owned(), binding.chain.span),
            Running::One(None) | Running::Nothing => {
                self.one_value(walk, running, binding.chain.span);
                return unknown;
            }
        };
        let names = match (binding.names.first(), binding.names.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => binding.span,
        };
        let expected = if n_names == 1 { "one value".to_owned() } else { format!("{n_names} values") };
        let message = format!("{expected} cannot be named");
        let diagnostic = Diagnostic::new(Code::E0302, message, made, format!("expected {expected}, {found}"))
            .with_label(names, "the names")
            .with_help(format!(
                "`split({n_names})` makes {expected}, `branch {{ … }} {{ … }}` one for each body"
            ));
        self.report(diagnostic);
        walk.poison();
        unknown
    }

    pub(super) fn name_value(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        name: &str,
        span: Span,
        value: Value,
        is_given: bool,
    ) {
        if let Some(first) = walk.values.iter_mut().skip(frame.base).find(|first| first.name == name) {
            // Which of the two is meant is not known: neither is reported as unused.
            first.is_used = true;
            let first = first.span;
            self.report(super::defined_twice("value", name, first, span));
            return;
        }
        walk.values.push(Named { name: name.to_owned(), value, span, is_used: false, is_given });
    }

    /// What a chain makes of the running value.
    fn chain(&mut self, walk: &mut Walk<'a>, frame: &mut Frame<'_>, chain: &'a Chain) -> Running {
        let before = frame.running.clone();
        for (n, stage) in chain.stages.iter().enumerate() {
            if walk.imported.ends_before(frame, stage) {
                break;
            }
            frame.running = self.stage(walk, frame, stage, n == 0);
            if walk.imported.is_at_end() {
                break;
            }
        }
        std::mem::replace(&mut frame.running, before)
    }

    /// The one value that something goes on with. Reports branches that were not joined.
    pub(super) fn one_value(&mut self, walk: &mut Walk<'_>, running: &Running, span: Span) -> Value {
        match running {
            Running::One(value) => *value,
            Running::Nothing => {
                if let Some(input) = walk.first_input {
                    self.report_before_input(span, input);
                }
                walk.poison()
            }
            Running::Branches(values, branch) => {
                let label = format!("expected one value, found {} branches", values.len());
                let names = ["a", "b", "c", "d"].get(..values.len()).unwrap_or(&["a", "…"]).join(", ");
                self.report(
                    Diagnostic::new(Code::E0302, "branches are not put together", *branch, label)
                        .with_help("end them with `-> concat` or `-> add`")
                        .with_help(format!("or name them: `let [{names}] = …`")),
                );
                walk.poison()
            }
        }
    }

    fn report_before_input(&mut self, span: Span, input: Span) {
        self.report(
            Diagnostic::new(
                Code::E0219,
                "there is no value yet",
                span,
                "expected a value, found none before it",
            )
            .with_label(input, "the input comes later")
            .with_help("put `input` first"),
        );
    }

    /// Adds a layer or activation to the model.
    pub(super) fn apply(
        &mut self,
        walk: &mut Walk<'_>,
        frame: &Frame<'_>,
        layer: (String, bool),
        kind: Kind,
        inputs: Vec<ValueId>,
        spans: (Span, Span),
    ) -> Value {
        if walk.applications.len() >= MOST_APPLICATIONS {
            self.report_too_large(walk, frame.site.unwrap_or(spans.0));
            return walk.poison();
        }
        let id = walk.id(walk.n_inputs.max(walk.inputs.len()) + walk.applications.len());
        walk.applications.push(Application {
            layer: layer.0,
            labelled: layer.1,
            kind,
            inputs,
            span: frame.site.unwrap_or(spans.0),
            call_span: spans.1,
            trainable: !walk.is_frozen,
            recompute: walk.recompute,
        });
        Some(id)
    }

    fn report_too_large(&mut self, walk: &mut Walk<'_>, span: Span) {
        walk.is_poisoned = true;
        if std::mem::replace(&mut walk.is_too_large, true) {
            return;
        }
        self.report(
            Diagnostic::new(Code::E0502, "the model has too many layers", span, "one too many")
                .with_note(format!("with repeats and blocks expanded, it may have {MOST_APPLICATIONS}")),
        );
    }

    /// Warns of values that `let` names and nothing uses.
    pub(super) fn warn_of_unused_values(&mut self, walk: &Walk<'_>) {
        for (name, span) in &walk.unused {
            self.report(
                Diagnostic::new(
                    Code::W0102,
                    format!("value `{name}` is never used"),
                    *span,
                    "nothing uses it",
                )
                .with_help("a `let` names a value; what follows goes on from where the last chain ended"),
            );
        }
    }
}
