//! Imported models as stages: `Base`, `Base(until = head)`, `Base(only = hidden)`.
//!
//! The body of the model is walked as that of a block is: its input is the value that flows in, and the names of its
//! layers begin with the name of the stage. What its file says of loss, optimizer, metrics, data and training is its own.

use nnc_grammar::ast::{
    Argument, Body, Call, Chain, ExprKind, Ident, Import, Model, Stage, StageKind, Statement,
};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::body::{Frame, Place, Running, Value, Walk};
use super::definitions::{DefId, Origin, Tree};
use super::scalar::{Role, Scope};
use crate::program::{ImportUse, ImportedWeights};

/// The argument that ends a model before a layer.
const UNTIL: &str = "until";
/// The argument that takes one layer of a model.
const ONLY: &str = "only";

/// The imported model that is being walked.
#[derive(Debug, Default)]
pub(super) struct Imported<'a> {
    /// What is given to it.
    given: Value,
    /// The label before which it ends, and the path of its layers.
    until: Option<(String, String)>,
    /// What flows into the layer with that label, once it was reached.
    end: Option<Running>,
    /// Its input, once it was met, with its shape.
    input: Option<(Span, Option<Vec<usize>>)>,
    /// What it gives, if it says so.
    outputs: Vec<(&'a Ident, Value)>,
    /// Whether its weights come with those of this or of an outer model.
    has_weights: bool,
}

impl Imported<'_> {
    /// Whether nothing more of the model is wanted.
    pub(super) fn is_at_end(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the model ends before this stage.
    pub(super) fn ends_before(&mut self, frame: &Frame<'_>, stage: &Stage) -> bool {
        let Some((until, path)) = &self.until else { return false };
        let is_label = stage.label.as_ref().is_some_and(|label| label.name == *until);
        if frame.place == Place::Imported && frame.path == *path && is_label {
            self.end.get_or_insert_with(|| frame.running.clone());
        }
        self.end.is_some()
    }
}

/// What is wanted of a model.
#[derive(Debug, Clone, Copy)]
enum Part<'c> {
    All,
    Until(&'c str, Span),
    Only(&'c str, Span),
}

impl<'a> Cx<'a> {
    /// A model, or a part of one, as a stage.
    pub(super) fn import_call(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &Frame<'_>,
        stage: &'a Stage,
        call: &'a Call,
        id: DefId,
    ) -> Value {
        let name = self.layer_name(&mut walk.names, &frame.path, stage.label.as_ref(), &call.name.name);
        let value = self.take(walk, frame, call.span);
        let Some(Tree::Import(import, model)) = self.definition(id).map(|definition| definition.tree) else {
            return walk.poison();
        };
        let (parts, arguments): (Vec<&Argument>, Vec<&Argument>) =
            call.arguments.iter().partition(|argument| is_part(argument, model));
        let arguments: Vec<Argument> = arguments.into_iter().cloned().collect();
        let part = self.wanted_part(&parts);
        let terms = self.used_definition(walk, frame, call, &arguments, (id, 0));
        let (Some(part), Some(terms)) = (part, terms) else { return walk.poison() };
        if walk.is_dry {
            return None;
        }
        self.check_frozen(walk, import, call);
        let mut scope = Scope::new(Origin::Used(model.name.span.file), Role::Constant);
        scope.owner = Some(id);
        scope.site = Some(frame.scope.site.unwrap_or(call.span));
        for (name, term, _) in terms {
            scope.define(&name, term);
        }
        let path = format!("{name}.");
        walk.names.begin(&path, &model.body);
        let mut inner = Frame {
            scope: &scope,
            place: Place::Imported,
            path: path.clone(),
            site: Some(frame.site.unwrap_or(stage.span)),
            running: Running::Nothing,
            base: walk.n_values(),
        };
        let is_covered = walk.imported.has_weights;
        let weights = import.weights.as_ref().filter(|_| !is_covered).map(|weights| ImportedWeights {
            path: weights.value.clone(),
            file: self.sources.get(weights.span.file).map_or_else(String::new, |file| file.name.clone()),
            span: weights.span,
        });
        let imported = Imported {
            given: value,
            until: match part {
                Part::Until(label, _) => Some((label.to_owned(), path.clone())),
                Part::All | Part::Only(..) => None,
            },
            has_weights: is_covered || weights.is_some(),
            ..Imported::default()
        };
        let at = walk.imports.len();
        walk.imports.push(ImportUse { prefix: path, input: None, weights, span: call.span });
        let outer = std::mem::replace(&mut walk.imported, imported);
        let (n_before, n_unused) = (self.diagnostics.len(), walk.unused.len());
        let outer_input = walk.first_input.take();
        walk.first_input = inputs(model).next();
        let result = self.imported_part(walk, &mut inner, model, part, call);
        walk.first_input = outer_input;
        walk.forget(inner.base);
        // What is not used, or said in vain, is so in that file.
        walk.unused.truncate(n_unused);
        let of_model = model.name.span.file;
        let mut n = 0;
        self.diagnostics.retain(|diagnostic| {
            n += 1;
            n <= n_before || diagnostic.is_error() || diagnostic.primary.span.file != of_model
        });
        self.tell_use(n_before, call);
        let ended = std::mem::replace(&mut walk.imported, outer);
        if let (Some((span, Some(shape))), Some(value)) = (ended.input, value)
            && let Some(import) = walk.imports.get_mut(at)
        {
            import.input = Some((value, shape, span));
        }
        result
    }

    /// The value that is wanted of a model whose walk begins.
    fn imported_part(
        &mut self,
        walk: &mut Walk<'a>,
        inner: &mut Frame<'_>,
        model: &'a Model,
        part: Part<'_>,
        call: &Call,
    ) -> Value {
        if let Part::Only(label, span) = part {
            let Some(stage) = find(&model.body, label) else {
                self.report_no_label(model, label, span);
                return walk.poison();
            };
            inner.running = Running::One(walk.imported.given);
            let running = self.stage(walk, inner, stage, false);
            return self.one_value(walk, &running, call.span);
        }
        self.body(walk, inner, &model.body);
        if let Part::Until(label, span) = part {
            let Some(end) = walk.imported.end.clone() else {
                self.report_no_label(model, label, span);
                return walk.poison();
            };
            return self.one_value(walk, &end, call.span);
        }
        match walk.imported.outputs.as_slice() {
            [] => self.one_value(walk, &inner.running, call.span),
            [(_, value)] => *value,
            [(first, _), .., (last, _)] => {
                let label = format!("expected one value, found {}", walk.imported.outputs.len());
                let message = format!("model `{}` has several outputs", model.name.name);
                let diagnostic = Diagnostic::new(Code::E0302, message, call.span, label)
                    .with_label(first.span.to(last.span), "its outputs")
                    .with_help(format!(
                        "take what is before one of its layers: `{}(until = label)`",
                        call.name.name
                    ));
                self.report(diagnostic);
                walk.poison()
            }
        }
    }

    /// Which part a use takes. `None` after a report.
    fn wanted_part<'c>(&mut self, arguments: &[&'c Argument]) -> Option<Part<'c>> {
        let [argument] = arguments else {
            if let [first, second, ..] = arguments {
                let diagnostic =
                    Diagnostic::new(Code::E0206, "two parts of one model", second.span, "the second")
                        .with_label(first.span, "the first")
                        .with_help("`until` takes what is before a layer, `only` takes one layer");
                self.report(diagnostic);
                return None;
            }
            return Some(Part::All);
        };
        let span = argument.value.span;
        let ExprKind::Name(label) = &argument.value.kind else {
            let name = argument.name.as_ref().map_or(UNTIL, |name| name.name.as_str());
            self.wrong_argument(span, &format!("`{name}`"), "the label of a layer");
            return None;
        };
        let is_until = argument.name.as_ref().is_some_and(|name| name.name == UNTIL);
        Some(if is_until { Part::Until(label, span) } else { Part::Only(label, span) })
    }

    fn report_no_label(&mut self, model: &Model, label: &str, span: Span) {
        let mut known: Vec<&str> = Vec::new();
        each_stage(&model.body, &mut |stage| {
            known.extend(stage.label.as_ref().map(|label| label.name.as_str()))
        });
        let mut diagnostic = Diagnostic::new(
            Code::E0230,
            format!("model `{}` has no layer with the label `{label}`", model.name.name),
            span,
            "expected a label of its body",
        )
        .with_label(model.name.span, "the model")
        .with_closest(label, known.iter().copied());
        if is_within(&model.body, label) {
            diagnostic =
                diagnostic.with_note("the label stands inside of braces, from which nothing can be taken");
        } else if diagnostic.help.is_empty() {
            diagnostic = match known.is_empty() {
                true => diagnostic.with_help(format!("give the layer one: `{label}: dense(10)`")),
                false => diagnostic.with_note(super::listed("labels are", &known)),
            };
        }
        self.report(diagnostic);
    }

    /// What is frozen stays what it is, and so must be something.
    fn check_frozen(&mut self, walk: &mut Walk<'_>, import: &Import, call: &Call) {
        if !walk.is_frozen || walk.imported.has_weights || import.weights.is_some() {
            return;
        }
        let name = &import.name.name;
        let path = import.path.value.strip_suffix(".nn").unwrap_or(&import.path.value);
        let diagnostic = Diagnostic::new(
            Code::E0430,
            format!("`{name}` is frozen and has no weights"),
            call.span,
            "its layers would stay as they are drawn at random",
        )
        .with_label(import.span, "imported without weights")
        .with_help(format!(
            "say where they are: `import {name} from \"{}\" weights \"{path}.safetensors\"`",
            import.path.value
        ));
        self.report(diagnostic);
    }

    /// A statement in the body of an imported model: whether it means something else there than in a block.
    pub(super) fn imported_statement(
        &mut self,
        walk: &mut Walk<'a>,
        frame: &mut Frame<'_>,
        statement: &'a Statement,
    ) -> bool {
        match statement {
            Statement::Input(input) => {
                let name = input.name.as_ref().map_or("input", |name| name.name.as_str());
                let span = input.name.as_ref().map_or(input.span, |name| name.span);
                let shape = self.shape(frame.scope, &input.shape, "the shape of an input", Code::E0301);
                if let Some((first, _)) = &walk.imported.input {
                    let diagnostic = Diagnostic::new(
                        Code::E0501,
                        "a model with more than one input cannot be imported yet",
                        input.span,
                        "the second input",
                    )
                    .with_label(*first, "the first input");
                    self.report(diagnostic);
                    walk.is_poisoned = true;
                    return true;
                }
                walk.imported.input = Some((input.span, shape));
                let given = walk.imported.given;
                self.name_value(walk, frame, name, span, given, true);
                frame.running = Running::One(given);
                true
            }
            Statement::Output(output) => {
                for name in &output.names {
                    let value = self.named_value(walk, frame, &name.name, name.span);
                    walk.imported.outputs.push((name, value));
                }
                true
            }
            Statement::Loss(_) | Statement::Optimizer(_) | Statement::Metrics(_) => true,
            _ => false,
        }
    }
}

/// Whether an argument says which part of a model is wanted, rather than what a parameter of the model is.
fn is_part(argument: &Argument, model: &Model) -> bool {
    let Some(name) = argument.name.as_ref().map(|name| name.name.as_str()) else { return false };
    let is_parameter = model.parameters.iter().any(|parameter| parameter.name.name == name);
    matches!(name, UNTIL | ONLY) && !is_parameter
}

/// Where the inputs of a model stand.
fn inputs(model: &Model) -> impl Iterator<Item = Span> {
    model.body.statements.iter().filter_map(|statement| match statement {
        Statement::Input(input) => Some(input.span),
        _ => None,
    })
}

fn chains(body: &Body) -> impl Iterator<Item = &Chain> {
    body.statements.iter().filter_map(|statement| match statement {
        Statement::Chain(chain) => Some(chain),
        Statement::Let(binding) => Some(&binding.chain),
        _ => None,
    })
}

/// The stages of a body and of those that are frozen or computed again in it.
fn each_stage<'b>(body: &'b Body, see: &mut dyn FnMut(&'b Stage)) {
    for stage in chains(body).flat_map(|chain| &chain.stages) {
        see(stage);
        if let (None, StageKind::Frozen(body) | StageKind::Recompute(body)) = (&stage.label, &stage.kind) {
            each_stage(body, see);
        }
    }
}

/// The stage with this label.
fn find<'b>(body: &'b Body, label: &str) -> Option<&'b Stage> {
    let mut found = None;
    each_stage(body, &mut |stage| {
        if stage.label.as_ref().is_some_and(|known| known.name == label) {
            found = found.or(Some(stage));
        }
    });
    found
}

/// Whether a label stands somewhere inside of braces.
fn is_within(body: &Body, label: &str) -> bool {
    let is_in = |body: &Body| find(body, label).is_some() || is_within(body, label);
    let mut is_found = false;
    for stage in chains(body).flat_map(|chain| &chain.stages) {
        is_found |= match &stage.kind {
            StageKind::Repeat(_, body) | StageKind::Residual(body) => is_in(body),
            StageKind::Branch(bodies) => bodies.iter().any(is_in),
            StageKind::Frozen(body) | StageKind::Recompute(body) => is_within(body, label),
            StageKind::Call(_) => false,
        };
    }
    is_found
}
