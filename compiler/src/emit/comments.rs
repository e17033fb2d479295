//! Comments inside emitted functions.
//!
//! Tokens carry no comments. A comment is a statement `rt::comment!("…");`, which expands to nothing; the formatter
//! turns it into `// …`.

use proc_macro2::TokenStream;
use quote::quote;

/// A comment as a statement.
pub fn comment(text: &str) -> TokenStream {
    quote!(rt::comment!(#text);)
}

/// Doc comments, a line each.
pub fn docs<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> TokenStream {
    let lines = lines.into_iter().map(|line| {
        let line = line.as_ref();
        if line.is_empty() { String::new() } else { format!(" {line}") }
    });
    quote!(#(#[doc = #lines])*)
}
