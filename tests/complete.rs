//! What the language offers is complete: every entry of the catalogue has a page, figures of another implementation, and
//! a place in the documentation, which is made from the catalogue.

use std::path::{Path, PathBuf};

use nnc_compiler::catalogue::{Entry, Kind, catalogue, index, page};
use nnc_compiler::{Options, compile};
use serde_json::Value;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn called(entry: &Entry) -> String {
    format!("{} {}", entry.kind.noun(), entry.name)
}

#[test]
fn every_entry_has_a_page() {
    for entry in catalogue() {
        let what = called(&entry);
        let summary = entry.summary();
        assert!(
            summary.ends_with('.') || summary.ends_with(':'),
            "{what}: a summary is a sentence: {summary:?}"
        );
        assert!(entry.section("Source").is_some_and(|source| !source.is_empty()), "{what} names no source");
        if matches!(entry.kind, Kind::Layer | Kind::Cell | Kind::Activation | Kind::Loss) {
            assert!(entry.section("Shapes").is_some(), "{what} does not say its shapes");
        }
        let docs = entry.docs.join(" ");
        for argument in &entry.arguments {
            let quoted = format!("`{}", argument.name);
            assert!(docs.contains(&quoted), "{what} does not explain `{}`", argument.name);
        }
    }
}

/// Every text of a `call` in all files of figures, with what it is a call of: `step` is an activation and a schedule.
/// What the script has merely written out, with no other implementation and no publication, does not count.
fn calls() -> Vec<(Kind, String)> {
    fn collect(kind: Kind, value: &Value, calls: &mut Vec<(Kind, String)>) {
        match value {
            Value::Object(object) => {
                if let Some(call) = object.get("call").and_then(Value::as_str) {
                    let source = object.get("source").and_then(Value::as_str);
                    if source.unwrap_or_else(|| panic!("{call} has no source")) != "formula" {
                        calls.push((kind, call.to_owned()));
                    }
                }
                object.values().for_each(|value| collect(kind, value, calls));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(kind, value, calls)),
            _ => {}
        }
    }
    let mut calls = Vec::new();
    for (kind, name) in [
        (Kind::Activation, "activations"),
        (Kind::Loss, "losses"),
        (Kind::Optimizer, "optimizers"),
        (Kind::Schedule, "schedules"),
        (Kind::Initializer, "initializers"),
        (Kind::Layer, "norms"),
        (Kind::Layer, "layers"),
    ] {
        let figures = serde_json::from_str(&read(&format!("tests/data/pytorch/{name}.json")));
        collect(kind, &figures.expect("figures are JSON"), &mut calls);
    }
    calls
}

/// Whether a file checks a layer: a model that applies it, or a test that names it.
fn checks(path: &str, layer: &str) -> bool {
    let text = read(path);
    if !path.ends_with(".nn") {
        return text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == layer);
    }
    let compilation = compile(path, &text, &Options::default());
    let applications = compilation.models.iter().flat_map(|model| &model.program.applications);
    applications.into_iter().any(|application| match &application.kind {
        nnc_compiler::program::Kind::Layer(of, _) => of.name() == layer,
        nnc_compiler::program::Kind::Cell(of) => of.name == layer,
        nnc_compiler::program::Kind::Activation { .. } => false,
    })
}

/// Layers that are checked in another way than by figures of their own, and where.
const ELSEWHERE: &[(&str, &str)] = &[
    // Layers of the models in tests/data/pytorch/models.
    ("dense", "tests/data/pytorch/models/classifier.nn"),
    ("normalize", "tests/data/pytorch/models/normalized.nn"),
    ("add", "tests/data/pytorch/models/dag.nn"),
    ("concat", "tests/data/pytorch/models/dag.nn"),
    ("flatten", "tests/data/models/channels.nn"),
    ("reshape", "tests/data/models/pools.nn"),
    ("rnn", "tests/data/pytorch/models/rnn.nn"),
    ("lstm", "tests/data/pytorch/models/lstm.nn"),
    ("gru", "tests/data/pytorch/models/gru.nn"),
    // Of the models that sequences.json has figures of: `attention` is in the blocks of `gpt`.
    ("embedding", "tests/data/pytorch/models/gpt.nn"),
    ("positional", "tests/data/pytorch/models/gpt.nn"),
    ("attention", "tests/data/pytorch/models/gpt.nn"),
    ("cross_attention", "tests/data/pytorch/models/reader.nn"),
    // Lengths become masks: emitted code, reference and slopes.
    ("sequence_mask", "tests/data/models/masks.nn"),
    // Against scikit-learn.
    ("min_max", "tests/scalers.rs"),
    ("robust", "tests/scalers.rs"),
    // Random while training: the same draws in emitted code and in the reference, and slopes.
    ("dropout", "tests/data/models/norms.nn"),
    ("gaussian_noise", "tests/data/models/norms.nn"),
    ("spatial_dropout", "tests/data/models/channels.nn"),
];

#[test]
fn every_entry_has_figures() {
    let calls = calls();
    let mut missing = Vec::new();
    for entry in catalogue() {
        let begins = |(kind, call): &(Kind, String)| {
            let rest = call.strip_prefix(&entry.name).filter(|_| *kind == entry.kind);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
        };
        let elsewhere = ELSEWHERE
            .iter()
            .find(|(name, _)| matches!(entry.kind, Kind::Layer | Kind::Cell) && *name == entry.name);
        if let Some((name, path)) = elsewhere {
            assert!(checks(path, name), "{path} is said to check {name}");
        } else if !calls.iter().any(begins) {
            missing.push(called(&entry));
        }
    }
    assert!(missing.is_empty(), "no figures for {missing:?}");
}

/// Every entry can be used as its page says.
#[test]
fn every_entry_compiles() {
    for entry in catalogue() {
        let required: Vec<String> = entry
            .arguments
            .iter()
            .filter(|argument| argument.default.is_none())
            .map(|argument| match (argument.name.as_str(), argument.range.as_deref()) {
                ("lr", _) => "lr = 0.1".to_owned(),
                ("shape", _) => "[2, 2]".to_owned(),
                ("axis" | "from", _) => format!("{} = 0", argument.name),
                (name, Some("fraction" | "probability")) => format!("{name} = 0.5"),
                (name, _) => format!("{name} = 2"),
            })
            .collect();
        let call = if required.is_empty() {
            entry.name.clone()
        } else {
            format!("{}({})", entry.name, required.join(", "))
        };
        let text = match (entry.kind, entry.name.as_str()) {
            (Kind::Layer, "add" | "concat") => {
                format!("model M {{ input [4] let a = dense(4) let b = dense(4) {}(a, b) }}", entry.name)
            }
            (Kind::Layer, "cross_attention") => {
                format!(
                    "model M {{ input [4, 6] let a = dense(4) let b = dense(5) {}(a, b, heads = 2) }}",
                    entry.name
                )
            }
            (Kind::Layer, "positional" | "attention") => format!("model M {{ input [4, 6] {call} }}"),
            (Kind::Layer, name) if name.ends_with("2d") => format!("model M {{ input [4, 6, 6] {call} }}"),
            (Kind::Layer, name)
                if ["instance_norm", "pad", "upsample"].contains(&name)
                    || name.ends_with("1d")
                    || name.contains("_pool") =>
            {
                format!("model M {{ input [4, 3] {call} }}")
            }
            (Kind::Layer, "sequence_mask") => format!("model M {{ input [1] {call} }}"),
            (Kind::Layer, "split") => format!("model M {{ input [4] {call} -> add }}"),
            (Kind::Cell, _) => format!("model M {{ input [4, 3] {call} }}"),
            (Kind::Layer | Kind::Activation, _) => format!("model M {{ input [4] {call} }}"),
            (Kind::Loss, _) => format!("model M {{ input [4] dense(4) loss {call} }}"),
            (Kind::Optimizer, _) => format!("model M {{ input [4] dense(4) loss mse optimizer {call} }}"),
            (Kind::Schedule, _) => {
                format!("model M {{ input [4] dense(4) loss mse optimizer sgd(lr = {call}) }}")
            }
            (Kind::Initializer, _) => format!(
                "model M {{ input [4] dense(4, init = {}) }}",
                call.replace("value = 2", "value = 0.5")
            ),
        };
        let compilation = compile("entry.nn", &text, &Options::default());
        assert!(!compilation.has_errors(), "{text}\n{:#?}", compilation.diagnostics);
    }
}

/// `UPDATE_DOCS=1 cargo test -p nnc --test complete` writes the pages anew.
#[test]
fn the_documentation_is_that_of_the_catalogue() {
    let entries = catalogue();
    let pages = Kind::ALL
        .into_iter()
        .map(|kind| (format!("docs/operators/{}.md", kind.plural()), page(kind, &entries)));
    for (path, text) in pages.chain([("docs/operators.md".to_owned(), index(&entries))]) {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let folder = file(&path).parent().map(Path::to_owned).expect("a page lies in a folder");
            std::fs::create_dir_all(folder).expect("a folder can be made");
            std::fs::write(file(&path), &text).expect("a page can be written");
        }
        assert!(read(&path) == text, "{path} is out of date: run with UPDATE_DOCS=1");
    }
}
