//! Diagnostics as errors and warnings of rustc.

use nnc_compiler::Compilation;
use nnc_compiler::load::relative;
use nnc_grammar::diagnostic::{Diagnostic, Severity};
use nnc_grammar::span::{FileId, SourceMap, Span as NnSpan};
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use crate::expand::whole;
use crate::text::Text;

/// Lines longer than this are not shown.
const MAX_LINE: usize = 160;

/// A diagnostic about inline text, on the tokens it is about; one about a file that the text uses, on the item that
/// uses it, with the line that it is about.
pub fn inline(compilation: &Compilation, diagnostic: &Diagnostic, text: &Text) -> TokenStream {
    let sources = &compilation.sources;
    let span = diagnostic.primary.span;
    let is_here = span.file == compilation.file;
    let here = if is_here { Some(span) } else { compilation.uses.site(span.file) };
    let tokens = here.and_then(|here| text.tokens(here.start as usize..here.end as usize));
    let mut message = head(diagnostic);
    if is_here {
        if !diagnostic.primary.text.is_empty() {
            message.push_str(&format!("\n{}", diagnostic.primary.text));
        }
        for label in &diagnostic.secondary {
            message.push_str(&format!("\nnote: {}: {}", sources.place(label.span), label.text));
        }
        advice(diagnostic, "", &mut message);
    } else {
        let name = sources.get(span.file).map_or("", |file| file.name.as_str());
        body(sources, diagnostic, name, |span| sources.place(span), &mut message);
    }
    tell(diagnostic, tokens.unwrap_or_else(whole), &message)
}

/// A diagnostic about a file, on the token of its path, with the line that it is about.
pub fn in_file(compilation: &Compilation, diagnostic: &Diagnostic, path: &str, span: Span) -> TokenStream {
    let sources = &compilation.sources;
    // Files that it uses are called by their paths from where the macro looks, as it is itself.
    let name = |file: FileId| {
        let shown = sources.get(file).map_or("", |file| file.name.as_str());
        if file == compilation.file {
            path.to_owned()
        } else if compilation.uses.site(file).is_some() {
            relative(path, shown)
        } else {
            shown.to_owned()
        }
    };
    let place = |span: NnSpan| format!("{}:{}", name(span.file), sources.line_column(span));
    let mut message = head(diagnostic);
    body(sources, diagnostic, &name(diagnostic.primary.span.file), place, &mut message);
    tell(diagnostic, (span, span), &message)
}

/// Place, line and advice, as rustc draws them.
fn body(
    sources: &SourceMap,
    diagnostic: &Diagnostic,
    name: &str,
    place_of: impl Fn(NnSpan) -> String,
    message: &mut String,
) {
    let primary = &diagnostic.primary;
    let place = sources.line_column(primary.span);
    let margin = " ".repeat(place.line.to_string().len());
    message.push_str(&format!("\n{margin}--> {name}:{place}"));
    match excerpt(sources, diagnostic) {
        Some((line, carets)) => {
            message.push_str(&format!(
                "\n{margin} |\n{} | {line}\n{margin} | {carets} {}",
                place.line, primary.text
            ));
        }
        None if !primary.text.is_empty() => message.push_str(&format!("\n{margin} = {}", primary.text)),
        None => {}
    }
    message.truncate(message.trim_end().len());
    for label in &diagnostic.secondary {
        message.push_str(&format!("\n{margin} = note: {}: {}", place_of(label.span), label.text));
    }
    advice(diagnostic, &format!("{margin} = "), message);
}

fn head(diagnostic: &Diagnostic) -> String {
    format!("{}: {}", diagnostic.code, diagnostic.message)
}

fn advice(diagnostic: &Diagnostic, margin: &str, message: &mut String) {
    for note in &diagnostic.notes {
        message.push_str(&format!("\n{margin}note: {note}"));
    }
    for help in &diagnostic.help {
        message.push_str(&format!("\n{margin}help: {help}"));
    }
}

/// The line of the primary place, and carets below it up to the line's end.
fn excerpt(sources: &SourceMap, diagnostic: &Diagnostic) -> Option<(String, String)> {
    let span = diagnostic.primary.span;
    let text = &sources.get(span.file)?.text;
    let (start, end) = (span.start as usize, span.end as usize);
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..)?.lines().next()?;
    if line.len() > MAX_LINE {
        return None;
    }
    // A tab stays one, so that the carets stand below what they point at.
    let before: String =
        text.get(line_start..start)?.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let under = text.get(start..end.min(line_start + line.len()).max(start))?.chars().count().max(1);
    Some((line.to_owned(), before + &"^".repeat(under)))
}

/// An error, a warning, or, for a note, nothing: rustc has no place for it.
fn tell(diagnostic: &Diagnostic, tokens: (Span, Span), message: &str) -> TokenStream {
    match diagnostic.severity {
        Severity::Error => compile_error(tokens, message),
        Severity::Warning => {
            // The constant is called by the code already.
            let code = diagnostic.code.as_str();
            warning(
                code,
                tokens.0,
                message.strip_prefix(code).map_or(message, |rest| rest.trim_start_matches(": ")),
            )
        }
        Severity::Note => TokenStream::new(),
    }
}

/// `::core::compile_error! { "message" }`, underlining from the first token to the last.
pub fn compile_error((first, last): (Span, Span), message: &str) -> TokenStream {
    let mut literal = Literal::string(message);
    literal.set_span(last);
    let mut group = Group::new(Delimiter::Brace, TokenTree::Literal(literal).into());
    group.set_span(last);
    let mut tokens = quote_spanned!(first => ::core::compile_error!);
    tokens.extend([TokenTree::Group(group)]);
    tokens
}

/// A macro cannot warn on stable Rust; the use of a deprecated constant does.
fn warning(code: &str, span: Span, message: &str) -> TokenStream {
    let declared = Ident::new(code, Span::call_site());
    let used = Ident::new(code, span);
    quote! {
        const _: () = {
            #[deprecated(note = #message)]
            const #declared: () = ();
            #used
        };
    }
}

#[cfg(test)]
mod tests;
