//! The last step of every door: a model's items become a module with the struct beside it.
//!
//! `network!`, `nnc_build::compile` and whoever else hands models to rustc call `module` or [`file()`], so that one
//! model is the same code whichever way it came in.

use std::path::Path;

use nnc_grammar::span::SourceMap;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::compile::{Compilation, CompiledModel};
use crate::emit::to_rust;

/// Every model of a compilation as a private module, and its struct beside it.
///
/// `visibility` is that of a model whose text says none.
pub fn modules(compilation: &Compilation, visibility: &TokenStream) -> TokenStream {
    let names = module_names(&compilation.models);
    let modules = compilation.models.iter().zip(names).map(|(model, name)| {
        let written = written_visibility(model, &compilation.sources);
        module(model, &name, written.as_ref().unwrap_or(visibility))
    });
    quote!(#(#modules)*)
}

/// The same as a file for `include!`, formatted and commented.
pub fn file(compilation: &Compilation, visibility: &TokenStream) -> String {
    let names = module_names(&compilation.models);
    let mut out = String::new();
    for (model, name) in compilation.models.iter().zip(names) {
        if !out.is_empty() {
            out.push('\n');
        }
        let written = written_visibility(model, &compilation.sources);
        let visibility = spelled(written.as_ref().unwrap_or(visibility));
        let import = struct_name(model);
        // An included file cannot begin with inner attributes; inside a module they are at home.
        out.push_str(&format!("mod {name} {{\n    {ALLOW}\n"));
        for line in to_rust(&model.tokens).lines() {
            if !line.is_empty() {
                out.push_str("    ");
                out.push_str(line);
            }
            out.push('\n');
        }
        out.push_str(&format!(
            "}}\n\n#[allow(unreachable_pub, unused_imports)]\n{visibility}use {name}::{import};\n"
        ));
    }
    out
}

/// What a source file is called in messages and in emitted code: its last part, so that the same model gives the same
/// code in every folder.
pub fn source_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "model.nn".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What the module of a model allows. A program need not use all of a model, its struct is re-exported by the module's
/// parent, without the standard library `Box` has no name of its own, and what clippy would have written otherwise was written
/// by a compiler.
const ALLOW: &str = "#![allow(dead_code, single_use_lifetimes, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]";

fn module(model: &CompiledModel, name: &str, visibility: &TokenStream) -> TokenStream {
    let module = Ident::new(name, Span::call_site());
    let import = struct_name(model);
    let allow: TokenStream = ALLOW.parse().unwrap_or_default();
    let items = &model.tokens;
    quote! {
        mod #module {
            #allow
            #items
        }
        #[allow(unreachable_pub, unused_imports)]
        #visibility use #module::#import;
    }
}

/// The struct, named as emitted.
fn struct_name(model: &CompiledModel) -> Ident {
    crate::emit::identifier(&model.info.name)
}

/// `pub(crate)` as it was written before `model`; nothing where the text says none.
fn written_visibility(model: &CompiledModel, sources: &SourceMap) -> Option<TokenStream> {
    sources.text(model.program.visibility?).parse().ok()
}

/// Tokens of a visibility as a person writes them, with a space behind.
fn spelled(visibility: &TokenStream) -> String {
    let text: String = visibility.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        text
    } else {
        text.replace("pub (", "pub(").replace("( ", "(").replace(" )", ")") + " "
    }
}

/// A module for each model, no two alike and none like a struct: those share one namespace, also with modules of the user,
/// which may well be called like a model.
fn module_names(models: &[CompiledModel]) -> Vec<String> {
    let mut taken: Vec<String> = models.iter().map(|model| struct_name(model).to_string()).collect();
    let mut names = Vec::with_capacity(models.len());
    for model in models {
        let mut name = format!("nnc_{}", snake(&model.info.name));
        while taken.contains(&name) {
            name.push('_');
        }
        taken.push(name.clone());
        names.push(name);
    }
    names
}

/// `HttpNet` as `http_net`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut previous: Option<char> = None;
    for (at, c) in name.char_indices() {
        let next_is_lower =
            name.get(at + c.len_utf8()..).is_some_and(|rest| rest.starts_with(|c: char| c.is_lowercase()));
        let starts_word = c.is_uppercase()
            && previous.is_some_and(|previous| {
                previous.is_lowercase()
                    || previous.is_ascii_digit()
                    || previous.is_uppercase() && next_is_lower
            });
        if starts_word {
            out.push('_');
        }
        out.extend(c.to_lowercase());
        previous = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_in_snake_case() {
        for (name, expected) in [
            ("Iris", "iris"),
            ("HttpNet", "http_net"),
            ("HTTPNet", "http_net"),
            ("Net2", "net2"),
            ("MLP", "mlp"),
            ("a_b", "a_b"),
        ] {
            assert_eq!(snake(name), expected);
        }
    }

    #[test]
    fn a_visibility_is_spelled_as_written() {
        let tokens = |text: &str| -> TokenStream { text.parse().unwrap_or_default() };
        assert_eq!(spelled(&tokens("pub(crate)")), "pub(crate) ");
        assert_eq!(spelled(&tokens("pub")), "pub ");
        assert_eq!(spelled(&tokens("")), "");
    }

    #[test]
    fn a_source_is_named_without_its_folder() {
        assert_eq!(source_name(Path::new("models/iris.nn")), "iris.nn");
    }
}
