//! The catalogue as pages of documentation.

use super::{Entry, Kind};
use crate::compile::{Options, compile};
use crate::program::{ActivationBody, Kind as Applied};
use crate::scalar::{Variable, differentiate, formula, in_terms_of_output, simplify};

/// What a page of a kind begins with.
fn introduction(kind: Kind) -> &'static str {
    match kind {
        Kind::Layer => {
            "Layers are stages of a chain: `dense(16) -> batch_norm -> relu`.\nEach is a file of the compiler; activations are stages too and have [a page of their own](activations.md)."
        }
        Kind::Cell => {
            "Cells are steps of recurrent networks, run at each position of a sequence: `lstm(128)` takes `[T, F]` and gives `[T, 128]`.\nEvery use has the arguments `output = every` or `last`, `reverse = false`, `bidirectional = false`, `carry = false` and `mask = none`: see [the language](../language.md#cells)."
        }
        Kind::Activation => {
            "Activations are stages of a chain: `dense(16) -> relu`.\nThe derivatives here are those that the compiler finds, with `y` for the result."
        }
        Kind::Loss => {
            "A model has a `loss`: `loss cross_entropy(label_smoothing = 0.1)`.\nEvery loss has an argument `reduction = mean` or `sum`, and one of classes `target = values` for rows of probabilities."
        }
        Kind::Optimizer => {
            "A model has an `optimizer`: `optimizer adam(lr = 0.01)`.\nEvery optimizer has the arguments `decay`, `l1`, `l2`, `clip`, `clip_norm`, `accumulate` and `ema`, and its numbers may follow a schedule or differ between parameters: see [the language](../language.md#optimizers)."
        }
        Kind::Schedule => {
            "Numbers of an optimizer may follow a schedule: `optimizer sgd(lr = cosine(0.1, to = 0.001, warmup = 2))`.\nEvery schedule has an argument `warmup`, in epochs."
        }
        Kind::Initializer => {
            "What a parameter is before training: `dense(16, init = he)`.\nThe default follows the activation that comes next, which `nnc summary` shows."
        }
    }
}

/// The page of a kind.
pub fn page(kind: Kind, entries: &[Entry]) -> String {
    let mut out = format!(
        "<!-- Made from the catalogue of the compiler: `UPDATE_DOCS=1 cargo test -p nnc --test complete` writes it anew. -->\n\n# {}\n\n{}\n",
        heading(kind),
        introduction(kind)
    );
    let of_kind: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
    out.push('\n');
    for entry in &of_kind {
        out.push_str(&format!("- [`{}`](#{}): {}\n", entry.name, entry.name, without_end(&entry.summary())));
    }
    for entry in of_kind {
        out.push_str(&format!("\n## {}\n\n```nn\n{}\n```\n\n", entry.name, code(entry)));
        let mut docs = paragraphs(entry);
        if let Some(derivative) = derivative(entry) {
            docs.push(format!("Derivative: `{derivative}`"));
        }
        for paragraph in docs {
            out.push_str(&paragraph);
            out.push_str("\n\n");
        }
        if !entry.arguments.is_empty() {
            out.push_str("| argument | default | range |\n|---|---|---|\n");
            for argument in &entry.arguments {
                let default =
                    argument.default.as_ref().map_or_else(String::new, |value| format!("`{value}`"));
                let range = argument.range.as_deref().unwrap_or("");
                out.push_str(&format!("| `{}` | {default} | {range} |\n", argument.name));
            }
        } else {
            // No blank line at the end of a page or before a heading but one.
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
    }
    out
}

/// The page that leads to all others.
pub fn index(entries: &[Entry]) -> String {
    let mut out = "<!-- Made from the catalogue of the compiler: `UPDATE_DOCS=1 cargo test -p nnc --test complete` writes it anew. -->\n\n# What the language offers\n\n`nnc list` shows the same on the terminal, `nnc list losses` one kind of it, and `nnc list losses mse` a page.\n".to_owned();
    for kind in Kind::ALL {
        let plural = kind.plural();
        out.push_str(&format!("\n## [{}](operators/{plural}.md)\n\n", heading(kind)));
        let names: Vec<String> = entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .map(|entry| format!("[`{0}`](operators/{plural}.md#{0})", entry.name))
            .collect();
        out.push_str(&names.join(", "));
        out.push('\n');
    }
    out
}

fn heading(kind: Kind) -> String {
    let plural = kind.plural();
    let (first, rest) = plural.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

fn without_end(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

/// The definition as it would be written, or how a layer is used.
fn code(entry: &Entry) -> String {
    let keyword = match entry.kind {
        Kind::Layer => return entry.signature(),
        Kind::Initializer => "init",
        kind => kind.noun(),
    };
    let values: &[&str] = match entry.kind {
        Kind::Activation => &["x"],
        Kind::Loss => &["output", "target"],
        _ => &[],
    };
    let written = entry.arguments.iter().map(|argument| match &argument.default {
        Some(default) => format!("{} = {default}", argument.name),
        None => argument.name.clone(),
    });
    let parameters: Vec<String> = values.iter().map(ToString::to_string).chain(written).collect();
    let head = if parameters.is_empty() {
        format!("{keyword} {}", entry.name)
    } else {
        format!("{keyword} {}({})", entry.name, parameters.join(", "))
    };
    match entry.formula.as_slice() {
        [formula] if !formula.contains(" = ") || entry.kind != Kind::Optimizer => {
            format!("{head} = {formula}")
        }
        lines => format!("{head} {{\n    {}\n}}", lines.join("\n    ")),
    }
}

/// Lines of the page joined into sentences, one paragraph an item.
fn paragraphs(entry: &Entry) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in entry.docs.iter().map(|line| line.trim()) {
        if line.is_empty() {
            is_open = false;
            continue;
        }
        let begins = super::is_heading(line) || line.starts_with('-');
        match out.last_mut().filter(|_| is_open && !begins) {
            Some(paragraph) => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            None => out.push(line.to_owned()),
        }
        is_open = true;
    }
    out
}

/// The derivative of an activation that is a function of its element alone.
fn derivative(entry: &Entry) -> Option<String> {
    if entry.kind != Kind::Activation {
        return None;
    }
    let text = format!("model M {{ input [2]\n{} }}", entry.name);
    let compilation = compile("page.nn", &text, &Options::default());
    let model = compilation.models.first()?;
    let Applied::Activation { body: ActivationBody::Scalar(scalar), parameters, .. } =
        &model.program.applications.first()?.kind
    else {
        return None;
    };
    let scalar = simplify(scalar);
    let derivative = in_terms_of_output(&differentiate(&scalar, Variable::Input(0)), &scalar);
    Some(formula(&derivative, &|variable| match variable {
        Variable::Input(0) => "x".to_owned(),
        Variable::Input(n) => {
            parameters.get(n as usize - 1).map_or_else(String::new, |(name, _)| name.clone())
        }
        Variable::Output => "y".to_owned(),
        other => format!("{other:?}"),
    }))
}
