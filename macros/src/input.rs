//! What stands between the brackets of `network!`: a model, or the name of a file with one.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use crate::text::unquote;

/// What is compiled.
#[derive(Debug)]
pub enum Input {
    /// The text of a model itself.
    Inline(TokenStream),
    /// A file.
    File(File),
}

/// `pub(crate) "models/iris.nn", hidden = 64`
#[derive(Debug)]
pub struct File {
    /// Of every model in the file, where it is written.
    pub visibility: Option<TokenStream>,
    /// The path as written.
    pub path: String,
    /// The path's token.
    pub span: Span,
    /// Model parameters by name, values as written.
    pub set: Vec<(String, String)>,
}

/// What is wrong, and where.
#[derive(Debug)]
pub struct Fault {
    /// The token.
    pub span: Span,
    /// The fact.
    pub message: String,
}

/// Reads the input: it is a file if it begins, after a visibility, with a string.
pub fn input(tokens: TokenStream) -> Result<Input, Fault> {
    let mut trees = tokens.clone().into_iter().peekable();
    let mut visibility = TokenStream::new();
    if matches!(trees.peek(), Some(TokenTree::Ident(word)) if word == "pub") {
        visibility.extend(trees.next());
        if matches!(trees.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
        {
            visibility.extend(trees.next());
        }
    }
    let Some(TokenTree::Literal(literal)) = trees.next().map(ungrouped) else {
        return Ok(Input::Inline(tokens));
    };
    let Some(path) = unquote(&literal.to_string()) else { return Ok(Input::Inline(tokens)) };
    let visibility = (!visibility.is_empty()).then_some(visibility);
    let set = settings(trees.map(ungrouped), literal.span())?;
    Ok(Input::File(File { visibility, path, span: literal.span(), set }))
}

/// A literal that came through a variable of `macro_rules!` stands in an invisible group.
fn ungrouped(tree: TokenTree) -> TokenTree {
    match &tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inner = group.stream().into_iter();
            match (inner.next(), inner.next()) {
                (Some(only), None) => ungrouped(only),
                _ => tree,
            }
        }
        _ => tree,
    }
}

/// `, hidden = 64, bias = false`
fn settings(trees: impl Iterator<Item = TokenTree>, path: Span) -> Result<Vec<(String, String)>, Fault> {
    let mut trees = trees.peekable();
    let mut set = Vec::new();
    let mut last = path;
    let fault = |tree: Option<TokenTree>, last: Span, expected: &str| Fault {
        span: tree.as_ref().map_or(last, TokenTree::span),
        message: match tree {
            Some(tree) => format!("expected {expected}, found `{tree}`"),
            None => format!("expected {expected} at the end"),
        },
    };
    let is_punct =
        |tree: &TokenTree, c: char| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == c);
    while let Some(tree) = trees.next() {
        if !is_punct(&tree, ',') {
            return Err(fault(Some(tree), last, "`,` before the next parameter"));
        }
        last = tree.span();
        let name = match trees.next() {
            None => break,
            Some(TokenTree::Ident(name)) => name,
            other => return Err(fault(other, last, "the name of a model parameter")),
        };
        match trees.next() {
            Some(tree) if is_punct(&tree, '=') => {}
            other => return Err(fault(other, name.span(), "`=` and the parameter's value")),
        }
        let mut value = TokenStream::new();
        while let Some(tree) = trees.next_if(|tree| !is_punct(tree, ',')) {
            last = tree.span();
            value.extend([tree]);
        }
        if value.is_empty() {
            return Err(fault(trees.next(), name.span(), "a value, such as `64` or `sgd(lr = 0.1)`"));
        }
        set.push((name.to_string(), spelled(&value)));
    }
    Ok(set)
}

/// A value as it is written in a file: a sign stands before its number without a space.
fn spelled(value: &TokenStream) -> String {
    let text = value.to_string();
    text.strip_prefix("- ").map_or_else(|| text.clone(), |number| format!("-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Input, Fault> {
        input(text.parse().unwrap_or_else(|_| panic!("not tokens: {text}")))
    }

    fn file(text: &str) -> File {
        match read(text) {
            Ok(Input::File(file)) => file,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_string_is_a_file() {
        let file = file("\"models/iris.nn\"");
        assert_eq!(file.path, "models/iris.nn");
        assert!(file.visibility.is_none());
        assert!(file.set.is_empty());
    }

    #[test]
    fn a_file_has_visibility_and_parameters() {
        let file = file("pub(crate) r\"a.nn\", hidden = 64, scale = -0.5, bias = false,");
        assert_eq!(
            file.visibility.map(|tokens| tokens.to_string().replace(' ', "")),
            Some("pub(crate)".to_owned())
        );
        let set: Vec<(&str, &str)> =
            file.set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(set, [("hidden", "64"), ("scale", "-0.5"), ("bias", "false")]);
    }

    #[test]
    fn a_value_may_be_a_call() {
        let file = file("\"a.nn\", optimizer = sgd(lr = cosine(0.1), clip_norm = 1), hidden = 64");
        let set: Vec<(&str, String)> =
            file.set.iter().map(|(name, value)| (name.as_str(), value.replace(' ', ""))).collect();
        assert_eq!(
            set,
            [("optimizer", "sgd(lr=cosine(0.1),clip_norm=1)".to_owned()), ("hidden", "64".to_owned())]
        );
    }

    #[test]
    fn anything_else_is_a_model() {
        for text in ["pub model A { }", "model A { }", "", "3", "pub", "/// a\nmodel A { }"] {
            assert!(matches!(read(text), Ok(Input::Inline(_))), "{text}");
        }
    }

    #[test]
    fn faults_after_a_file_are_told() {
        for (text, message) in [
            ("\"a.nn\" hidden = 3", "expected `,` before the next parameter, found `hidden`"),
            ("\"a.nn\", 3", "expected the name of a model parameter, found `3`"),
            ("\"a.nn\", hidden", "expected `=` and the parameter's value at the end"),
            ("\"a.nn\", hidden = ,", "expected a value, such as `64` or `sgd(lr = 0.1)`, found `,`"),
        ] {
            assert_eq!(read(text).err().map(|fault| fault.message).as_deref(), Some(message), "{text}");
        }
    }
}
