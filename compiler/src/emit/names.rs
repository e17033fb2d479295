//! Names in emitted code: from labels, never from counters that run over the whole model.

use proc_macro2::{Ident, Span};

use crate::plan::Plan;

/// Words that cannot be an identifier in Rust.
const RESERVED: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false",
    "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref",
    "return", "self", "Self", "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where",
    "while", "abstract", "become", "box", "do", "final", "macro", "override", "priv", "typeof", "unsized",
    "virtual", "yield", "try", "_",
];

/// A name of the language as an identifier: dots become underscores, and a reserved word gets one behind it.
pub fn ident(name: &str) -> Ident {
    let mut text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    if RESERVED.contains(&text.as_str()) {
        text.push('_');
    }
    Ident::new(&text, Span::call_site())
}

/// `hidden_forward` as the name of a type: `HiddenForward`.
pub fn type_ident(name: &str) -> Ident {
    let mut text = String::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let is_digit = |c: char| c.is_ascii_digit();
        // Two numbers must not run together.
        if text.ends_with(is_digit) && part.starts_with(is_digit) {
            text.push('_');
        }
        let mut chars = part.chars();
        text.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(chars.as_str());
    }
    ident(if text.is_empty() { "Entry" } else { &text })
}

/// Types of an emitted module that a model could be called like.
const TYPES: &[&str] = &[
    "Arena",
    "Box",
    "Err",
    "GradientSquares",
    "Gradients",
    "HalfRow",
    "Lanes",
    "LoadSamples",
    "LoadTargets",
    "None",
    "Ok",
    "Option",
    "Parameters",
    "Rates",
    "Result",
    "Row",
    "Scratch",
    "Self",
    "Some",
    "State",
    "StoreOutputs",
    "TrainedParameters",
    "UpdateAll",
];

/// Whether a model of this name would clash with a type of its own module.
pub fn is_taken(model: &str, plan: &Plan) -> bool {
    let passes = [Some(&plan.predict), plan.evaluate.as_ref(), plan.train.as_ref()];
    let batches =
        passes.into_iter().flatten().flat_map(|pass| &pass.functions).map(|function| function.name.clone());
    let singles = plan.single.functions.iter().map(|function| single(&function.name));
    TYPES.contains(&model) || batches.chain(singles).any(|name| type_ident(&name) == model)
}

/// What the function of a layer is called for one sample.
pub fn single(function: &str) -> String {
    format!("{}_one", function.trim_end_matches("_forward"))
}
