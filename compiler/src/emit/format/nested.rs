//! Structs and functions inside of macros, whose tokens the formatter leaves as they come.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::File;

use crate::emit::tree::Tree;

/// Takes the items out of `rt::memory!`, `rt::tensors!` and `rt::kernels!`, and gives the rest and the items, formatted; a
/// name stands in for those of each. There is nothing if some of them are not Rust.
pub fn take(tokens: TokenStream) -> Option<(TokenStream, Vec<String>)> {
    let mut trees = Tree::all(tokens);
    let mut texts = Vec::new();
    for at in 0..trees.len() {
        let (before, rest) = trees.split_at_mut(at);
        let ([.., Tree::Ident(name), bang], Some(Tree::Group(items))) = (before, rest.first_mut()) else {
            continue;
        };
        let has_first = name == "kernels";
        if !bang.is_punct('!') || !(has_first || name == "memory" || name == "tensors") {
            continue;
        }
        let stand_in = Tree::Ident(format_ident!("{}", stand_in(texts.len())));
        let mut first = std::mem::replace(&mut items.inside, vec![stand_in]);
        // What stands before the first `;` has a line of its own.
        let end = first.iter().position(|token| token.is_punct(';')).filter(|_| has_first);
        let inner = syn::parse2::<File>(Tree::tokens(first.split_off(end.map_or(0, |at| at + 1)))).ok()?;
        let first = match end {
            Some(_) => format!("{}\n\n", Tree::tokens(first).to_string().replace(" ;", ";")),
            None => String::new(),
        };
        texts.push(format!("{first}{}", prettyplease::unparse(&inner)));
    }
    Some((Tree::tokens(trees), texts))
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
