//! Losses: `loss cross_entropy`, `loss mse(reduction = sum)`.

use nnc_grammar::ast::{Argument, Call, Function};
use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::Cx;
use super::arguments::Callee;
use super::definitions::{DefId, Definition, Origin, Sort, Tree};
use super::formula::{Formula, Rank};
use super::scalar::{LARGEST_FORMULA, Role, Scope, Term};
use crate::program::{LossUse, Reduction, TargetKind};

/// Checks a loss by itself.
pub(super) fn check(cx: &mut Cx<'_>, id: DefId, function: &Function) -> bool {
    let Some(definition) = cx.definition(id) else { return false };
    let mut scope = cx.opaque_scope(id, &definition, Role::Loss);
    define_values(&mut scope, &definition);
    let Some(formula) = cx.number(&scope, &function.body) else { return false };
    check_body(cx, function, &formula)
}

fn target(definition: &Definition<'_>) -> TargetKind {
    let is_class = definition.parameters.get(1).is_some_and(|target| target.kind.is_some());
    if is_class { TargetKind::Class } else { TargetKind::Values }
}

fn define_values(scope: &mut Scope, definition: &Definition<'_>) {
    scope.define("output", Term::Number(Formula::Output));
    scope.define("target", Term::Number(Formula::Target(target(definition))));
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
    if !formula.reads_output() {
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
    pub(super) fn loss_use(&mut self, scope: &Scope, call: &Call) -> Option<LossUse> {
        let name = &call.name.name;
        let Some(id) = self.lookup(scope.origin, Sort::Loss, name) else {
            self.report_unknown_definition(scope, Sort::Loss, Code::E0211, call);
            return None;
        };
        let definition = self.definition(id)?;
        self.mark_used(id);
        let is_valid = self.check(id, Some(call.span));
        let (reduction, text) = self.reduction(call)?;
        let arguments: Vec<Argument> =
            call.arguments.iter().filter(|argument| !is_reduction(argument)).cloned().collect();
        let defined = (definition.origin == Origin::User).then_some(definition.name.span);
        let callee = Callee { name, span: call.span, defined };
        self.begin_formula();
        let terms =
            self.definition_arguments(scope, &definition, callee, &arguments, Sort::Loss.n_values())?;
        let Tree::Function(function) = definition.tree else { return None };
        if !is_valid {
            return None;
        }
        let mut text = vec![text];
        text.retain(|text| !text.is_empty());
        let mut given: Vec<(Option<String>, String)> = terms
            .iter()
            .filter(|(.., is_given)| *is_given)
            .filter_map(|(name, term, _)| Some((Some(name.clone()), self.term_text(term)?)))
            .collect();
        given.extend(text.into_iter().map(|word| (Some("reduction".to_owned()), word)));
        let text = super::arguments::call_text(name, &given);
        let mut inside = Scope::new(definition.origin, Role::Loss);
        inside.owner = Some(id);
        inside.site = Some(call.span);
        define_values(&mut inside, &definition);
        for (name, term, _) in terms {
            inside.define(&name, term);
        }
        let formula = self.number(&inside, &function.body)?;
        if !check_body(self, function, &formula) {
            return None;
        }
        let formula = if reduction == Reduction::Sum { formula.with_sums() } else { formula };
        let Some(body) = formula.to_loss(&mut { 2 * LARGEST_FORMULA }) else {
            self.report(
                Diagnostic::new(Code::E0502, "formula is too large", call.span, "this is too large")
                    .with_note("conditions with `&&` and `||` repeat their alternatives"),
            );
            return None;
        };
        Some(LossUse {
            name: name.clone(),
            text,
            body,
            target: target(&definition),
            reduction,
            span: call.span,
        })
    }

    /// The argument that every loss has, and how it was written.
    fn reduction(&mut self, call: &Call) -> Option<(Reduction, String)> {
        let mut given = call.arguments.iter().filter(|argument| is_reduction(argument));
        let Some(argument) = given.next() else { return Some((Reduction::Mean, String::new())) };
        if let Some(second) = given.next() {
            self.report(
                Diagnostic::new(
                    Code::E0206,
                    "argument `reduction` is given twice",
                    second.span,
                    "given again here",
                )
                .with_label(argument.span, "first given here"),
            );
            return None;
        }
        let what = format!("`reduction` of `{}`", call.name.name);
        let word = self.choice(&argument.value, &what, &["mean", "sum"])?;
        let reduction = if word == "sum" { Reduction::Sum } else { Reduction::Mean };
        Some((reduction, word.to_owned()))
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

fn is_reduction(argument: &Argument) -> bool {
    argument.name.as_ref().is_some_and(|name| name.name == "reduction")
}
