//! The key `augment`: what is done to samples before they are trained on.

use nnc_grammar::ast::{Argument, Expr, ExprKind};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::super::Cx;
use super::super::arguments::{Callee, Slot};
use super::super::ranges;
use super::super::settings::Settings;
use crate::program::{AugmentUse, Augmentation, DataSpec, Fill, Input};

const NAMES: &[&str] = &["shift", "flip", "crop", "noise"];

/// Reads the list; what is at fault is left out, after a report.
pub(super) fn resolve(cx: &mut Cx<'_>, settings: &Settings<'_>) -> Vec<AugmentUse> {
    let Some(value) = settings.value("augment") else { return Vec::new() };
    let items = match &value.kind {
        ExprKind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    if items.is_empty() {
        let help = "for example `augment [shift(2), flip]`; leave `augment` out for none";
        cx.out_of_range(value.span, "`augment`", "one augmentation or more", "none", help);
    }
    let mut uses: Vec<AugmentUse> = Vec::with_capacity(items.len());
    let mut seen: Vec<(String, Span)> = Vec::with_capacity(items.len());
    for item in items {
        let (name, span, arguments): (&str, _, &[Argument]) = match &item.kind {
            ExprKind::Name(name) => (name, item.span, &[]),
            ExprKind::Call(call) => (&call.name.name, call.name.span, &call.arguments),
            ExprKind::Error => continue,
            _ => {
                cx.wrong_argument(item.span, "`augment`", "a list such as `[shift(2), flip]`");
                continue;
            }
        };
        if !NAMES.contains(&name) {
            unknown(cx, name, span);
            continue;
        }
        if let Some((_, first)) = seen.iter().find(|(known, _)| known == name) {
            cx.report(
                Diagnostic::new(Code::E0206, format!("`{name}` is listed twice"), span, "listed again here")
                    .with_label(*first, "first listed here"),
            );
            continue;
        }
        seen.push((name.to_owned(), span));
        if let Some(kind) = augmentation(cx, settings, item, name, arguments) {
            uses.push(AugmentUse { kind, span: item.span });
        }
    }
    uses
}

fn unknown(cx: &mut Cx<'_>, name: &str, span: Span) {
    let label = format!("expected one of `shift`, `flip`, `crop`, `noise`, found `{name}`");
    let mut diagnostic = Diagnostic::new(Code::E0204, format!("unknown augmentation `{name}`"), span, label)
        .with_closest(name, NAMES.iter().copied());
    if diagnostic.help.is_empty() {
        diagnostic = diagnostic.with_help("write for example `augment [shift(2), flip]`");
    }
    cx.report(diagnostic);
}

fn augmentation(
    cx: &mut Cx<'_>,
    settings: &Settings<'_>,
    item: &Expr,
    name: &str,
    arguments: &[Argument],
) -> Option<Augmentation> {
    let required = |name| Slot { name, is_required: true };
    let slots = match name {
        "shift" => vec![required("pixels")],
        "crop" => vec![required("padding"), Slot { name: "fill", is_required: false }],
        "noise" => vec![required("std")],
        _ => Vec::new(),
    };
    let bound = cx.bind(Callee { name, span: item.span, defined: None, general: &[] }, &slots, arguments)?;
    let argument = |n: usize| bound.get(n).copied().flatten().map(|argument| &argument.value);
    Some(match name {
        "shift" => {
            Augmentation::Shift { pixels: cx.count(&settings.scope, argument(0)?, "`pixels`", Code::E0205)? }
        }
        "crop" => {
            let padding = cx.count(&settings.scope, argument(0)?, "`padding`", Code::E0205)?;
            let fill = match argument(1) {
                Some(value) => cx.choice(value, "`fill`", &["zero", "reflect", "edge"])?,
                None => "zero",
            };
            let fill = match fill {
                "reflect" => Fill::Reflect,
                "edge" => Fill::Edge,
                _ => Fill::Zero,
            };
            Augmentation::Crop { padding, fill }
        }
        "noise" => {
            let value = argument(0)?;
            let std = cx.constant(&settings.scope, value, "`std`")?;
            let is_valid = |std: f64| std > 0.0 && std.is_finite();
            if !is_valid(std) {
                let found = cx.found(value, std);
                let help = ranges::help(std, is_valid, None, "noise(0.1)");
                cx.out_of_range(value.span, "`std`", "a number above 0", &found, help);
                return None;
            }
            Augmentation::Noise { std }
        }
        _ => Augmentation::Flip,
    })
}

/// Reports augmentations that the input of a model cannot have.
pub(in super::super) fn check(cx: &mut Cx<'_>, spec: &DataSpec, inputs: &[Input]) {
    let (Some(first), [input, others @ ..]) = (spec.augment.first(), inputs) else { return };
    if let Some(other) = others.first() {
        cx.report(
            Diagnostic::new(
                Code::E0216,
                "`augment` has no place in the data of several inputs",
                first.span,
                format!("expected a model of one input, found {}", inputs.len()),
            )
            .with_label(other.span, "another input"),
        );
        return;
    }
    for AugmentUse { kind, span } in &spec.augment {
        let (height, width) = match (kind, input.shape.as_slice()) {
            (Augmentation::Noise { .. }, _) => continue,
            (_, [height, width] | [_, height, width]) => (*height, *width),
            (_, shape) => {
                let label = format!(
                    "expected an image, [channels, height, width] or [height, width], found {shape:?}"
                );
                cx.report(
                    Diagnostic::new(
                        Code::E0303,
                        format!("`{kind}` moves images, and the input is none"),
                        *span,
                        label,
                    )
                    .with_label(input.span, format!("`{}` is {shape:?}", input.name))
                    .with_help("declare the input as the image it is, and let `flatten` follow it"),
                );
                return;
            }
        };
        let (Augmentation::Shift { pixels } | Augmentation::Crop { padding: pixels, .. }) = kind else {
            continue;
        };
        let most = height.min(width).saturating_sub(1);
        if *pixels > most {
            let what = format!("`{kind}`");
            let (expected, help) = match most {
                0 => ("an image of more than one row and column".to_owned(), "leave it out".to_owned()),
                _ => (
                    format!("1 to {most} pixels for images of {height} by {width}"),
                    format!("write {most} at most"),
                ),
            };
            cx.out_of_range(*span, &what, &expected, &pixels.to_string(), help);
        }
    }
}
