//! Names in emitted code: from labels, never from counters that run over the whole model.

use std::borrow::Cow;

use proc_macro2::{Ident, Span};

use crate::plan::Plan;

/// Words that cannot be an identifier in Rust, in the order of their bytes.
const RESERVED: [&str; 53] = [
    "Self", "_", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self",
    "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// A name of the language as an identifier: dots become underscores, and a reserved word gets one behind it.
pub fn ident(name: &str) -> Ident {
    Ident::new(&text(name), Span::call_site())
}

/// The text of [`ident`].
pub fn text(name: &str) -> Cow<'_, str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_reserved = |name: &str| RESERVED.binary_search(&name).is_ok();
    let is_start = |name: &str| name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
    if is_start(name) && name.chars().all(is_part) && !is_reserved(name) {
        return Cow::Borrowed(name);
    }
    let mut text: String = name.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    if !is_start(&text) {
        text.insert(0, '_');
    }
    if is_reserved(&text) {
        text.push('_');
    }
    Cow::Owned(text)
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

/// Items of an emitted module that a model could be called like, and the types of its numbers.
const ITEMS: &[&str] = &[
    "Arena",
    "BATCH",
    "Box",
    "Clone",
    "Copy",
    "Default",
    "Drop",
    "Err",
    "Fn",
    "FnMut",
    "FnOnce",
    "GROUPS",
    "GradientSquares",
    "Gradients",
    "HalfRow",
    "INFO",
    "Lanes",
    "LoadSamples",
    "LoadTargets",
    "None",
    "Ok",
    "Option",
    "PREDICT_GROUPS",
    "Parameters",
    "Rates",
    "Result",
    "Row",
    "SAMPLES",
    "Sample",
    "Scratch",
    "Some",
    "State",
    "StoreOutputs",
    "TrainedParameters",
    "UpdateAll",
    "WINDOWS",
    "ZERO_ROW",
    "bool",
    "f32",
    "f64",
    "rt",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// Whether a model of this name would clash with an item of its own module, or is no name at all.
pub fn is_taken(model: &str, plan: &Plan) -> bool {
    let passes = [Some(&plan.predict), plan.evaluate.as_ref(), plan.train.as_ref()];
    let batches =
        passes.into_iter().flatten().flat_map(|pass| &pass.functions).map(|function| function.name.clone());
    let singles = plan.single.functions.iter().map(|function| single(&function.name));
    is_reserved(model) || batches.chain(singles).any(|name| type_ident(&name) == model)
}

/// Whether no model can have this name, whatever is in it.
pub fn is_reserved(model: &str) -> bool {
    is_item(model) || text(model) != model
}

/// Whether an item of an emitted module may have this name, which a value would then be a pattern of.
pub fn is_item(name: &str) -> bool {
    ITEMS.contains(&name)
}

/// What the function of a layer is called for one sample.
pub fn single(function: &str) -> String {
    format!("{}_one", function.trim_end_matches("_forward"))
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, text};

    #[test]
    fn reserved_words_are_in_order() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_can_be_identifiers() {
        let texts = ["hidden", "layer1.conv", "2.dense", "type", "", "_", "größe"].map(text);
        assert_eq!(texts, ["hidden", "layer1_conv", "_2_dense", "type_", "__", "__", "gr__e"]);
    }
}
