//! Sizes of functions that blocks of several shapes share.
//!
//! Two functions whose code is equal but for whole numbers are one function, and the numbers in which they differ are its
//! constant parameters: `basic_conv1_forward::<16384, 144, 1, 0>`. A number stays where it is if all have the same, and
//! numbers that are equal in each of them are one parameter.

use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::function::Argument;

/// A whole number in the code of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Size {
    value: usize,
    /// What a parameter for it would be called.
    name: String,
}

/// The code of a function without what equal functions may differ in, and the numbers in it.
#[derive(Debug, Clone)]
pub struct Skeleton {
    text: String,
    sizes: Vec<Size>,
}

/// What stands in a skeleton for a number that may differ.
const HOLE: &str = "SIZE";

impl Skeleton {
    /// Takes the numbers out of arguments and code, of which names have been taken out already.
    pub fn new(arguments: &[Argument], code: TokenStream) -> Self {
        let mut reader = Reader { sizes: Vec::new() };
        let mut text = String::new();
        for argument in arguments {
            let name = argument.name.to_string().to_uppercase();
            let kind = if argument.is_mut { "mut" } else { "" };
            text.push_str(&format!("{kind} {};", reader.read(argument.ty.clone(), &name, false)));
        }
        text.push_str(&reader.read(code, "SIZE", false).to_string());
        Self { text, sizes: reader.sizes }
    }

    /// Whether the functions are the same but for sizes.
    pub fn fits(&self, other: &Self) -> bool {
        self.text == other.text && self.sizes.len() == other.sizes.len()
    }

    /// The numbers.
    pub fn values(&self) -> Vec<usize> {
        self.sizes.iter().map(|size| size.value).collect()
    }
}

struct Reader {
    sizes: Vec<Size>,
}

impl Reader {
    /// The tokens with holes for the numbers that may become parameters. A number within an expression of constants, such
    /// as `{ SAMPLES * 4 }`, may not: Rust has no arithmetic on parameters there.
    fn read(&mut self, tokens: TokenStream, name: &str, is_fixed: bool) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        // `[[Row; K]; P]`
        let is_nested = matches!(tokens.first(), Some(TokenTree::Group(group)) if is_bracket(group));
        for (n, token) in tokens.iter().enumerate() {
            out.push(match token {
                TokenTree::Literal(literal) => {
                    match whole(literal).filter(|_| !is_fixed && !is_field(&out)) {
                        Some(value) => {
                            let name = if is_nested { format!("{name}_PANELS") } else { name.to_owned() };
                            self.sizes.push(Size { value, name });
                            TokenTree::Ident(format_ident!("{HOLE}"))
                        }
                        None => token.clone(),
                    }
                }
                TokenTree::Group(group) => {
                    let (inner, within) = inside(&tokens, n, group, name);
                    let stream = self.read(group.stream(), &inner, is_fixed || within);
                    TokenTree::Group(Group::new(group.delimiter(), stream))
                }
                _ => token.clone(),
            });
        }
        out.into_iter().collect()
    }
}

/// What numbers in a group are called, and whether none of them can be a parameter.
fn inside(tokens: &[TokenTree], at: usize, group: &Group, name: &str) -> (String, bool) {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    let is_index = is_bracket(group);
    let table = match before {
        Some(TokenTree::Ident(table)) if is_index && is_constant(&table.to_string()) => {
            Some(table.to_string())
        }
        _ => None,
    };
    let name = table.map_or_else(|| name.to_owned(), |table| table.trim_end_matches('S').to_owned());
    let is_argument = match before {
        Some(TokenTree::Punct(punct)) => is_brace(group) && matches!(punct.as_char(), '<' | ','),
        // An exponent is a number of another type.
        Some(TokenTree::Ident(name)) => name == "powi",
        _ => false,
    };
    // The length of an array is a number by itself, or else an expression.
    let length: Vec<TokenTree> = match is_index.then(|| behind_semicolon(group)) {
        Some(Some(length)) => length,
        _ => return (name, is_argument),
    };
    (name, is_argument || length.len() > 1)
}

fn is_brace(group: &Group) -> bool {
    group.delimiter() == Delimiter::Brace
}

fn is_bracket(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket
}

fn behind_semicolon(group: &Group) -> Option<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let at = tokens
        .iter()
        .rposition(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';'))?;
    tokens.get(at + 1..).map(<[TokenTree]>::to_vec)
}

/// Whether it is the name of a constant of the module.
fn is_constant(name: &str) -> bool {
    name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
}

/// Whether what comes next is a field by number.
fn is_field(before: &[TokenTree]) -> bool {
    let is_dot = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.');
    match before {
        [.., first, last] => is_dot(last) && !is_dot(first),
        [last] => is_dot(last),
        [] => false,
    }
}

fn whole(literal: &Literal) -> Option<usize> {
    literal.to_string().parse().ok()
}

/// The parameters of a function for the numbers in which those that share it differ.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// By number in the code: which parameter stands for it.
    of_number: Vec<Option<usize>>,
    /// Names of the parameters, each with a number that it stands for.
    parameters: Vec<(Ident, usize)>,
}

impl Sizes {
    /// The parameters that functions with these numbers need. `first` is the skeleton of the one that is emitted.
    pub fn new(first: &Skeleton, all: &[Vec<usize>], is_taken: impl Fn(&Ident) -> bool) -> Self {
        let column = |n: usize| all.iter().map(|values| values.get(n).copied()).collect::<Vec<_>>();
        let mut sizes = Self { of_number: Vec::new(), parameters: Vec::new() };
        for (n, size) in first.sizes.iter().enumerate() {
            let here = column(n);
            let differs = here.iter().any(|value| *value != here.first().copied().flatten());
            if !differs {
                sizes.of_number.push(None);
                continue;
            }
            let known = sizes.parameters.iter().position(|(_, number)| column(*number) == here);
            sizes.of_number.push(Some(known.unwrap_or_else(|| {
                let stem = size.name.as_str();
                let names = std::iter::once(stem.to_owned()).chain((2..).map(|n| format!("{stem}_{n}")));
                let mut names = names.map(|name| format_ident!("{name}"));
                let is_known = |name: &Ident| sizes.parameters.iter().any(|(known, _)| known == name);
                let name = names.find(|name| !is_known(name) && !is_taken(name));
                sizes.parameters.push((name.unwrap_or_else(|| format_ident!("SIZE")), n));
                sizes.parameters.len() - 1
            })));
        }
        sizes
    }

    /// Names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &Ident> {
        self.parameters.iter().map(|(name, _)| name)
    }

    /// What the parameters are in a function with these numbers.
    pub fn values(&self, numbers: &[usize]) -> Vec<usize> {
        self.parameters.iter().filter_map(|(_, number)| numbers.get(*number).copied()).collect()
    }

    /// Types of arguments and code with the parameters in place of the numbers.
    pub fn put(&self, types: &[TokenStream], code: TokenStream) -> (Vec<TokenStream>, TokenStream) {
        if self.parameters.is_empty() {
            return (types.to_vec(), code);
        }
        let mut writer = Writer { sizes: self, next: 0 };
        let types = types.iter().map(|ty| writer.write(ty.clone(), false)).collect();
        (types, writer.write(code, false))
    }
}

struct Writer<'a> {
    sizes: &'a Sizes,
    next: usize,
}

impl Writer<'_> {
    fn write(&mut self, tokens: TokenStream, is_fixed: bool) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            out.push(match token {
                TokenTree::Literal(literal) if whole(literal).is_some() && !is_fixed && !is_field(&out) => {
                    let parameter = self.sizes.of_number.get(self.next).copied().flatten();
                    self.next += 1;
                    let name = parameter.and_then(|parameter| self.sizes.parameters.get(parameter));
                    name.map_or_else(|| token.clone(), |(name, _)| TokenTree::Ident(name.clone()))
                }
                TokenTree::Group(group) => {
                    let (_, within) = inside(&tokens, at, group, "");
                    let stream = self.write(group.stream(), is_fixed || within);
                    let mut new = Group::new(group.delimiter(), stream);
                    new.set_span(group.span());
                    TokenTree::Group(new)
                }
                _ => token.clone(),
            });
        }
        out.into_iter().collect()
    }
}

/// `::<16, 4>`, or nothing.
pub fn turbofish(values: &[usize], groups: Option<TokenStream>) -> TokenStream {
    let values = values.iter().map(|value| super::number(*value));
    let all: Vec<TokenStream> = groups.into_iter().chain(values).collect();
    if all.is_empty() { TokenStream::new() } else { quote!(::<#(#all),*>) }
}
