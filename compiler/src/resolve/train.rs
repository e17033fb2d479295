//! The section `train`: how often, in what portions, and when to stop.

use nnc_grammar::ast::{Argument, Expr, ExprKind, Section};
use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::Cx;
use super::arguments::{Callee, Slot};
use super::ranges;
use super::settings::Settings;
use crate::program::{EarlyStopping, Precision, StartWeights, Storage, TrainSpec};

/// Keys of the section.
pub(super) const KEYS: &[&str] =
    &["epochs", "batch", "seed", "shuffle", "stop", "weights", "partial", "precision", "storage"];

/// The one rule by which training stops early.
const EARLY_STOPPING: &str = "early_stopping";

/// Whole numbers up to this are exact.
const LARGEST_SEED: f64 = 9_007_199_254_740_992.0;

/// Reads the section; what is at fault keeps its default, after a report.
pub(super) fn resolve(cx: &mut Cx<'_>, section: &Section) -> TrainSpec {
    let settings = Settings::read(cx, section, "train", KEYS);
    let defaults = TrainSpec::default();
    let expected = "a whole number from 0 to 2^53";
    let seed = settings.number(cx, "seed", expected, "7", |seed| {
        seed.fract() == 0.0 && (0.0..=LARGEST_SEED).contains(&seed)
    });
    let precision =
        settings.value("precision").and_then(|value| cx.choice(value, "`precision`", &["f32", "f64"]));
    let precision = if precision == Some("f64") { Precision::F64 } else { Precision::F32 };
    let epochs = settings.count(cx, "epochs");
    TrainSpec {
        epochs: epochs.unwrap_or(defaults.epochs),
        epochs_span: epochs.and_then(|_| settings.value("epochs")).map(|value| value.span),
        batch: settings.count(cx, "batch").unwrap_or(defaults.batch),
        // Whole and in range, as was just checked.
        seed: seed.map_or(defaults.seed, |seed| seed as u64),
        shuffle: settings.flag(cx, "shuffle").unwrap_or(defaults.shuffle),
        weights: weights(cx, &settings),
        stop: settings.value("stop").and_then(|value| stop(cx, &settings, value)),
        precision,
        storage: storage(cx, &settings, precision),
        storage_span: settings.value("storage").map(|value| value.span),
        span: Some(section.span),
    }
}

/// Half of the bits of an f32: a model for checks has nothing to do with it.
fn storage(cx: &mut Cx<'_>, settings: &Settings<'_>, precision: Precision) -> Storage {
    let Some(value) = settings.value("storage") else { return Storage::Full };
    if cx.choice(value, "`storage`", &["full", "bf16"]) != Some("bf16") {
        return Storage::Full;
    }
    if precision == Precision::F64 {
        let label = "expected `full` beside `precision f64`, found `bf16`";
        let mut diagnostic =
            Diagnostic::new(Code::E0216, "`storage bf16` has no place here", value.span, label)
                .with_help("leave out one of the two");
        if let Some(span) = settings.key("precision") {
            diagnostic = diagnostic.with_label(span, "numbers are f64 for checks");
        }
        cx.report(diagnostic);
        return Storage::Full;
    }
    Storage::Bf16
}

fn weights(cx: &mut Cx<'_>, settings: &Settings<'_>) -> Option<StartWeights> {
    let partial = settings.flag(cx, "partial");
    if let (Some(span), None) = (settings.key("partial"), settings.key("weights")) {
        let label = "expected a key `weights` beside it, found none";
        cx.report(
            Diagnostic::new(Code::E0216, "`partial` has no place here", span, label)
                .with_help("name the weights of which what fits is taken: `weights \"base.safetensors\"`"),
        );
    }
    let span = settings.value("weights")?.span;
    Some(StartWeights { path: settings.text(cx, "weights")?, is_partial: partial.unwrap_or(false), span })
}

fn stop(cx: &mut Cx<'_>, settings: &Settings<'_>, value: &Expr) -> Option<EarlyStopping> {
    let (name, span, arguments): (&str, _, &[Argument]) = match &value.kind {
        ExprKind::Name(name) => (name, value.span, &[]),
        ExprKind::Call(call) => (&call.name.name, call.name.span, &call.arguments),
        ExprKind::Error => return None,
        _ => {
            cx.wrong_argument(value.span, "`stop`", "a rule such as `early_stopping(patience = 10)`");
            return None;
        }
    };
    if name != EARLY_STOPPING {
        let mut diagnostic = Diagnostic::new(
            Code::E0204,
            format!("`stop` has no rule `{name}`"),
            span,
            format!("expected `{EARLY_STOPPING}`, found `{name}`"),
        )
        .with_closest(name, [EARLY_STOPPING]);
        if diagnostic.help.is_empty() {
            diagnostic = diagnostic.with_help("write `stop early_stopping(patience = 10)`");
        }
        cx.report(diagnostic);
        return None;
    }
    let slots =
        [Slot { name: "patience", is_required: false }, Slot { name: "min_delta", is_required: false }];
    let callee = Callee { name, span: value.span, defined: None, general: &[] };
    let bound = cx.bind(callee, &slots, arguments)?;
    let (mut patience, mut min_delta) = (Some(10), Some(0.0));
    if let Some(Some(argument)) = bound.first() {
        patience = cx.count(&settings.scope, &argument.value, "`patience`", Code::E0205);
    }
    if let Some(Some(argument)) = bound.get(1) {
        let what = "`min_delta`";
        min_delta = cx.constant(&settings.scope, &argument.value, what);
        if let Some(value) = min_delta.filter(|value| !(value.is_finite() && *value >= 0.0)) {
            let found = cx.found(&argument.value, value);
            let help = ranges::help(value, |x| x >= 0.0, Some("0"), "0");
            cx.out_of_range(argument.value.span, what, "a number from 0", &found, help);
            return None;
        }
    }
    Some(EarlyStopping { patience: patience?, min_delta: min_delta? })
}
