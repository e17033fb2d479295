//! For each figure a model and a test: `OUT_DIR/losses.rs` and its like, which the files in `tests/` include; and for random
//! layers of windows, `OUT_DIR/windows.rs`. Models of `models/` are compiled as those of any build script are.

mod windows;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// A file of tests: what the figures are in, and how cases are made of them.
type Maker = fn(&Value) -> Vec<Case>;

const FILES: [(&str, Maker); 6] = [
    ("activations", activations),
    ("losses", losses),
    ("optimizers", optimizers),
    ("schedules", schedules),
    ("initializers", initializers),
    ("shapes", shapes),
];

/// A module with models, and the call that tests them.
struct Case {
    name: String,
    models: String,
    test: String,
}

impl Case {
    /// Named by a text of the language: `step(0.1, every = 5)` becomes `step_0_1_every_5`.
    fn new(text: &str, models: String, test: String) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        Self { name: words.collect::<Vec<_>>().join("_"), models, test }
    }
}

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let figures = package.join("../data/pytorch");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (name, maker) in FILES {
        let path = figures.join(name).with_extension("json");
        say(&format!("rerun-if-changed={}", path.display()));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cases = maker(&value);
        assert!(!cases.is_empty(), "{name} has no figures");
        fs::write(out.join(name).with_extension("rs"), written(cases)).expect("OUT_DIR can be written");
    }
    let models = fs::read_dir(package.join("models")).expect("the folder is there");
    for model in models {
        let model = model.expect("an entry").path();
        nnc_build::Builder::new()
            .out_dir(out.join("models"))
            .compile(&model)
            .unwrap_or_else(|error| panic!("{}: {error}", model.display()));
    }
    say("rerun-if-changed=models");
    say("rerun-if-changed=build.rs");
    say("rerun-if-changed=windows.rs");
    fs::write(out.join("windows.rs"), written(windows::cases())).expect("OUT_DIR can be written");
}

fn say(instruction: &str) {
    println!("cargo:{instruction}");
}

/// The cases as Rust; no two have one name.
fn written(cases: Vec<Case>) -> String {
    let mut taken: Vec<String> = Vec::new();
    let mut text = String::new();
    for Case { name, models, test } in cases {
        let same = taken.iter().filter(|other| **other == name).count();
        taken.push(name.clone());
        let name = if same == 0 { name } else { format!("{name}_again_{same}") };
        text.push_str(&format!(
            "mod {name} {{\n    nnc::network! {{ {models} }}\n\n    \
            #[test]\n    fn emitted() {{\n        {test};\n    }}\n}}\n\n"
        ));
    }
    text
}

/// The entries of a section.
fn entries<'a>(figures: &'a Value, section: &str) -> &'a [Value] {
    figures[section].as_array().unwrap_or_else(|| panic!("no section {section}"))
}

fn call(entry: &Value) -> &str {
    entry["call"].as_str().expect("a call is a text")
}

/// Calls, each once: some are there twice, with other weights or by another source.
fn calls<'a>(sections: impl IntoIterator<Item = &'a [Value]>) -> Vec<&'a str> {
    let mut calls = Vec::new();
    for entry in sections.into_iter().flatten() {
        if !calls.contains(&call(entry)) {
            calls.push(call(entry));
        }
    }
    calls
}

/// How many numbers a row has.
fn width(rows: &Value) -> usize {
    rows[0].as_array().expect("rows of numbers").len()
}

/// The sum of the outputs, each times its target: its gradient by an output is the target.
const THROUGH: &str = "allow W0105, W0107 loss through(output, target) = sum(output * target)";

fn activations(figures: &Value) -> Vec<Case> {
    let scalars = entries(figures, "activations").iter().map(|entry| {
        let call = call(entry);
        let gradient = entry["gradient"].as_array().expect("numbers");
        // One whose gradient is 0 everywhere lets nothing below it be trained, which is an error of its own.
        if gradient.iter().all(|slope| slope.as_f64() == Some(0.0)) {
            let model = format!("pub model Net {{ input [1] {call} }}");
            return Case::new(call, model, format!("super::values({call:?}, Net::new(0))"));
        }
        Case::new(call, through(1, call), format!("super::scalar({call:?}, || Net::new(0))"))
    });
    let of_rows = ["trained", "vectors"].into_iter().flat_map(|section| {
        let all = entries(figures, section);
        calls([all]).into_iter().map(move |call| {
            let entry = all.iter().find(|entry| entry["call"] == call).expect("it is one of them");
            let stage = if section == "trained" { format!("act: {call}") } else { call.to_owned() };
            let test = format!("super::rows({section:?}, {call:?}, || Net::new(0))");
            Case::new(call, through(width(&entry["x"]), &stage), test)
        })
    });
    scalars.chain(of_rows).collect()
}

/// A stage behind an identity, by whose bias the gradient is seen.
fn through(width: usize, stage: &str) -> String {
    format!(
        "{THROUGH} pub model Net {{ input [{width}] shift: dense({width}, init = constant(1)) {stage} \
        loss through optimizer sgd(lr = 1024) }}"
    )
}

fn losses(figures: &Value) -> Vec<Case> {
    let with_reduction = |call: &str, reduction: &str| match call.strip_suffix(')') {
        Some(call) => format!("{call}, reduction = {reduction})"),
        None => format!("{call}(reduction = {reduction})"),
    };
    let of_entry = |(at, entry): (usize, &Value)| {
        let (call, width) = (call(entry), width(&entry["output"]));
        let model = |name: &str, loss: &str| {
            format!(
                "pub model {name} {{ input [{width}] out: dense({width}) \
                loss {loss} optimizer sgd(lr = 1024) }} "
            )
        };
        let models = model("Mean", call) + &model("Sum", &with_reduction(call, "sum"));
        Case::new(call, models, format!("super::loss({at}, Mean::new(0), Sum::new(0))"))
    };
    entries(figures, "losses").iter().enumerate().map(of_entry).collect()
}

/// The network of the figures of optimizers and schedules.
fn network(optimizer: &str) -> String {
    format!(
        "pub model Net {{ input [4] hidden: dense(5) -> tanh head: dense(3) \
        loss cross_entropy optimizer {optimizer} }}"
    )
}

fn optimizers(figures: &Value) -> Vec<Case> {
    let of_call =
        |call: &str| Case::new(call, network(call), format!("super::optimizer({call:?}, || Net::new(0))"));
    let sections = [entries(figures, "optimizers"), entries(figures, "accumulated")];
    calls(sections).into_iter().map(of_call).collect()
}

fn schedules(figures: &Value) -> Vec<Case> {
    let of_call = |call: &str| {
        let test = format!("super::schedule({call:?}, || Net::new(0))");
        Case::new(call, network(&format!("sgd(lr = {call})")), test)
    };
    calls([entries(figures, "schedules")]).into_iter().map(of_call).collect()
}

fn initializers(figures: &Value) -> Vec<Case> {
    let of_section = |section: &'static str| {
        let shape = |entry: &Value| entry.get("shape").unwrap_or(&figures["shape"]).clone();
        // What the library means to do otherwise is in the figures, and says so.
        let compared = |(_, entry): &(usize, &Value)| entry.get("differs").is_none();
        entries(figures, section).iter().enumerate().filter(compared).map(move |(at, entry)| {
            let (call, shape) = (call(entry), shape(entry));
            let next = entry.get("activation").and_then(Value::as_str).filter(|name| *name != "linear");
            let next = next.map(|name| format!(" -> {name}")).unwrap_or_default();
            let model = format!(
                "allow W0105 pub model Net {{ input [{}] w: dense({}, init = {call}){next} }}",
                shape[1], shape[0]
            );
            let name = format!("{section} {call}{next} {} {}", shape[0], shape[1]);
            Case::new(&name, model, format!("super::{section}({at}, Net::new)"))
        })
    };
    ["initializers", "for_activations", "orthogonal"].into_iter().flat_map(of_section).collect()
}

/// Layers behind one that changes nothing, by whose weight the gradient is seen.
fn shapes(figures: &Value) -> Vec<Case> {
    let of_entry = |(at, entry): (usize, &Value)| {
        let (call, shape) = (call(entry), &entry["shape"]);
        let sizes = shape.as_array().expect("a shape").iter().filter_map(Value::as_u64);
        let width: u64 = sizes.product();
        // A label is for what has weights.
        let has_weights = entry["weights"].as_object().is_some_and(|weights| !weights.is_empty());
        let label = if has_weights { "layer: " } else { "" };
        let model = format!(
            "{THROUGH} pub model Net {{ input [{width}] same: dense({width}, bias = false) reshape({shape}) \
            {label}{call} loss through(reduction = sum) optimizer sgd(lr = 1024) }}"
        );
        Case::new(&format!("{call} of {shape}"), model, format!("super::layer({at}, Net::new(0))"))
    };
    entries(figures, "shapes").iter().enumerate().map(of_entry).collect()
}
