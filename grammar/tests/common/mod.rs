//! What the tests of the grammar share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use nnc_grammar::{Parsed, ast::Ast, format, parse, span::SourceMap};

/// Models, blocks and definitions with every construct of the language.
pub const EVERYTHING: &str = r#"
// A header.

use "my.nn"
import Digits from "digits.nn" weights "digits.safetensors"
import Letters from "a \"b\"\\.nn"

/// Classifies irises by four measurements.
///
///   indented
model Iris {
    input measurements: [4]

    normalize                       // (x - mean) / std of the training data
    hidden: dense(16) -> relu       // a label
    dense(3)

    loss cross_entropy
    optimizer adam(lr = 0.01)
    metrics accuracy, mae
}

data {
    csv "iris.csv"
    target species split 0.8
    features [a, b]
}

/// How.
train {
    epochs 60
    batch 1_6
    stop early_stopping(patience = 5)
    clip -1e-3
    shuffle true
}

activation swish(x, beta = 1) = x * sigmoid(beta * x)

loss mse(output, target: class,) = mean((output - target)^2)

optimizer momentum(lr, beta = 0.9) {
    state velocity = 0, other
    state third = 1.
    velocity = beta * velocity - lr * gradient // first
    let t = 1 - beta^-t
    weight = weight + velocity
}

init he = normal(std = sqrt(2 / fan_in))
schedule flat() = 1

block basic(channels, stride = 1) {
    residual {
        conv2d(channels, kernel = 3, padding = same, bias = false) -> batch_norm -> relu
    }                               // the shortcut
    relu
}

cell lstm(hidden) {
    state h: [hidden] = 0, c: [hidden] = 0
    let [i, f, g, o] = concat(input, h) -> dense(4 * hidden) -> split(4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    output h
}

pub(in crate::zoo) model Words(width, depth = 2) {
    input [28, 28]
    frozen { Digits(until = head) } // weights kept
    recompute { dense(28) -> tanh }
    branch { dense(2) } { dense(3) -> relu } -> concat
    repeat depth * 2 { dense(5) }
    residual {} -> relu()
    loss: dense(1) -> loss -> input
    let t = 1 - 2 * 3 ^ -4 ^ 5
    let m = concat(main, skip)
    head: dense(26)
}

activation f(x) = if x > 0 && !(x < 3) || x == 2 { -x^2 } else if x < -1 { (3.) } else { [x, "y"] }
// The end.
"#;

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `.nn` file of the repository, with its path, in order.
pub fn repository() -> Vec<(PathBuf, String)> {
    let folders = ["examples", "benches", "compiler/std", "tests"];
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "nn") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files.sort();
    files
}

/// Reads a text of its own.
pub fn read(text: &str) -> (SourceMap, Parsed) {
    let mut sources = SourceMap::new();
    let file = sources.add("test.nn", text);
    let parsed = parse(&sources, file);
    (sources, parsed)
}

/// The tree of a text that must be right.
pub fn tree(text: &str) -> Ast {
    let (_, parsed) = read(text);
    assert_eq!(parsed.diagnostics, [], "in:\n{text}");
    parsed.ast
}

/// The canonical form of a text that must be right.
pub fn formatted(text: &str) -> String {
    let (sources, parsed) = read(text);
    assert_eq!(parsed.diagnostics, [], "in:\n{text}");
    format(&sources, sources.files().next().unwrap().0, &parsed.ast)
}

/// A tree as text, without places and comments: equal for texts that mean the same.
pub fn meaning(ast: &Ast) -> String {
    let mut rest = format!("{:?}", ast.items);
    let mut text = String::new();
    while let Some(at) = rest.find("Span {") {
        text.push_str(&rest[..at]);
        let end = at + rest[at..].find('}').unwrap() + 1;
        rest = rest.split_off(end);
    }
    text + &rest
}

/// The comments of a tree, sorted, without slashes and margins.
pub fn comments(ast: &Ast) -> Vec<String> {
    let text = |text: &str| text.trim_start_matches('/').trim().to_owned();
    let mut comments: Vec<String> = ast.comments.iter().map(|comment| text(&comment.text)).collect();
    comments.sort();
    comments
}
