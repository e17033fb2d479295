//! Sizes of functions that blocks of several shapes share.
//!
//! Two functions whose code is equal but for whole numbers are one function, and the numbers in which they differ are its
//! constant parameters: `basic_conv1_forward::<16384, 144, 1, 0>`. A number stays where it is if all have the same, and
//! numbers that are equal in each of them are one parameter.

use std::cell::OnceCell;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::skeleton::{Skeleton, inside, size};
use super::tree::Tree;

/// What is one but for sizes: the skeleton, and the numbers of each that shares it.
#[derive(Debug, Clone)]
pub struct Family {
    skeleton: Skeleton,
    numbers: Vec<Vec<usize>>,
    /// What follows from the numbers, once somebody asks.
    sizes: OnceCell<Sizes>,
}

impl Family {
    /// The family of one.
    pub fn new(skeleton: Skeleton) -> Self {
        let numbers = vec![skeleton.values()];
        Self { skeleton, numbers, sizes: OnceCell::new() }
    }

    /// Whether the two are the same but for sizes.
    pub fn fits(&self, other: &Self) -> bool {
        self.skeleton.fits(&other.skeleton)
    }

    /// The numbers of the first.
    pub fn first(&self) -> &[usize] {
        self.numbers.first().map_or(&[], Vec::as_slice)
    }

    /// Takes in what fits.
    pub fn join(&mut self, other: Self) {
        for numbers in other.numbers {
            if !self.numbers.contains(&numbers) {
                self.numbers.push(numbers);
                self.sizes.take();
            }
        }
    }

    /// The parameters that it needs. None is called what `is_taken`.
    pub fn sizes(&self, is_taken: impl Fn(&Ident) -> bool) -> &Sizes {
        self.sizes.get_or_init(|| Sizes::new(&self.skeleton, &self.numbers, is_taken))
    }
}

/// The parameters of a function for the numbers in which those that share it differ.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// By number in the code: which parameter stands for it.
    of_number: Vec<Option<usize>>,
    /// Names of the parameters, each with a number that it stands for.
    parameters: Vec<(Ident, usize)>,
}

impl Sizes {
    /// The parameters that functions with these numbers need. `first` is the skeleton of the one that is emitted.
    fn new(first: &Skeleton, all: &[Vec<usize>], is_taken: impl Fn(&Ident) -> bool) -> Self {
        let are_equal = |n: usize, m: usize| all.iter().all(|values| values.get(n) == values.get(m));
        let mut sizes = Self { of_number: Vec::new(), parameters: Vec::new() };
        for (n, size) in first.sizes().iter().enumerate() {
            if all.iter().all(|values| values.get(n) == Some(&size.value)) {
                sizes.of_number.push(None);
                continue;
            }
            let known = sizes.parameters.iter().position(|(_, number)| are_equal(*number, n));
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
    pub fn put(&self, types: Vec<TokenStream>, code: TokenStream) -> (Vec<TokenStream>, TokenStream) {
        if self.parameters.is_empty() {
            return (types, code);
        }
        let mut writer = Writer { sizes: self, next: 0 };
        let mut write = |tokens: TokenStream| {
            let mut trees = Tree::all(tokens);
            writer.write(&mut trees, false);
            Tree::tokens(trees)
        };
        let types = types.into_iter().map(&mut write).collect();
        (types, write(code))
    }
}

struct Writer<'a> {
    sizes: &'a Sizes,
    next: usize,
}

impl Writer<'_> {
    /// Puts parameters in place of numbers.
    fn write(&mut self, trees: &mut [Tree], is_fixed: bool) {
        for at in 0..trees.len() {
            let (before, rest) = trees.split_at_mut(at);
            let Some(tree) = rest.first_mut() else { return };
            match tree {
                Tree::Literal(literal) if !is_fixed && size(literal, before).is_some() => {
                    let parameter = self.sizes.of_number.get(self.next).copied().flatten();
                    self.next += 1;
                    if let Some((name, _)) = parameter.and_then(|at| self.sizes.parameters.get(at)) {
                        *tree = Tree::Ident(name.clone());
                    }
                }
                Tree::Group(group) => {
                    let (_, within) = inside(before, group, "");
                    self.write(&mut group.inside, is_fixed || within);
                }
                _ => {}
            }
        }
    }
}

/// `::<16, 4>`, or nothing.
pub fn turbofish(values: &[usize]) -> TokenStream {
    let all = values.iter().map(|value| super::number(*value));
    if values.is_empty() { TokenStream::new() } else { quote!(::<#(#all),*>) }
}
