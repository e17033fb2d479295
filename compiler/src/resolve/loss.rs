//! Losses: `loss cross_entropy`, `loss mse(reduction = sum)`.

use nnc_grammar::ast::{Argument, Call, Expr, ExprKind, Function, Ident};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::Callee;
use super::body::Value;
use super::definitions::{DefId, Definition, Origin, Sort, Tree};
use super::formula::{Formula, Rank, Truth};
use super::gradient;
use super::ranges;
use super::scalar::{LARGEST_FORMULA, Role, Scope, Term};
use crate::program::{LossUse, MOST_CLASSES, Output, OutputScale, Reduction, TargetKind, ValueExpr, ValueId};

/// What a loss can compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparable<'m> {
    /// The model's outputs.
    pub(super) outputs: &'m [Output],
    /// Its values by name, which can be what an output is compared with.
    pub(super) named: &'m [(String, Value)],
}

/// Checks a loss by itself.
pub(super) fn check(cx: &mut Cx<'_>, id: DefId, function: &Function) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let mut scope = cx.opaque_scope(id, &definition, Role::Loss);
    define_values(&mut scope, Formula::Target(target(&definition)));
    // A use may give rows of probabilities instead.
    scope.define("is_class", Term::Truth(Truth::Opaque));
    let Some(formula) = cx.number(&scope, &function.body) else { return false };
    check_body(cx, function, &formula)
}

/// Whether the target of a loss is a class.
pub(super) fn is_class(definition: &Definition<'_>) -> bool {
    let kind = definition.parameters.get(1).and_then(|target| target.kind.as_ref());
    kind.is_some_and(|kind| kind.name == "class")
}

/// The numbers that a target of this kind may be.
pub(super) fn range_of(kind: &str) -> Option<(f64, f64)> {
    match kind {
        "probability" => Some((0.0, 1.0)),
        "sign" => Some((-1.0, 1.0)),
        "nonnegative" => Some((0.0, f64::INFINITY)),
        _ => None,
    }
}

/// What an output of this kind is to its target.
pub(super) fn scale_of(kind: &str) -> Option<OutputScale> {
    match kind {
        "log" => Some(OutputScale::Log),
        "logit" => Some(OutputScale::Logit),
        _ => None,
    }
}

/// What a loss compares with, unless its use says otherwise.
pub(super) fn target(definition: &Definition<'_>) -> TargetKind {
    if is_class(definition) { TargetKind::Class } else { TargetKind::Values }
}

/// The names that every loss knows.
pub(super) fn define_values(scope: &mut Scope, target: Formula) {
    let is_class = Truth::Known(matches!(target, Formula::Target(TargetKind::Class)));
    scope.define("is_class", Term::Truth(is_class));
    scope.define("output", Term::Number(Formula::Value));
    scope.define("target", Term::Number(target));
    scope.define("classes", Term::Number(Formula::Count));
}

/// What every use of a loss may say besides, by name.
const GENERAL: &[&str] = &["reduction", "target", "output", "weight"];

/// What every use of a loss may say besides the arguments of its definition.
struct General {
    reduction: Reduction,
    /// Whether the target of a loss of classes is given as rows of values.
    is_rows: bool,
    /// The output that it compares, by its place.
    output: Option<usize>,
    /// The value of the model that it compares with.
    within: Option<(ValueId, Span)>,
    /// What it counts among other losses.
    weight: f64,
    /// As it was written.
    texts: Vec<(Option<String>, String)>,
}

/// The body is one number a sample, and depends on the output.
fn check_body(cx: &mut Cx<'_>, function: &Function, formula: &Formula) -> bool {
    let (name, span) = (&function.name.name, function.body.span);
    if formula.rank() == Rank::Elements {
        let text = cx.text(span);
        let help = if text.len() <= 60 {
            format!("reduce it: `mean({text})`, or `sum`")
        } else {
            "reduce it by `mean` or `sum`".to_owned()
        };
        cx.report(
            Diagnostic::new(
                Code::E0217,
                format!("loss `{name}` is not one number a sample"),
                span,
                "expected one number, found one for each element",
            )
            .with_help(help),
        );
        return false;
    }
    if !formula.reads_value(true) {
        cx.report(Diagnostic::new(
            Code::E0217,
            format!("loss `{name}` does not depend on the output"),
            span,
            "expected `output` in it",
        ));
        return false;
    }
    true
}

impl Cx<'_> {
    /// The loss of a model. `None` after a report.
    pub(super) fn loss_use(
        &mut self,
        scope: &Scope,
        call: &Call,
        comparable: &Comparable<'_>,
    ) -> Option<LossUse> {
        let outputs = comparable.outputs;
        let name = &call.name.name;
        let Some(id) = self.lookup(scope.origin, Sort::Loss, name) else {
            self.report_unknown_definition(scope, Sort::Loss, Code::E0211, call);
            return None;
        };
        let definition = self.definition(id)?;
        self.mark_used(id);
        let is_valid = self.check(id, Some(call.span));
        let general = self.general_of_loss(scope, call, &definition, comparable)?;
        let General { reduction, is_rows, output, within, weight, texts } = general;
        let Some(output) = output.or_else(|| (outputs.len() < 2).then_some(0)) else {
            let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            let first = names.first().copied().unwrap_or("output");
            self.report(
                Diagnostic::new(
                    Code::E0203,
                    format!("`{name}` does not say which output it compares"),
                    call.span,
                    format!("expected `output = {first}`, or another of them"),
                )
                .with_note(super::listed("the outputs are", &names)),
            );
            return None;
        };
        let is_own = |argument: &&Argument| general_name(argument, &definition).is_none();
        let arguments: Vec<Argument> = call.arguments.iter().filter(is_own).cloned().collect();
        let defined = (definition.origin != Origin::Library).then_some(definition.name.span);
        let callee = Callee { name, span: call.span, defined, general: GENERAL };
        self.begin_formula();
        let terms =
            self.definition_arguments(scope, &definition, callee, &arguments, Sort::Loss.n_values())?;
        let Tree::Function(function) = definition.tree else { return None };
        if !is_valid {
            return None;
        }
        let mut given: Vec<(Option<String>, String)> = terms
            .iter()
            .filter(|(.., is_given)| *is_given)
            .filter_map(|(name, term, _)| Some((Some(name.clone()), self.term_text(term)?)))
            .collect();
        given.extend(texts);
        let text = super::arguments::call_text(name, &given);
        let mut inside = Scope::new(definition.origin, Role::Loss);
        inside.owner = Some(id);
        inside.site = Some(call.span);
        let kind = target(&definition);
        define_values(&mut inside, if is_rows { Formula::Distribution } else { Formula::Target(kind) });
        let ignored = self.ignored(call, &definition, &terms, is_rows)?;
        // A use that turns a part of the loss off, `log_input = false`, may look at the output in another way.
        let is_off = |(_, term, is_given): &(String, Term, bool)| {
            *is_given && matches!(term, Term::Truth(Truth::Known(false)))
        };
        let scale = definition.parameters.first().and_then(|output| scale_of(&output.kind.as_ref()?.name));
        let scale = scale.filter(|_| !terms.iter().any(is_off)).unwrap_or_default();
        for (name, term, _) in terms {
            inside.define(&name, term);
        }
        let formula = self.number(&inside, &function.body)?;
        if !check_body(self, function, &formula)
            || !gradient::check_use(self, &definition, &formula, call.span)
        {
            return None;
        }
        let formula = if reduction == Reduction::Sum { formula.with_sums() } else { formula };
        let (formula, sample_weight) = match formula {
            Formula::Weighted(x, weight) => (*x, Some(self.value_body(&weight, call.span)?)),
            formula => (formula, None),
        };
        if formula.has_weights() {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("`{name}` weighs its samples in a part of it"),
                    call.span,
                    "expected `weighted` around the whole loss",
                )
                .with_note("the mean over a batch divides by the weights of its samples, once"),
            );
            return None;
        }
        let body = self.value_body(&formula, call.span)?;
        let is_of_classes = kind == TargetKind::Class;
        let target = if is_rows { TargetKind::Values } else { kind };
        let kind = definition.parameters.get(1).and_then(|target| target.kind.as_ref());
        let range = if is_rows { Some((0.0, 1.0)) } else { kind.and_then(|kind| range_of(&kind.name)) };
        let only_ends = kind.is_some_and(|kind| kind.name == "sign");
        let (name, span) = (name.clone(), call.span);
        Some(LossUse {
            name,
            text,
            body,
            output,
            within,
            weight,
            sample_weight,
            ignored,
            range,
            only_ends,
            scale,
            target,
            is_of_classes,
            reduction,
            span,
        })
    }

    /// A formula as an expression over values, or `None` after a report.
    pub(super) fn value_body(&mut self, formula: &Formula, span: Span) -> Option<ValueExpr> {
        let body = formula.to_value(&mut { 2 * LARGEST_FORMULA });
        if body.is_none() {
            self.report(
                Diagnostic::new(Code::E0502, "formula is too large", span, "this is too large")
                    .with_note("conditions with `&&` and `||` repeat their alternatives"),
            );
        }
        body
    }

    /// The class that a constant of kind `class` names, if it names one.
    fn ignored(
        &mut self,
        call: &Call,
        definition: &Definition<'_>,
        terms: &[(String, Term, bool)],
        is_rows: bool,
    ) -> Option<Option<u32>> {
        let constants = definition.parameters.iter().skip(Sort::Loss.n_values());
        for (parameter, (name, term, is_given)) in constants.zip(terms) {
            let is_class = parameter.kind.as_ref().is_some_and(|kind| kind.name == "class");
            if !is_class || !is_given {
                continue;
            }
            let written = call
                .arguments
                .iter()
                .find(|argument| argument.name.as_ref().is_some_and(|given| given.name == *name));
            let span = written.map_or(call.span, |argument| argument.value.span);
            let Term::Number(formula) = term else { continue };
            let value = formula.value().unwrap_or(-1.0);
            let expected = "the index of a class: a whole number from 0";
            if value.fract() != 0.0 || !(0.0..=MOST_CLASSES as f64).contains(&value) {
                let help = "classes are counted from 0; left out none is passed over";
                self.out_of_range(span, &format!("`{name}`"), expected, &value.to_string(), help);
                return None;
            }
            if is_rows {
                self.report(
                    Diagnostic::new(
                        Code::E0202,
                        format!("`{name}` is a class, and the targets are rows of values"),
                        span,
                        "expected targets that are classes",
                    )
                    .with_help("leave out `target = values`, or this argument"),
                );
                return None;
            }
            return Some(Some(value as u32));
        }
        Some(None)
    }

    /// The arguments that every loss has.
    fn general_of_loss(
        &mut self,
        scope: &Scope,
        call: &Call,
        definition: &Definition<'_>,
        comparable: &Comparable<'_>,
    ) -> Option<General> {
        let mut general = General {
            reduction: Reduction::Mean,
            is_rows: false,
            output: None,
            within: None,
            weight: 1.0,
            texts: Vec::new(),
        };
        for (n, argument) in call.arguments.iter().enumerate() {
            let Some(name) = general_name(argument, definition) else { continue };
            let earlier = call.arguments.iter().take(n);
            let mut first =
                earlier.filter(|first| first.name.as_ref().is_some_and(|first| first.name == name.name));
            if let Some(first) = first.next_back() {
                let message = format!("argument `{}` is given twice", name.name);
                self.report(
                    Diagnostic::new(Code::E0206, message, argument.span, "given again here")
                        .with_label(first.span, "first given here"),
                );
                return None;
            }
            let what = format!("`{}` of `{}`", name.name, call.name.name);
            let word = if name.name == "reduction" {
                let word = self.choice(&argument.value, &what, &["mean", "sum"])?;
                general.reduction = if word == "sum" { Reduction::Sum } else { Reduction::Mean };
                word.to_owned()
            } else if name.name == "output" {
                let at = self.output_of(&argument.value, &what, comparable.outputs)?;
                general.output = Some(at);
                self.text(argument.value.span).to_owned()
            } else if name.name == "weight" {
                let weight = self.constant(scope, &argument.value, &what)?;
                if !(weight > 0.0 && weight.is_finite()) {
                    let found = self.found(&argument.value, weight);
                    let help = ranges::help(weight, |x| x > 0.0, Some("1"), "1");
                    self.out_of_range(argument.value.span, &what, "a number above 0", &found, help);
                    return None;
                }
                general.weight = weight;
                weight.to_string()
            } else if let Some((name, value)) = self.named_target(&argument.value, &what, comparable)? {
                general.within = Some((value?, argument.value.span));
                // What is computed is a row of values, even where a loss of classes takes it.
                general.is_rows = target(definition) == TargetKind::Class;
                name
            } else {
                let word = self.choice(&argument.value, &what, &["class", "values"])?;
                let is_class = target(definition) == TargetKind::Class;
                general.is_rows = is_class && word == "values";
                if !is_class && word == "class" {
                    self.report(Diagnostic::new(
                        Code::E0204,
                        format!("`{}` compares with values", call.name.name),
                        argument.value.span,
                        "expected `values`, found `class`",
                    ));
                    return None;
                }
                word.to_owned()
            };
            general.texts.push((Some(name.name.clone()), word));
        }
        Some(general)
    }

    /// The value of the model that an argument names, `Some(None)` for a word that says what targets are. `None` after a
    /// report.
    fn named_target(
        &mut self,
        value: &Expr,
        what: &str,
        comparable: &Comparable<'_>,
    ) -> Option<Option<(String, Value)>> {
        let ExprKind::Name(name) = &value.kind else { return Some(None) };
        if matches!(name.as_str(), "class" | "values") {
            return Some(None);
        }
        if let Some((_, value)) = comparable.named.iter().rev().find(|(known, _)| known == name) {
            return Some(Some((name.clone(), *value)));
        }
        let known: Vec<&str> = comparable.named.iter().map(|(name, _)| name.as_str()).collect();
        let words = ["class", "values"];
        let mut diagnostic = Diagnostic::new(
            Code::E0207,
            format!("{what} is `class`, `values`, or the name of a value"),
            value.span,
            "not known here",
        )
        .with_closest(name, known.iter().copied().chain(words));
        if diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_help(format!("`let {name} = …` names the value of a chain"));
        }
        self.report(diagnostic);
        None
    }

    /// The place of the output that an argument names.
    fn output_of(&mut self, value: &Expr, what: &str, outputs: &[Output]) -> Option<usize> {
        let name = self.text(value.span).to_owned();
        let at = outputs.iter().position(|output| output.name == name);
        if at.is_none() {
            let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            let mut diagnostic = Diagnostic::new(
                Code::E0207,
                format!("{what} is the name of an output"),
                value.span,
                format!("expected an output, found `{name}`"),
            )
            .with_closest(&name, known.iter().copied());
            if diagnostic.help.is_empty() {
                diagnostic = diagnostic.with_note(super::listed("the outputs are", &known));
            }
            self.report(diagnostic);
        }
        at
    }

    /// Reports a loss or optimizer that is not known.
    pub(super) fn report_unknown_definition(&mut self, scope: &Scope, sort: Sort, code: Code, call: &Call) {
        let name = &call.name;
        if self.is_unsupported(&name.name) {
            return;
        }
        let known = self.names_of(scope.origin, sort);
        let noun = sort.noun();
        let mut diagnostic =
            Diagnostic::new(code, format!("unknown {noun} `{}`", name.name), name.span, "not known")
                .with_closest(&name.name, known.iter().copied());
        if diagnostic.help.is_empty() {
            let nouns = if sort == Sort::Loss { "losses are" } else { "optimizers are" };
            diagnostic = diagnostic.with_note(super::listed(nouns, &known));
        }
        self.report(diagnostic);
    }
}

/// The name of an argument that every loss has. `weight` may be a constant of the definition's own.
fn general_name<'a>(argument: &'a Argument, definition: &Definition<'_>) -> Option<&'a Ident> {
    let name = argument.name.as_ref()?;
    let mut constants = definition.parameters.iter().skip(Sort::Loss.n_values());
    let is_general = GENERAL.contains(&name.name.as_str());
    let is_own = name.name == "weight" && constants.any(|constant| constant.name.name == "weight");
    (is_general && !is_own).then_some(name)
}
