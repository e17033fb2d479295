//! The section `data`: where the rows come from, and how they are divided.

mod augment;
mod source;

use nnc_grammar::ast::{ExprKind, Section};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

pub(super) use augment::check as check_augment;
use source::missing;

use super::Cx;
use super::settings::Settings;
use crate::program::{Application, DataSource, DataSpec, Input, Kind};

const KEYS: &[&str] = &[
    "csv",
    "idx",
    "images",
    "npy",
    "npz",
    "arrays",
    "text",
    "stride",
    "labels",
    "test",
    "test_labels",
    "target",
    "features",
    "ignore",
    "delimiter",
    "scale",
    "augment",
    "classes",
    "rows",
    "split",
    "validation",
    "stratify",
];

/// Reads the section. `None` after a report that leaves no source.
pub(super) fn resolve(cx: &mut Cx<'_>, section: &Section) -> Option<DataSpec> {
    let settings = Settings::read(cx, section, "data", KEYS);
    let span = super::cx_start(section.span, "data");
    let source = source::resolve(cx, &settings, span);
    let target = settings.names(cx, "target");
    let features = settings.names(cx, "features");
    let feature_groups = settings.groups("features");
    let ignore = settings.names(cx, "ignore");
    check_columns(cx, &[("target", &target), ("features", &features), ("ignore", &ignore)]);
    let split = settings
        .number(cx, "split", "a share above 0 and up to 1", "0.8", |share| share > 0.0 && share <= 1.0);
    let validation = settings
        .number(cx, "validation", "a share from 0 and below 1", "0.1", |share| (0.0..1.0).contains(&share));
    let scale = settings
        .number(cx, "scale", "a number other than 0", "1 / 255", |scale| scale != 0.0 && scale.is_finite());
    let classes = settings.classes(cx, "classes");
    let rows = settings.count(cx, "rows");
    let stratify = settings.flag(cx, "stratify");
    let delimiter = delimiter(cx, &settings);
    let augment = augment::resolve(cx, &settings);
    if let (Some(split), Some(test)) = (settings.key("split"), settings.key("test")) {
        cx.report(
            Diagnostic::new(
                Code::E0216,
                "`split` has no place beside `test`",
                split,
                "expected one of the two",
            )
            .with_label(test, "the test has rows of its own")
            .with_help("leave `split` out: all rows are trained on; `validation` sets a share of them aside"),
        );
    }
    let source = source?;
    // A byte of an image is 0 to 255; the numbers of an array are what they are.
    let default_scale = match source {
        DataSource::Npy { .. } | DataSource::Npz { .. } => 1.0,
        _ => 1.0 / 255.0,
    };
    Some(DataSpec {
        source,
        target,
        features,
        feature_groups,
        ignore,
        classes,
        rows,
        split: split.unwrap_or(1.0),
        validation: validation.unwrap_or(0.0),
        stratify: stratify.unwrap_or(false),
        delimiter: delimiter.unwrap_or(','),
        augment,
        scale: scale.unwrap_or(default_scale),
        has_target_key: settings.key("target").or(settings.key("labels")).is_some(),
        span: section.span,
    })
}

/// Reports lists of feature columns that are more or fewer than the inputs of a model.
pub(super) fn check_features(cx: &mut Cx<'_>, spec: &DataSpec, inputs: &[Input]) {
    let groups = &spec.feature_groups;
    let (Some((_, first)), Some((_, last)), Some(input)) = (groups.first(), groups.last(), inputs.last())
    else {
        return;
    };
    if groups.len() != inputs.len() {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let label = format!("expected {}, found {}", inputs.len(), groups.len());
        cx.report(
            Diagnostic::new(
                Code::E0204,
                "`features` needs a list of columns for each input",
                first.to(*last),
                label,
            )
            .with_label(input.span, "the last input")
            .with_note(super::listed("in their order, inputs are", &names)),
        );
    }
}

/// Reports a cell whose state goes from sample to sample, where those do not follow one another.
pub(super) fn check_carried(
    cx: &mut Cx<'_>,
    spec: &DataSpec,
    inputs: &[Input],
    applications: &[Application],
) {
    let mut carried = applications.iter().filter_map(|application| match &application.kind {
        Kind::Cell(cell) => cell.carry,
        _ => None,
    });
    let Some(span) = carried.next() else { return };
    let positions: usize = inputs.first().map_or(0, |input| input.shape.iter().product());
    let (label, help) = match &spec.source {
        DataSource::Text { stride: Some(stride), .. } if *stride != positions => (
            format!("here samples of {positions} characters begin every {stride}"),
            "leave `stride` out: samples then lie one behind the other",
        ),
        DataSource::Text { .. } if spec.rows.is_some() => {
            ("here `rows` draws some of the samples".to_owned(), "take a shorter text, or all of this one")
        }
        DataSource::Text { .. } => return,
        _ => (
            "the samples here are drawn in any order".to_owned(),
            "leave `carry` out: every sample then begins anew",
        ),
    };
    cx.report(
        Diagnostic::new(
            Code::E0421,
            "a carried state needs samples that follow one another",
            span,
            "a step begins with the state that the last one ended with",
        )
        .with_label(spec.span, label)
        .with_help(help),
    );
}

/// Reports a table or arrays without a target, for a model that is compared with one.
pub(super) fn check_target(cx: &mut Cx<'_>, spec: &DataSpec) {
    let at = super::cx_start(spec.span, "data");
    match &spec.source {
        DataSource::Csv { .. } if spec.target.is_empty() && !spec.has_target_key => {
            missing(cx, "target", at, "`target species`, the column to predict");
        }
        DataSource::Npy { labels: None, .. } if !spec.has_target_key => {
            missing(cx, "labels", at, "`labels \"y.npy\"`, what is predicted");
        }
        DataSource::Npz { arrays, .. } if arrays.len() == 1 => {
            missing(cx, "arrays", at, "`arrays [x, y]`, the inputs and what is predicted");
        }
        _ => {}
    }
}

/// A column has one use.
fn check_columns(cx: &mut Cx<'_>, lists: &[(&str, &[(String, Span)])]) {
    for (n, (key, columns)) in lists.iter().enumerate() {
        for (name, span) in *columns {
            let first = lists.iter().take(n).find_map(|(other, columns)| {
                let found = columns.iter().find(|(column, _)| column == name)?;
                Some((*other, found.1))
            });
            if let Some((other, first)) = first {
                cx.report(
                    Diagnostic::new(
                        Code::E0206,
                        format!("column `{name}` is in `{other}` and in `{key}`"),
                        *span,
                        format!("in `{key}`"),
                    )
                    .with_label(first, format!("in `{other}`")),
                );
            }
        }
    }
}

fn delimiter(cx: &mut Cx<'_>, settings: &Settings<'_>) -> Option<char> {
    let text = settings.text(cx, "delimiter")?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() && !matches!(c, '"' | '\n' | '\r') => Some(c),
        _ => {
            let value = settings.value("delimiter")?;
            if let ExprKind::Text(_) = value.kind {
                let found = cx.text(value.span);
                let expected = "one ASCII character, neither a quote nor a line end";
                let help = "for example `\";\"`, or `\"\\t\"` for a tab";
                cx.out_of_range(value.span, "`delimiter`", expected, &format!("`{found}`"), help);
            }
            None
        }
    }
}
