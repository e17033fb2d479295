//! Constants of the module: numbers that the source lists, and the sizes that operators hand to their kernels.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::comments::docs;
use super::{names, number, scalar};
use crate::graph::{Graph, Node, Op};
use crate::plan::Plan;
use crate::program::Precision;

/// All constants of a module. What is equal is one constant, so that code of equal layers is equal too.
#[derive(Debug, Default)]
pub struct Constants {
    all: Vec<Constant>,
    /// The constant of a layer, by the name it would have of its own.
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct Constant {
    /// The name that its first layer gives it.
    name: Ident,
    /// What the operator calls it: `window`.
    word: String,
    /// `const`, or `static` for a list.
    keyword: TokenStream,
    /// Type and value.
    rest: TokenStream,
    /// The layers that use it: the first in its own text, the others by name.
    layers: Vec<String>,
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
        let (word, keyword, rest) = match &node.op {
            Op::Constant(name, values) => {
                let (element, len) = (element(graph.precision), number(values.len()));
                let values = values.iter().map(|value| scalar::literal(*value, graph.precision));
                (name.as_str(), quote!(static), quote!([#element; #len] = [#(#values),*]))
            }
            Op::Operator(op) => match op.constant() {
                Some((name, ty, value)) => (name, quote!(const), quote!(#ty = #value)),
                None => return,
            },
            _ => return,
        };
        let own = own_name(graph, node, word);
        if self.by_name.contains_key(&own) {
            return;
        }
        let layer = graph.layer(node.layer);
        let text = rest.to_string();
        let equal = self.all.iter_mut().enumerate();
        let mut equal = equal.filter(|(_, known)| known.word == word && known.rest.to_string() == text);
        let at = match equal.next() {
            Some((at, known)) => {
                known.layers.push(layer.name.clone());
                at
            }
            None => {
                let (name, layers) = (names::ident(&own), vec![layer.text.clone()]);
                self.all.push(Constant { name, word: word.to_owned(), keyword, rest, layers });
                self.all.len() - 1
            }
        };
        self.by_name.insert(own, at);
    }

    /// What the constant of a layer is called: `CONV1_WINDOW`.
    pub fn name(&self, graph: &Graph, node: &Node, word: &str) -> Ident {
        let own = own_name(graph, node, word);
        let known = self.by_name.get(&own).and_then(|at| self.all.get(*at));
        known.map_or_else(|| names::ident(&own), |constant| constant.name.clone())
    }

    /// Their items.
    pub fn items(&self) -> TokenStream {
        let items = self.all.iter().map(|Constant { name, word, keyword, rest, layers }| {
            let first = layers.first().map(String::as_str).unwrap_or_default();
            let docs = docs([match layers.len() {
                1 => format!("`{word}` of `{first}`."),
                2 => format!("`{word}` of `{first}` and `{}`.", layers[1]),
                n => format!("`{word}` of `{first}` and {} layers like it.", n - 1),
            }]);
            quote!(#docs #keyword #name: #rest;)
        });
        quote!(#(#items)*)
    }
}

fn own_name(graph: &Graph, node: &Node, word: &str) -> String {
    let layer = graph.layer(node.layer).name.replace('.', "_");
    format!("{layer}_{word}").to_uppercase()
}

fn element(precision: Precision) -> TokenStream {
    match precision {
        Precision::F32 => quote!(f32),
        Precision::F64 => quote!(f64),
    }
}
