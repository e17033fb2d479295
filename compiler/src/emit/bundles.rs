//! What belongs to one use of a block lies together: `parameters.layer1_1.conv1_weight`, `arena.layer1_1.relu`.
//!
//! A struct of a model's memory has a field for each tensor or value; those of a block that is used several times are a
//! struct of their own, of one type for all uses whose fields are the same but for their sizes. Places in memory do not
//! change: only what they are called does.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::comments::docs;
use super::function::{Argument, ArgumentKind, Form};
use super::names;
use super::shared::Place;
use super::sizes::{Family, Sizes};
use super::skeleton::Skeleton;

/// A field of a struct as it would be without bundles.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name: `layer1_1_basic_conv1_weight`.
    pub name: String,
    /// The layer that it belongs to.
    pub layer: String,
    pub ty: TokenStream,
    /// What is said of it; may be empty.
    pub docs: String,
}

/// Fields of a struct, some of them in bundles.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    fields: Vec<Field>,
    bundles: Vec<Bundle>,
    /// Field and member of what is in a bundle, by its name without.
    members: HashMap<String, (Ident, Ident)>,
    /// Numbers of the items, by their names as identifiers.
    numbers: HashMap<String, usize>,
}

/// Numbers of items, and their names within their bundle.
type Members = Vec<(usize, String)>;

/// A field: an item, or a bundle by its number and its own sizes.
#[derive(Debug, Clone)]
enum Field {
    Item(Item),
    Bundle { name: Ident, bundle: usize, numbers: Vec<usize> },
}

/// The type of bundles with the same members.
#[derive(Debug, Clone)]
struct Bundle {
    /// The name of the block: `basic`.
    word: String,
    members: Vec<(Ident, TokenStream)>,
    family: Family,
    uses: usize,
}

impl Bundle {
    fn sizes(&self) -> &Sizes {
        self.family.sizes(|_| false)
    }
}

/// The field of a use of a block.
fn field_of(key: &str) -> Ident {
    names::ident(key.trim_end_matches('.'))
}

/// The use of a block that an item belongs to, and what it is called there.
fn place_of(item: &Item) -> Option<(String, String, String)> {
    let place = Place::of(&item.layer)?;
    Some((place.key().to_owned(), place.word().to_owned(), place.short(&item.name)?))
}

/// Whether what a use of a block gives to others has its name: the output of `first: lstm(…)` is `first`.
fn is_taken(items: &[Item], key: &str) -> bool {
    let field = field_of(key);
    items.iter().any(|item| field == item.name)
}

impl Layout {
    /// Bundles items of blocks that are used more than once. Tensors are numbered in their order, so that those of one
    /// use have to follow one another; `in_order` says that.
    pub fn new(items: Vec<Item>, in_order: bool) -> Self {
        Self::made(items, in_order, None)
    }

    /// Bundles what another struct bundles.
    pub fn like(items: Vec<Item>, other: &Self) -> Self {
        Self::made(items, true, Some(other))
    }

    fn made(items: Vec<Item>, in_order: bool, like: Option<&Self>) -> Self {
        let mut uses: Vec<(String, String, Members)> = Vec::new();
        let mut broken: Vec<String> = Vec::new();
        let mut last = String::new();
        for (n, item) in items.iter().enumerate() {
            let Some((key, word, short)) = place_of(item) else {
                last.clear();
                continue;
            };
            match uses.iter_mut().find(|(known, ..)| *known == key) {
                Some((_, _, members)) => {
                    if in_order && last != key || members.iter().any(|(_, name)| *name == short) {
                        broken.push(key.clone());
                    }
                    members.push((n, short));
                }
                None => uses.push((key.clone(), word, vec![(n, short)])),
            }
            last = key;
        }
        uses.retain(|(key, _, members)| match like {
            Some(like) => like.is_bundle(&field_of(key).to_string()),
            None => members.len() > 1 && !broken.contains(key) && !is_taken(&items, key),
        });
        let numbers = items.iter().enumerate().map(|(n, item)| (names::text(&item.name).into_owned(), n));
        let mut layout = Self { numbers: numbers.collect(), ..Self::default() };
        let mut bundle_of: HashMap<usize, (String, usize, Vec<usize>)> = HashMap::new();
        for (key, word, members) in &uses {
            let members: Vec<(usize, Ident, TokenStream)> = members
                .iter()
                .filter_map(|(n, short)| Some((*n, names::ident(short), items.get(*n)?.ty.clone())))
                .collect();
            let (bundle, numbers) = layout.bundle(word, &members);
            for (n, ..) in &members {
                bundle_of.insert(*n, (key.clone(), bundle, numbers.clone()));
            }
        }
        // A block that is used once has its members in the struct itself.
        let is_shared = layout.bundles.iter().map(|bundle| like.is_some() || bundle.uses > 1);
        let is_shared: Vec<bool> = is_shared.collect();
        let mut known: Vec<String> = Vec::new();
        for (n, item) in items.into_iter().enumerate() {
            let bundle = bundle_of.get(&n).filter(|(_, at, _)| is_shared.get(*at) == Some(&true));
            let Some((key, bundle, numbers)) = bundle else {
                layout.fields.push(Field::Item(item));
                continue;
            };
            let name = field_of(key);
            if let Some((_, _, short)) = place_of(&item) {
                layout.members.insert(item.name, (name.clone(), names::ident(&short)));
            }
            if !known.contains(key) {
                known.push(key.clone());
                layout.fields.push(Field::Bundle { name, bundle: *bundle, numbers: numbers.clone() });
            }
        }
        layout
    }

    /// The type for these members, and their sizes.
    fn bundle(&mut self, word: &str, members: &[(usize, Ident, TokenStream)]) -> (usize, Vec<usize>) {
        let argument = |(_, name, ty): &(usize, Ident, TokenStream)| Argument {
            name: name.clone(),
            is_mut: false,
            kind: ArgumentKind::Parameters,
            ty: ty.clone(),
            form: Form::Reference,
        };
        let arguments: Vec<Argument> = members.iter().map(argument).collect();
        let family = Family::new(Skeleton::of_struct(&arguments));
        let numbers = family.first().to_vec();
        let known = self.bundles.iter_mut().enumerate().find(|(_, known)| known.family.fits(&family));
        if let Some((at, known)) = known {
            known.family.join(family);
            known.uses += 1;
            return (at, numbers);
        }
        let members = members.iter().map(|(_, name, ty)| (name.clone(), ty.clone())).collect();
        self.bundles.push(Bundle { word: word.to_owned(), members, family, uses: 1 });
        (self.bundles.len() - 1, numbers)
    }

    /// The number of the item that is called so in code.
    pub fn number_of(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The place of an item in the struct: `conv1_weight`, or `layer1_1.conv1_weight`.
    pub fn place(&self, name: &str) -> TokenStream {
        let path = self.path(name);
        quote!(#(#path).*)
    }

    /// The same, its parts.
    pub fn path(&self, name: &str) -> Vec<Ident> {
        match self.members.get(name) {
            Some((field, member)) => vec![field.clone(), member.clone()],
            None => vec![names::ident(name)],
        }
    }

    /// The type of a bundle: `BasicParameters<144, 1>`.
    pub fn bundle_type(&self, kind: &str, taken: &[String], field: &str) -> Option<TokenStream> {
        self.fields.iter().find_map(|known| match known {
            Field::Bundle { name, bundle, numbers } if name == field => {
                Some(self.type_of(&self.type_names(kind, taken), *bundle, numbers))
            }
            _ => None,
        })
    }

    fn type_of(&self, type_names: &[Ident], bundle: usize, numbers: &[usize]) -> TokenStream {
        let sizes = self.bundles.get(bundle).map(|bundle| bundle.sizes().values(numbers)).unwrap_or_default();
        let sizes: Vec<TokenStream> = sizes.iter().map(|size| super::number(*size)).collect();
        let sizes = (!sizes.is_empty()).then(|| quote!(<#(#sizes),*>));
        let name = type_names.get(bundle);
        quote!(#name #sizes)
    }

    /// What the types of bundles are called.
    fn type_names(&self, kind: &str, taken: &[String]) -> Vec<Ident> {
        let mut known: Vec<Ident> = Vec::new();
        for bundle in &self.bundles {
            let stem = format!("{}{kind}", names::type_ident(&bundle.word));
            let mut all = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}{n}")));
            let name = all.find(|name| !taken.contains(name) && !known.iter().any(|known| known == name));
            known.push(names::ident(&name.unwrap_or(stem)));
        }
        known
    }

    /// Whether it is the name of a bundle.
    pub fn is_bundle(&self, field: &str) -> bool {
        self.fields.iter().any(|known| matches!(known, Field::Bundle { name, .. } if name == field))
    }

    /// The fields of the struct, and the types of its bundles: structs in the same macro, before it. `kind` is what the
    /// names of their types end with.
    pub fn structs(&self, kind: &str, taken: &[String]) -> (TokenStream, TokenStream) {
        let type_names = self.type_names(kind, taken);
        let is_used = |at: usize| {
            self.fields.iter().any(|field| matches!(field, Field::Bundle { bundle, .. } if *bundle == at))
        };
        let structs = self.bundles.iter().zip(&type_names).enumerate().filter(|(at, _)| is_used(*at));
        let structs = structs.map(|(_, (bundle, name))| {
            let sizes = bundle.sizes();
            let types: Vec<TokenStream> = bundle.members.iter().map(|(_, ty)| ty.clone()).collect();
            let (types, _) = sizes.put(types, TokenStream::new());
            let members = bundle.members.iter().zip(types).map(|((name, _), ty)| quote!(#name: #ty,));
            let generics: Vec<TokenStream> = sizes.names().map(|name| quote!(const #name: usize)).collect();
            let generics = (!generics.is_empty()).then(|| quote!(<#(#generics),*>));
            let docs = docs([format!("Those of a use of `{}`.", bundle.word)]);
            quote!(#docs struct #name #generics { #(#members)* })
        });
        let fields = self.fields.iter().map(|field| match field {
            Field::Item(item) => {
                let (name, ty) = (names::ident(&item.name), &item.ty);
                let docs = (!item.docs.is_empty()).then(|| docs([item.docs.clone()]));
                quote!(#docs #name: #ty,)
            }
            Field::Bundle { name, bundle, numbers } => {
                let ty = self.type_of(&type_names, *bundle, numbers);
                quote!(#name: #ty,)
            }
        });
        (quote!(#(#fields)*), quote!(#(#structs)*))
    }
}
