//! What code is but for names and sizes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use proc_macro2::{Delimiter, Ident, Literal};

use super::function::Argument;
use super::tree::{Branch, Tree};

/// The code of a function without what equal functions may differ in, and the numbers in it.
#[derive(Debug, Clone)]
pub struct Skeleton {
    text: String,
    sizes: Vec<Size>,
}

/// A whole number in the code of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    pub value: usize,
    /// What a parameter for it would be called.
    pub name: String,
}

/// What stands in a skeleton for a number that may differ.
const HOLE: &str = "SIZE";

impl Skeleton {
    /// The code of a function without its name, comments, the names of its arguments and locals, and sizes: functions
    /// that differ in nothing else are one.
    pub fn of_function(name: &Ident, arguments: &[Argument], locals: &[Ident], code: &[Tree]) -> Self {
        let mut reader = Reader { function: Some(name), ..Reader::default() };
        let names = arguments.iter().map(|argument| &argument.name).chain(locals);
        for (at, name) in names.enumerate() {
            reader.names.entry(name.to_string()).or_insert(at);
        }
        reader.skeleton(arguments, code)
    }

    /// The members of a struct without sizes.
    pub fn of_struct(members: &[Argument]) -> Self {
        let names: Vec<Tree> = members.iter().map(|member| Tree::Ident(member.name.clone())).collect();
        Reader::default().skeleton(members, &names)
    }

    /// Whether the functions are the same but for sizes.
    pub fn fits(&self, other: &Self) -> bool {
        self.text == other.text && self.sizes.len() == other.sizes.len()
    }

    /// The numbers.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// The numbers without names.
    pub fn values(&self) -> Vec<usize> {
        self.sizes.iter().map(|size| size.value).collect()
    }
}

#[derive(Default)]
struct Reader<'a> {
    /// Names that may differ, with their numbers.
    names: HashMap<String, usize>,
    /// The name of the function.
    function: Option<&'a Ident>,
    text: String,
    sizes: Vec<Size>,
}

impl Reader<'_> {
    fn skeleton(mut self, arguments: &[Argument], code: &[Tree]) -> Skeleton {
        // Types have no names that may differ.
        let names = std::mem::take(&mut self.names);
        for argument in arguments {
            let name = argument.name.to_string().to_uppercase();
            self.text.push_str(if argument.is_mut { "mut " } else { " " });
            self.read(&Tree::all(argument.ty.clone()), &name, false);
            self.text.push(';');
        }
        self.names = names;
        self.read(code, "SIZE", false);
        Skeleton { text: self.text, sizes: self.sizes }
    }

    /// Writes the tokens with holes for the numbers that may become parameters. A number within an expression of
    /// constants, such as `{ SAMPLES * 4 }`, may not: Rust has no arithmetic on parameters there.
    fn read(&mut self, trees: &[Tree], name: &str, is_fixed: bool) {
        // `[[Row; K]; P]`
        let is_nested = matches!(trees.first(), Some(Tree::Group(group)) if is_bracket(group));
        let mut at = 0;
        while let (before, rest @ [tree, ..]) = trees.split_at(at) {
            if let Some(n) = comment(rest) {
                at += n;
                continue;
            }
            at += 1;
            match tree {
                Tree::Ident(ident) => self.ident(ident, is_behind(before)),
                Tree::Punct(punct) => self.text.push(punct.as_char()),
                Tree::Literal(literal) => match size(literal, before).filter(|_| !is_fixed) {
                    Some(value) => {
                        let name = if is_nested { format!("{name}_PANELS") } else { name.to_owned() };
                        self.sizes.push(Size { value, name });
                        self.text.push_str(HOLE);
                    }
                    None => self.write(literal),
                },
                Tree::Group(group) => {
                    let (inner, within) = inside(before, group, name);
                    let (open, close) = brackets(group.delimiter);
                    self.text.push(open);
                    self.read(&group.inside, &inner, is_fixed || within);
                    self.text.push(close);
                }
            }
            self.text.push(' ');
        }
    }

    /// Writes a name, or which it is of those that may differ. What is a part of a path, or a method, is as it is.
    fn ident(&mut self, ident: &Ident, is_behind: bool) {
        let start = self.text.len();
        self.write(ident);
        if is_behind {
            return;
        }
        let text = &self.text[start..];
        let of = |name: &str| self.names.get(name).copied();
        let known = match (of(text), text.strip_suffix("_lanes").and_then(of)) {
            (Some(at), _) => format!("argument_{at}"),
            (None, Some(of)) => format!("lanes_{of}"),
            (None, None) if self.function.is_some_and(|function| function == text) => "function".to_owned(),
            (None, None) => return,
        };
        self.text.truncate(start);
        self.text.push_str(&known);
    }

    fn write(&mut self, token: &impl std::fmt::Display) {
        // Writing into a text does not fail.
        let _ = write!(self.text, "{token}");
    }
}

fn brackets(delimiter: Delimiter) -> (char, char) {
    match delimiter {
        Delimiter::Parenthesis => ('(', ')'),
        Delimiter::Brace => ('{', '}'),
        Delimiter::Bracket => ('[', ']'),
        Delimiter::None => (' ', ' '),
    }
}

/// What numbers in a group are called, and whether none of them can be a parameter.
pub fn inside<'a>(before: &[Tree], group: &Branch, name: &'a str) -> (Cow<'a, str>, bool) {
    let is_argument = match before.last() {
        Some(Tree::Punct(punct)) => {
            group.delimiter == Delimiter::Brace && matches!(punct.as_char(), '<' | ',')
        }
        // An exponent is a number of another type.
        Some(Tree::Ident(name)) => name == "powi",
        _ => false,
    };
    if !is_bracket(group) {
        return (Cow::Borrowed(name), is_argument);
    }
    let name = match before.last() {
        Some(Tree::Ident(table)) if is_constant(&table.to_string()) => {
            Cow::Owned(table.to_string().trim_end_matches('S').to_owned())
        }
        _ => Cow::Borrowed(name),
    };
    // The length of an array is a number by itself, or else an expression.
    let length = group.inside.iter().rev().position(|tree| tree.is_punct(';'));
    (name, is_argument || length.is_some_and(|tokens| tokens > 1))
}

/// The number that a literal is, if it is a whole one and no field by number.
pub fn size(literal: &Literal, before: &[Tree]) -> Option<usize> {
    let is_dot = |tree: &Tree| tree.is_punct('.');
    let is_field = match before {
        [.., first, last] => is_dot(last) && !is_dot(first),
        [last] => is_dot(last),
        [] => false,
    };
    if is_field { None } else { literal.to_string().parse().ok() }
}

/// Whether what comes next is a part of a path, or a method: `embedding` in `rt::embedding`, whatever values are called.
fn is_behind(before: &[Tree]) -> bool {
    match before {
        [.., first, last] if last.is_punct(':') => first.is_punct(':'),
        [.., first, last] if last.is_punct('.') => !first.is_punct('.'),
        [last] => last.is_punct('.'),
        _ => false,
    }
}

/// How long a doc comment or `rt::comment!(…);` is that stands here, if there is one.
fn comment(trees: &[Tree]) -> Option<usize> {
    match trees {
        [hash, Tree::Group(group), ..] if hash.is_punct('#') => {
            group.inside.first().is_some_and(|word| word.is_word("doc")).then_some(2)
        }
        [rt, _, _, comment, _, Tree::Group(_), _, ..] if rt.is_word("rt") && comment.is_word("comment") => {
            Some(7)
        }
        _ => None,
    }
}

fn is_bracket(group: &Branch) -> bool {
    group.delimiter == Delimiter::Bracket
}

/// Whether it is the name of a constant of the module.
fn is_constant(name: &str) -> bool {
    name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use quote::format_ident;

    use super::*;

    fn skeleton(name: &str, local: &str, code: &str) -> Skeleton {
        let code = Tree::all(code.parse().expect("the text is tokens"));
        Skeleton::of_function(&format_ident!("{name}"), &[], &[format_ident!("{local}")], &code)
    }

    #[test]
    fn names_comments_and_sizes_do_not_count() {
        let first = skeleton("a", "x", "rt::comment!(\"x\"); f::<L, 16>(x); x_lanes.store(&mut y[2]);");
        let second = skeleton("b", "z", "f::<L, 32>(z); z_lanes.store(&mut y[7]);");
        assert!(first.fits(&second));
        assert_eq!((first.values(), second.values()), (vec![16, 2], vec![32, 7]));
    }

    #[test]
    fn other_names_methods_and_paths_count() {
        let first = skeleton("a", "x", "f(x); g(y);");
        assert!(!first.fits(&skeleton("a", "x", "f(x); g(z);")));
        assert!(!skeleton("a", "x", "rt::x(1);").fits(&skeleton("a", "z", "rt::z(1);")));
        assert!(!skeleton("a", "x", "v.x(1);").fits(&skeleton("a", "z", "v.z(1);")));
    }

    #[test]
    fn expressions_of_constants_exponents_and_fields_are_as_they_are() {
        let fixed = "f::<{ SAMPLES * 4 }>(x.0, [ZERO; 2 * N], y.powi(3));";
        assert_eq!(skeleton("a", "x", fixed).values(), Vec::<usize>::new());
        assert!(!skeleton("a", "x", "x.powi(2)").fits(&skeleton("a", "x", "x.powi(3)")));
    }

    #[test]
    fn sizes_are_called_after_what_they_are_of() {
        let table = skeleton("a", "x", "SIZES[3]");
        let names: Vec<&str> = table.sizes().iter().map(|size| size.name.as_str()).collect();
        assert_eq!(names, ["SIZE"]);
    }
}
