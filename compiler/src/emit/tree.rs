//! Tokens that can be looked at more than once.
//!
//! A token stream gives its tokens away, or else copies of all of them. Code that is searched, compared and rewritten
//! is a tree in between.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Span, TokenStream, TokenTree};

/// A token, or what stands in brackets.
#[derive(Debug, Clone)]
pub enum Tree {
    Ident(Ident),
    Punct(Punct),
    Literal(Literal),
    Group(Branch),
}

/// What stands in brackets.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The brackets.
    pub delimiter: Delimiter,
    /// What is in them.
    pub inside: Vec<Tree>,
    span: Span,
}

impl Branch {
    /// The same brackets around something else.
    pub fn with(&self, inside: Vec<Tree>) -> Self {
        Self { delimiter: self.delimiter, span: self.span, inside }
    }
}

impl Tree {
    /// The tokens of a stream.
    pub fn all(tokens: TokenStream) -> Vec<Self> {
        let tree = |token| match token {
            TokenTree::Ident(ident) => Self::Ident(ident),
            TokenTree::Punct(punct) => Self::Punct(punct),
            TokenTree::Literal(literal) => Self::Literal(literal),
            TokenTree::Group(group) => {
                let (delimiter, span, inside) = (group.delimiter(), group.span(), group.stream());
                // The last to hold the tokens takes them; any other copies them.
                drop(group);
                Self::Group(Branch { delimiter, span, inside: Self::all(inside) })
            }
        };
        tokens.into_iter().map(tree).collect()
    }

    /// The stream of these tokens.
    pub fn tokens(trees: Vec<Self>) -> TokenStream {
        let token = |tree| match tree {
            Self::Ident(ident) => TokenTree::Ident(ident),
            Self::Punct(punct) => TokenTree::Punct(punct),
            Self::Literal(literal) => TokenTree::Literal(literal),
            Self::Group(Branch { delimiter, span, inside }) => {
                let mut group = Group::new(delimiter, Self::tokens(inside));
                group.set_span(span);
                TokenTree::Group(group)
            }
        };
        trees.into_iter().map(token).collect()
    }

    /// Whether a name stands anywhere in these tokens.
    pub fn mention(trees: &[Self], name: &Ident) -> bool {
        trees.iter().any(|tree| match tree {
            Self::Ident(ident) => ident == name,
            Self::Group(group) => Self::mention(&group.inside, name),
            Self::Punct(_) | Self::Literal(_) => false,
        })
    }

    /// Whether it is this sign.
    pub fn is_punct(&self, sign: char) -> bool {
        matches!(self, Self::Punct(punct) if punct.as_char() == sign)
    }

    /// Whether it is this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Ident(ident) if ident == word)
    }
}

/// Whether a name stands anywhere in a stream of tokens.
pub fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    Tree::mention(&Tree::all(tokens.clone()), name)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::format_ident;

    use super::{Tree, mentions};

    fn stream(text: &str) -> TokenStream {
        text.parse().expect("the text is tokens")
    }

    #[test]
    fn tokens_come_back_as_they_were() {
        let code = stream("fn f<'a>(x: &'a [[Row; 4]]) -> f32 { g::<L, 4>(x, |g, o, z| { z += 1.5e-3; }) }");
        assert_eq!(Tree::tokens(Tree::all(code.clone())).to_string(), code.to_string());
    }

    #[test]
    fn names_are_found_inside_of_brackets() {
        let code = stream("a(b[{ c }], d.e)");
        for name in ["a", "b", "c", "d", "e"] {
            assert!(mentions(&code, &format_ident!("{name}")), "{name}");
        }
        assert!(!mentions(&code, &format_ident!("f")));
    }
}
