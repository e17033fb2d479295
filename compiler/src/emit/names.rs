//! Names in emitted code: from labels, never from counters that run over the whole model.

use proc_macro2::Ident;
use quote::format_ident;

/// Words that cannot be an identifier in Rust.
const RESERVED: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn", "for",
    "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self",
    "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where", "while", "abstract", "become", "box",
    "do", "final", "macro", "override", "priv", "typeof", "unsized", "virtual", "yield", "try", "_",
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
    format_ident!("{text}")
}

/// `hidden_forward` as the name of a type: `HiddenForward`.
pub fn type_ident(name: &str) -> Ident {
    let mut text = String::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let mut chars = part.chars();
        text.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        // `dense_2` keeps its underscore: two numbers must not run together.
        text.push_str(chars.as_str());
        if part.ends_with(|c: char| c.is_ascii_digit()) {
            text.push('_');
        }
    }
    let text = text.trim_end_matches('_');
    ident(if text.is_empty() { "Entry" } else { text })
}
