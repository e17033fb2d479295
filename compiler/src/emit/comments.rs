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

/// Formulas as lines of a doc comment. They are marked as text: else rustdoc takes them for Rust, and runs them with the
/// tests of the user's library.
pub fn formulas(lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    let fence = |mark: &str| std::iter::once(mark.to_owned());
    fence("```text").chain(lines).chain(fence("```")).collect()
}

/// `a, b and c`; `a, b and 12 more` where all the names do not fit a line.
pub fn names_in_a_line<S: AsRef<str>>(names: &[S]) -> String {
    const WIDTH: usize = 72;
    let mut used = 0;
    let fitting = names.iter().take_while(|name| {
        used += name.as_ref().len() + 2;
        used <= WIDTH
    });
    let fitting = fitting.count().max(1);
    let join = |names: &[S]| names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match names.split_at_checked(fitting) {
        Some((named, [_, ..])) => format!("{} and {} more", join(named), names.len() - fitting),
        _ => match names.split_last() {
            Some((last, others @ [_, ..])) => format!("{} and {}", join(others), last.as_ref()),
            _ => join(names),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::names_in_a_line;

    #[test]
    fn a_line_has_as_many_names_as_fit() {
        assert_eq!(names_in_a_line::<&str>(&[]), "");
        assert_eq!(names_in_a_line(&["a"]), "a");
        assert_eq!(names_in_a_line(&["a", "b"]), "a and b");
        assert_eq!(names_in_a_line(&["a", "b", "c"]), "a, b and c");
        let long = "n".repeat(34);
        assert_eq!(names_in_a_line(&[&long; 4]), format!("{long}, {long} and 2 more"));
        assert_eq!(
            names_in_a_line(&["n".repeat(100), "a".to_owned()]),
            format!("{} and 1 more", "n".repeat(100))
        );
    }
}
