//! Structs and functions inside of macros, whose tokens the formatter leaves as they come.

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{File, Item};

/// Takes the items out of `rt::memory!`, `rt::tensors!` and `rt::kernels!`, and gives them formatted; a name stands in for
/// those of each.
pub fn take(file: &mut File) -> Vec<String> {
    let mut texts = Vec::new();
    for item in &mut file.items {
        let Item::Macro(item) = item else { continue };
        let name = item.mac.path.segments.last().map(|segment| segment.ident.to_string());
        let (first, items) = match name.as_deref() {
            Some("memory" | "tensors") => (String::new(), item.mac.tokens.clone()),
            Some("kernels") => behind_first(item.mac.tokens.clone()),
            _ => continue,
        };
        let Ok(inner) = syn::parse2::<File>(items) else { continue };
        let stand_in = format_ident!("{}", stand_in(texts.len()));
        item.mac.tokens = quote!(#stand_in);
        texts.push(format!("{first}{}", prettyplease::unparse(&inner)));
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

/// What stands before the first `;`, on a line of its own, and what stands behind it.
fn behind_first(tokens: TokenStream) -> (String, TokenStream) {
    let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let at = tokens.iter().position(is_end).map_or(0, |at| at + 1);
    let (first, rest) = tokens.split_at(at);
    let first: TokenStream = first.iter().cloned().collect();
    (format!("{}\n\n", first.to_string().replace(" ;", ";")), rest.iter().cloned().collect())
}

fn stand_in(n: usize) -> String {
    format!("__item_{n}")
}
