//! From the input of `network!` to its output.

use std::path::{Path, PathBuf};

use nnc_compiler::files::{Files, reason, similar};
use nnc_compiler::{Compilation, Options, compile_with, door};
use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::input::{Fault, File, Input, input};
use crate::report::{compile_error, in_file, inline};
use crate::text::Text;

/// What inline text is called when the compiler does not say which file it stands in.
const UNNAMED: &str = "network!";

/// Expands `network!`.
pub fn expand(tokens: TokenStream) -> TokenStream {
    match input(tokens) {
        Ok(Input::Inline(tokens)) => expand_inline(tokens, &manifest_dir()),
        Ok(Input::File(file)) => expand_file(&file, &manifest_dir()),
        Err(Fault { span, message }) => compile_error((span, span), &message),
    }
}

fn expand_inline(tokens: TokenStream, folder: &Path) -> TokenStream {
    let name = tokens.clone().into_iter().next().map(|first| first.span().file()).unwrap_or_default();
    let name = if name.is_empty() { UNNAMED.to_owned() } else { door::source_name(Path::new(&name)) };
    let text = Text::new(tokens);
    let mut files = Files::within(folder);
    let compilation = compile_with(&name, &text.text, &Options::default(), &mut files);
    let messages = compilation.diagnostics.iter().map(|diagnostic| inline(&compilation, diagnostic, &text));
    let models = models(&compilation, &TokenStream::new());
    let changes = files.read_files().filter_map(watch);
    quote!(#(#changes)* #(#messages)* #models)
}

/// What makes rustc compile the crate again when a file changes.
fn watch(path: &Path) -> Option<TokenStream> {
    let path = path.to_str()?;
    Some(quote!(
        const _: &[u8] = ::core::include_bytes!(#path);
    ))
}

fn expand_file(file: &File, folder: &Path) -> TokenStream {
    let path = folder.join(&file.path);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(file, &path, &error),
    };
    let changes = watch(&path);
    let Ok(text) = String::from_utf8(bytes) else {
        let error =
            compile_error((file.span, file.span), &format!("E0414: `{}` is not UTF-8 text", file.path));
        return quote!(#changes #error);
    };
    let options = Options { set: file.set.clone(), is_code: true, ..Options::default() };
    let mut files = Files::beside(&path);
    let compilation = compile_with(&door::source_name(&path), &text, &options, &mut files);
    let messages = compilation
        .diagnostics
        .iter()
        .map(|diagnostic| in_file(&compilation, diagnostic, &file.path, file.span));
    let visibility = file.visibility.clone().unwrap_or_else(|| quote!(pub));
    let models = models(&compilation, &visibility);
    let changes = changes.into_iter().chain(files.read_files().filter_map(watch));
    quote!(#(#changes)* #(#messages)* #models)
}

/// Nothing of a text with errors: half of it would only lead to more of them.
fn models(compilation: &Compilation, visibility: &TokenStream) -> TokenStream {
    if compilation.has_errors() { TokenStream::new() } else { door::modules(compilation, visibility) }
}

/// The folder that paths are relative to.
fn manifest_dir() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from)
}

/// The file cannot be read: why, and which one may be meant.
fn unreadable(file: &File, path: &Path, error: &std::io::Error) -> TokenStream {
    let mut message = format!("E0414: cannot read `{}`: {}", file.path, reason(error));
    message.push_str("\nnote: paths are relative to the folder of Cargo.toml");
    if let Some(near) = similar(path) {
        let meant = Path::new(&file.path).with_file_name(near);
        message.push_str(&format!("\nhelp: did you mean `{}`?", meant.display()));
    }
    compile_error((file.span, file.span), &message)
}

/// A place for the whole macro.
pub fn whole() -> (Span, Span) {
    (Span::call_site(), Span::call_site())
}

#[cfg(test)]
mod tests;
