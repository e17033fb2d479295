//! One model: its body walked, its loss, optimizer and metrics resolved.

use nnc_grammar::ast::{Call, ExprKind, Ident, Model, Statement};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::body::{Frame, Place, Running, Walk};
use super::loss::Comparable;
use super::scalar::Scope;
use super::{Cx, Sections, metrics, schedule};
use crate::compile::Options;
use crate::program::{LossUse, OptimizerUse, Output, Program, TrainSpec, ValueId};

/// A model, with faults or without.
pub(super) struct Resolution {
    pub(super) program: Program,
    /// Whether nothing is missing.
    pub(super) is_complete: bool,
}

/// Resolves a model.
pub(super) fn resolve<'a>(
    cx: &mut Cx<'a>,
    model: &'a Model,
    options: &Options,
    sections: &Sections,
) -> Resolution {
    let n_before = cx.diagnostics.len();
    let scope = cx.model_scope(model, options);
    let mut inputs = model.body.statements.iter().filter_map(|statement| match statement {
        Statement::Input(input) => Some(input.span),
        _ => None,
    });
    let mut walk = Walk::default();
    walk.n_inputs = inputs.clone().count();
    walk.first_input = inputs.next();
    walk.names.begin("", &model.body);
    let mut frame = Frame {
        scope: &scope,
        place: Place::Model,
        path: String::new(),
        site: None,
        running: Running::Nothing,
        base: 0,
    };
    cx.body(&mut walk, &mut frame, &model.body);
    let outputs = outputs(cx, &mut walk, &frame.running, &model.name);
    let n_losses = walk.losses.len();
    let losses = losses(cx, &scope, &walk.losses, &Comparable { outputs: &outputs, named: &walk.named });
    let optimizer = walk.optimizer.map(|call| (call.span, cx.optimizer_use(&scope, call)));
    if let Some((_, Some(optimizer))) = &optimizer {
        schedule::check_uses(cx, optimizer, &sections.train);
        check_freeze(cx, optimizer, &sections.train);
    }
    let metrics = metrics::resolve(cx, &walk.metrics);
    if losses.len() == n_losses {
        metrics::check(cx, &metrics, &losses);
    }
    if let Some(data) = sections.data.as_ref().filter(|_| walk.inputs.len() == walk.n_inputs) {
        super::data::check_features(cx, data, &walk.inputs);
        super::data::check_augment(cx, data, &walk.inputs);
        super::data::check_carried(cx, data, &walk.inputs, &walk.applications);
    }
    let is_unresolved = |part: Option<bool>| part == Some(false);
    let is_lacking = losses.len() < n_losses
        || is_unresolved(optimizer.as_ref().map(|(_, optimizer)| optimizer.is_some()));
    let spans = (walk.losses.first().map(|call| call.span), optimizer.as_ref().map(|(span, _)| *span));
    check_training(cx, &model.name, spans, sections.train.span);
    if !cx.errors_since(n_before) {
        cx.warn_of_unused_values(&walk);
        warn_of_unused_inputs(cx, &walk, &losses);
    }
    // The values of a program are counted behind all of its inputs.
    if walk.inputs.len() < walk.n_inputs {
        walk.inputs.clear();
        walk.is_poisoned = true;
    }
    let is_complete = sections.is_valid && !walk.is_poisoned && !is_lacking && !cx.errors_since(n_before);
    if !is_complete && !cx.errors_since(0) {
        cx.report(
            Diagnostic::new(
                Code::E0503,
                "the compiler contradicts itself",
                model.name.span,
                "something of this model could not be resolved, and no fault was found",
            )
            .with_help("this is a fault of nnc, not of the model: please report it with the model's text"),
        );
    }
    let program = Program {
        name: model.name.name.clone(),
        docs: model.docs.clone(),
        visibility: model.visibility,
        name_span: model.name.span,
        file: model.name.span.file,
        inputs: walk.inputs,
        applications: walk.applications,
        imports: walk.imports,
        outputs,
        // The loss of another value than the output would be checked against the wrong shape.
        losses: if is_complete { losses } else { Vec::new() },
        optimizer: optimizer.and_then(|(_, optimizer)| optimizer).filter(|_| is_complete),
        metrics,
        data: sections.data.clone(),
        train: sections.train.clone(),
    };
    Resolution { program, is_complete }
}

/// Warns of inputs that neither a layer nor a loss looks at, of models with several.
fn warn_of_unused_inputs(cx: &mut Cx<'_>, walk: &Walk<'_>, losses: &[LossUse]) {
    if walk.n_inputs < 2 {
        return;
    }
    let mut used = walk.applications.iter().flat_map(|application| application.inputs.iter().copied());
    let mut used: Vec<ValueId> = used.by_ref().collect();
    used.extend(losses.iter().filter_map(|loss| loss.within.map(|(value, _)| value)));
    for (n, input) in walk.inputs.iter().enumerate() {
        if !used.contains(&ValueId(n as u32)) {
            let message = format!("input `{}` is never used", input.name);
            cx.report(Diagnostic::new(Code::W0102, message, input.span, "nothing uses it").with_help(
                format!(
                    "a chain begins at the last input; name another in a layer: `concat({}, …)`",
                    input.name
                ),
            ));
        }
    }
}

/// What `output` names, or else the value of the last chain. Where a fault was reported, the last value that there is.
fn outputs(cx: &mut Cx<'_>, walk: &mut Walk<'_>, running: &Running, name: &Ident) -> Vec<Output> {
    if walk.output.is_none() {
        let last = (walk.n_inputs + walk.applications.len()).saturating_sub(1);
        let value = last_value(cx, walk, running, name).unwrap_or(ValueId(last as u32));
        return vec![Output { name: "output".to_owned(), value, span: name.span }];
    }
    let outputs = walk.outputs.iter();
    outputs
        .map(|(name, value)| Output {
            name: name.name.clone(),
            value: value.unwrap_or(ValueId(0)),
            span: name.span,
        })
        .collect()
}

/// The value of the last chain.
fn last_value(cx: &mut Cx<'_>, walk: &mut Walk<'_>, running: &Running, name: &Ident) -> Option<ValueId> {
    if walk.first_input.is_none() {
        walk.is_poisoned = true;
        cx.report(
            Diagnostic::new(
                Code::E0210,
                format!("model `{}` has no input", name.name),
                name.span,
                "expected a statement `input`, found none",
            )
            .with_help("the shape of one sample: `input [4]`, or with a name `input features: [4]`"),
        );
        return None;
    }
    if !walk.has_chain {
        walk.is_poisoned = true;
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("model `{}` computes nothing", name.name),
                name.span,
                "expected a chain of layers, found none",
            )
            .with_note(
                "the output of a model is the value of its last chain; `let` names a value and is none",
            )
            .with_help("add one: `dense(3)`, or name the output: `output name`"),
        );
        return None;
    }
    cx.one_value(walk, running, name.span)
}

/// Whether a loss of the model, as far as it can be told from the text, compares with a target of the data.
pub(super) fn needs_target(model: &Model) -> bool {
    let is_within = |call: &Call| {
        call.arguments.iter().any(|argument| {
            let is_target = argument.name.as_ref().is_some_and(|name| name.name == "target");
            let is_word =
                matches!(&argument.value.kind, ExprKind::Name(name) if name == "class" || name == "values");
            is_target && !is_word
        })
    };
    let mut losses = model.body.statements.iter().filter_map(|statement| match statement {
        Statement::Loss(call) => Some(call),
        _ => None,
    });
    let has_loss = losses.clone().next().is_some();
    !has_loss || losses.any(|call| !is_within(call))
}

/// The losses, those without a fault.
fn losses(cx: &mut Cx<'_>, scope: &Scope, calls: &[&Call], comparable: &Comparable<'_>) -> Vec<LossUse> {
    let mut losses: Vec<LossUse> = Vec::with_capacity(calls.len());
    for call in calls {
        let Some(loss) = cx.loss_use(scope, call, comparable) else { continue };
        if let Some(first) = losses.iter().find(|first| {
            let with = |loss: &LossUse| loss.within.map(|(value, _)| value);
            first.output == loss.output && first.name == loss.name && with(first) == with(&loss)
        }) {
            let name = &call.name.name;
            let message = format!("loss `{name}` is given twice");
            cx.report(
                Diagnostic::new(Code::E0206, message, call.span, "the second")
                    .with_label(first.span, "the first")
                    .with_help("leave one out, or say which `output` each compares"),
            );
            continue;
        }
        if let Some(first) = losses.first().filter(|first| first.reduction != loss.reduction) {
            cx.report(
                Diagnostic::new(
                    Code::E0204,
                    "losses of one model are put together in different ways",
                    call.span,
                    format!("this is a {} over samples", loss.reduction.word()),
                )
                .with_label(first.span, format!("and this a {}", first.reduction.word()))
                .with_help("give all of them the same `reduction`, and a `weight` each"),
            );
            continue;
        }
        losses.push(loss);
    }
    losses
}

/// What training needs stands together.
fn check_training(cx: &mut Cx<'_>, name: &Ident, spans: (Option<Span>, Option<Span>), train: Option<Span>) {
    match (spans, train) {
        ((None, Some(optimizer)), _) => cx.report(
            Diagnostic::new(
                Code::E0401,
                format!("model `{}` has an optimizer and no loss", name.name),
                optimizer,
                "expected a loss that it makes small",
            )
            .with_help("add one: `loss cross_entropy` for classes, `loss mse` for numbers"),
        ),
        ((Some(loss), None), Some(train)) => cx.report(
            Diagnostic::new(
                Code::E0402,
                format!("model `{}` has a loss and no optimizer", name.name),
                loss,
                "expected an optimizer that makes it small",
            )
            .with_label(super::cx_start(train, "train"), "it is to be trained")
            .with_help("add one: `optimizer adam(lr = 0.001)`"),
        ),
        _ => {}
    }
}

/// What is frozen for some epochs is trained in the others.
fn check_freeze(cx: &mut Cx<'_>, optimizer: &OptimizerUse, train: &TrainSpec) {
    let freeze = optimizer.freeze.and_then(|at| optimizer.hyper.get(at as usize));
    let (Some(freeze), Some(span)) = (freeze, train.span) else { return };
    for (_, value) in &freeze.overrides {
        if value.base.is_finite() && value.base >= train.epochs as f64 {
            let label = format!(
                "expected fewer than the {} epochs of the training, found {}",
                train.epochs, value.base
            );
            cx.report(
                Diagnostic::new(Code::E0205, "`freeze` leaves no epoch to train in", value.span, label)
                    .with_label(super::cx_start(span, "train"), "how long training is")
                    .with_help("`freeze = true` keeps a parameter as it is for ever"),
            );
        }
    }
}
