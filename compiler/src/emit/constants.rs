//! Constants of the module: numbers that the source lists, and the sizes that operators hand to their kernels.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::comments::docs;
use super::shared::Place;
use super::{element, names, number, scalar};
use crate::graph::{Graph, Node, Op};
use crate::plan::Plan;

/// All constants of a module. What is equal is one constant, so that code of equal layers is equal too. Sizes that layers
/// of blocks hand to their kernels are a table, so that code of layers of other sizes is equal but for the place in it.
#[derive(Debug, Default)]
pub struct Constants {
    all: Vec<Constant>,
    /// The constant of a layer, by the name it would have of its own.
    by_name: HashMap<String, usize>,
    /// A constant by what the operator calls it, and its type and value.
    by_value: HashMap<(String, String), usize>,
    /// Words that layers of blocks use: their constants stand in a table each.
    tables: Vec<String>,
}

#[derive(Debug)]
struct Constant {
    /// The name that its first layer gives it.
    name: Ident,
    /// What the operator calls it: `window`.
    word: String,
    /// Whether the source lists it.
    is_list: bool,
    /// Its type.
    ty: TokenStream,
    /// Its value.
    value: TokenStream,
    /// The text of the first layer that uses it.
    layer: String,
    /// How many others do.
    n_others: usize,
}

impl Constants {
    /// The constants of all passes.
    pub fn of(plan: &Plan) -> Self {
        let mut constants = Self::default();
        let passes = [Some(&plan.predict), plan.evaluate.as_ref(), plan.train.as_ref()];
        for graph in passes.into_iter().flatten().map(|pass| &pass.graph) {
            for node in &graph.nodes {
                constants.add(graph, node);
            }
        }
        constants
    }

    fn add(&mut self, graph: &Graph, node: &Node) {
        let (word, is_list, ty, value) = match &node.op {
            Op::Constant(name, values) => {
                let (element, len) = (element(graph.precision), number(values.len()));
                let values = values.iter().map(|value| scalar::literal(*value, graph.precision));
                (name.as_str(), true, quote!([#element; #len]), quote!([#(#values),*]))
            }
            Op::Operator(op) => match op.constant() {
                Some((name, ty, value)) => (name, false, ty, value),
                None => return,
            },
            _ => return,
        };
        let own = own_name(graph, node, word);
        if self.by_name.contains_key(&own) {
            return;
        }
        let layer = graph.layer(node.layer);
        if !is_list && Place::of(&layer.name).is_some() && !self.tables.iter().any(|table| table == word) {
            self.tables.push(word.to_owned());
        }
        let key = (word.to_owned(), format!("{ty} = {value}"));
        let at = *self.by_value.entry(key).or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(known) => known.n_others += 1,
            None => {
                let (name, layer) = (names::ident(&own), layer.text.clone());
                let word = word.to_owned();
                self.all.push(Constant { name, word, is_list, ty, value, layer, n_others: 0 });
            }
        }
        self.by_name.insert(own, at);
    }

    /// What the constant of a layer is called: `CONV1_WINDOW`, or `WINDOWS[2]`.
    pub fn name(&self, graph: &Graph, node: &Node, word: &str) -> TokenStream {
        let own = own_name(graph, node, word);
        let Some((at, constant)) = self.by_name.get(&own).and_then(|at| Some((*at, self.all.get(*at)?)))
        else {
            let name = names::ident(&own);
            return quote!(#name);
        };
        if !self.is_in_table(constant) {
            let name = &constant.name;
            return quote!(#name);
        }
        let (table, before) = (table_name(word), self.all.iter().take(at));
        let at = number(before.filter(|other| other.word == word && self.is_in_table(other)).count());
        quote!(#table[#at])
    }

    fn is_in_table(&self, constant: &Constant) -> bool {
        !constant.is_list && self.tables.contains(&constant.word)
    }

    /// Their items.
    pub fn items(&self) -> TokenStream {
        let of = |constant: &Constant| {
            let layer = &constant.layer;
            match constant.n_others {
                0 => format!("`{layer}`"),
                1 => format!("`{layer}` and of another layer"),
                n => format!("`{layer}` and of {n} other layers"),
            }
        };
        let own = self.all.iter().filter(|constant| !self.is_in_table(constant)).map(|constant| {
            let Constant { name, word, is_list, ty, value, .. } = constant;
            let docs = docs([format!("`{word}` of {}.", of(constant))]);
            let keyword = if *is_list { quote!(static) } else { quote!(const) };
            quote!(#docs #keyword #name: #ty = #value;)
        });
        let tables = self.tables.iter().map(|word| {
            let inside =
                || self.all.iter().filter(|constant| self.is_in_table(constant) && constant.word == *word);
            let list = inside().enumerate().map(|(n, constant)| format!("{n}: {}.", of(constant)));
            let docs =
                docs([format!("Each `{word}` of the layers; number"), String::new()].into_iter().chain(list));
            let (name, len, values) =
                (table_name(word), number(inside().count()), inside().map(|c| &c.value));
            let ty = inside().map(|constant| &constant.ty).next();
            quote!(#docs static #name: [#ty; #len] = [#(#values),*];)
        });
        quote!(#(#own)* #(#tables)*)
    }
}

/// `WINDOWS`
fn table_name(word: &str) -> Ident {
    names::ident(&format!("{word}s").to_uppercase())
}

fn own_name(graph: &Graph, node: &Node, word: &str) -> String {
    let layer = graph.layer(node.layer).name.replace('.', "_");
    format!("{layer}_{word}").to_uppercase()
}
