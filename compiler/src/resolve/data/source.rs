//! Where the rows come from: one source, and the keys that belong to it.

use nnc_grammar::ast::ExprKind;
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::super::Cx;
use super::super::settings::Settings;
use crate::program::DataSource;

/// A source that a section can have.
struct Source {
    /// Its key.
    key: &'static str,
    /// What it is, in messages.
    what: &'static str,
    /// Where its rows are, in messages.
    rows: &'static str,
    /// The keys of [`OF_SOME`] that it takes.
    keys: &'static [&'static str],
    /// How it is written.
    example: &'static str,
}

const SOURCES: &[Source] = &[
    Source {
        key: "csv",
        what: "a table",
        rows: "the rows are in a table",
        keys: &["target", "features", "ignore", "delimiter", "classes", "stratify", "augment"],
        example: "`csv \"iris.csv\"` for a table",
    },
    Source {
        key: "idx",
        what: "images",
        rows: "the rows are images",
        keys: &["labels", "test_labels", "scale", "classes", "stratify", "augment"],
        example: "`idx \"images.gz\"` for images",
    },
    Source {
        key: "images",
        what: "a folder of images",
        rows: "the rows are images of a folder",
        keys: &["scale", "classes", "stratify", "augment"],
        example: "`images \"photos\"` for a folder of them",
    },
    Source {
        key: "npy",
        what: "an array of NumPy",
        rows: "the rows are in an array",
        keys: &["labels", "test_labels", "scale", "classes", "stratify", "augment"],
        example: "`npy \"x.npy\"` for an array of NumPy",
    },
    Source {
        key: "npz",
        what: "an archive of arrays",
        rows: "the rows are in an archive of arrays",
        keys: &["arrays", "scale", "classes", "stratify", "augment"],
        example: "`npz \"set.npz\"` for arrays in an archive",
    },
    Source {
        key: "text",
        what: "a text",
        rows: "the rows are parts of a text",
        keys: &["stride"],
        example: "`text \"plays.txt\"` for characters",
    },
];

/// Keys that belong to some of the sources.
const OF_SOME: &[&str] = &[
    "target",
    "features",
    "ignore",
    "delimiter",
    "labels",
    "test_labels",
    "arrays",
    "scale",
    "stride",
    "classes",
    "stratify",
    "augment",
];

/// Reads the keys that name files. `None` after a report that leaves no source.
pub(super) fn resolve(cx: &mut Cx<'_>, settings: &Settings<'_>, span: Span) -> Option<DataSource> {
    let mut given = SOURCES.iter().filter_map(|source| Some((source, settings.key(source.key)?)));
    let Some((source, key)) = given.next() else {
        let examples: Vec<&str> = SOURCES.iter().map(|source| source.example).collect();
        missing(cx, "csv", span, &examples.join(", "));
        return None;
    };
    if let Some((other, other_key)) = given.next() {
        let message = format!("`{}` has no place beside `{}`", other.key, source.key);
        cx.report(
            Diagnostic::new(Code::E0216, message, other_key, "expected one of the two")
                .with_label(key, source.rows),
        );
        return None;
    }
    reject(cx, settings, source, key);
    let test = |cx: &mut Cx<'_>| settings.text(cx, "test");
    match source.key {
        "csv" => {
            let test = test(cx);
            Some(DataSource::Csv { path: settings.text(cx, "csv")?, test })
        }
        "text" => {
            let (test, stride) = (test(cx), settings.count(cx, "stride"));
            Some(DataSource::Text { path: settings.text(cx, "text")?, test, stride })
        }
        "images" => {
            let test = test(cx);
            Some(DataSource::Images { folder: settings.text(cx, "images")?, test })
        }
        "npy" => {
            let labels = settings.text(cx, "labels");
            let (test, test_labels) = (test(cx), settings.text(cx, "test_labels"));
            match (settings.key("labels"), settings.key("test"), settings.key("test_labels")) {
                (_, None, Some(given)) => missing(cx, "test", given, "`test \"test_x.npy\"`"),
                (Some(_), Some(given), None) => {
                    missing(cx, "test_labels", given, "`test_labels \"test_y.npy\"`");
                }
                (None, _, Some(given)) => missing(cx, "labels", given, "`labels \"y.npy\"`"),
                _ => {}
            }
            let test = test.map(|test| (test, test_labels));
            Some(DataSource::Npy { inputs: settings.text(cx, "npy")?, labels, test })
        }
        "npz" => {
            let (arrays, test) = (arrays(cx, settings), test(cx));
            Some(DataSource::Npz { path: settings.text(cx, "npz")?, arrays: arrays?, test })
        }
        _ => {
            let (labels, test) = labelled(cx, settings, span, &IDX);
            Some(DataSource::Idx { images: settings.text(cx, "idx")?, labels: labels?, test })
        }
    }
}

/// Names of the arrays of an archive: inputs, targets, and both of the test.
fn arrays(cx: &mut Cx<'_>, settings: &Settings<'_>) -> Option<Vec<String>> {
    let Some(value) = settings.value("arrays") else { return Some(vec!["x".to_owned(), "y".to_owned()]) };
    let names: Vec<String> =
        settings.words(cx, "arrays", "array").into_iter().map(|(name, _)| name).collect();
    // What is at fault was left out, after a report.
    if matches!(&value.kind, ExprKind::List(items) if items.len() != names.len()) {
        return None;
    }
    if let 3 | 5.. = names.len() {
        let expected = "inputs, inputs and targets, or both to train on and both of the test";
        let help = "for example `arrays [x_train, y_train, x_test, y_test]`";
        cx.out_of_range(value.span, "`arrays`", expected, &format!("{} names", names.len()), help);
    }
    if let (4, Some(test)) = (names.len(), settings.key("test")) {
        cx.report(
            Diagnostic::new(
                Code::E0216,
                "`test` has no place beside four `arrays`",
                test,
                "expected the test in one of the two",
            )
            .with_label(value.span, "the last two are the test"),
        );
    }
    if let (4, Some(split)) = (names.len(), settings.key("split")) {
        cx.report(
            Diagnostic::new(
                Code::E0216,
                "`split` has no place beside four `arrays`",
                split,
                "expected one of the two",
            )
            .with_label(value.span, "the last two are the test")
            .with_help("leave `split` out: all rows are trained on; `validation` sets a share of them aside"),
        );
    }
    matches!(names.len(), 1 | 2 | 4).then_some(names)
}

/// What files of labels are called, as examples.
struct Labelled {
    labels: &'static str,
    test: &'static str,
    test_labels: &'static str,
}

const IDX: Labelled = Labelled {
    labels: "`labels \"train-labels-idx1-ubyte.gz\"`, the classes of the images",
    test: "`test \"t10k-images-idx3-ubyte.gz\"`",
    test_labels: "`test_labels \"t10k-labels-idx1-ubyte.gz\"`",
};

/// The file of labels, and both files of the test.
fn labelled(
    cx: &mut Cx<'_>,
    settings: &Settings<'_>,
    span: Span,
    examples: &Labelled,
) -> (Option<String>, Option<(String, String)>) {
    if settings.key("labels").is_none() {
        missing(cx, "labels", span, examples.labels);
    }
    let test = match (settings.key("test"), settings.key("test_labels")) {
        (None, None) => None,
        (Some(test), None) => {
            missing(cx, "test_labels", test, examples.test_labels);
            None
        }
        (None, Some(labels)) => {
            missing(cx, "test", labels, examples.test);
            None
        }
        (Some(_), Some(_)) => settings.text(cx, "test").zip(settings.text(cx, "test_labels")),
    };
    (settings.text(cx, "labels"), test)
}

/// Reports a key that the section cannot do without.
pub(super) fn missing(cx: &mut Cx<'_>, key: &str, span: Span, example: &str) {
    cx.report(
        Diagnostic::new(
            Code::E0203,
            format!("`data` needs `{key}`"),
            span,
            format!("expected a key `{key}`, found none"),
        )
        .with_help(format!("write {example}")),
    );
}

/// Reports keys that belong to other sources.
fn reject(cx: &mut Cx<'_>, settings: &Settings<'_>, source: &Source, at: Span) {
    let what = source.what;
    for key in OF_SOME.iter().filter(|key| !source.keys.contains(key)) {
        if let Some(span) = settings.key(key) {
            cx.report(
                Diagnostic::new(
                    Code::E0216,
                    format!("`{key}` has no place here"),
                    span,
                    format!("expected a key of {what}, found `{key}`"),
                )
                .with_label(at, format!("the data is {what}")),
            );
        }
    }
}
