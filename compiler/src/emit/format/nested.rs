//! Structs inside of macros, whose tokens the formatter leaves as they come.

use quote::{format_ident, quote};
use syn::{File, Item};

/// Takes the items out of `rt::memory!` and `rt::tensors!`, and gives them formatted; a name stands in for each.
pub fn take(file: &mut File) -> Vec<String> {
    let mut texts = Vec::new();
    for item in &mut file.items {
        let Item::Macro(item) = item else { continue };
        let name = item.mac.path.segments.last().map(|segment| segment.ident.to_string());
        if !matches!(name.as_deref(), Some("memory" | "tensors")) {
            continue;
        }
        let Ok(inner) = syn::parse2::<File>(item.mac.tokens.clone()) else { continue };
        let stand_in = format_ident!("{}", stand_in(texts.len()));
        item.mac.tokens = quote!(#stand_in);
        texts.push(prettyplease::unparse(&inner));
    }
    texts
}

/// The text with the items in their places.
pub fn put(text: &str, items: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut next = 0;
    for line in text.lines() {
        match items.get(next) {
            Some(item) if line.trim() == stand_in(next) => {
                next += 1;
                for line in item.lines() {
                    out.push_str(if line.is_empty() { "" } else { "    " });
                    out.push_str(line);
                    out.push('\n');
                }
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn stand_in(n: usize) -> String {
    format!("__item_{n}")
}
