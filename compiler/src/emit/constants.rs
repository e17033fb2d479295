//! Constants of the module: numbers that the source lists, and the sizes that operators hand to their kernels.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::comments::docs;
use super::{element, names, number, scalar};
use crate::graph::{Graph, Node, Op};
use crate::plan::Plan;

/// All constants of a module. What is equal is one constant, so that code of equal layers is equal too.
#[derive(Debug, Default)]
pub struct Constants {
    all: Vec<Constant>,
    /// The constant of a layer, by the name it would have of its own.
    by_name: HashMap<String, usize>,
    /// A constant by what the operator calls it, and its type and value.
    by_value: HashMap<(String, String), usize>,
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
        let at = *self.by_value.entry((word.to_owned(), rest.to_string())).or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(known) => known.n_others += 1,
            None => {
                let (name, layer) = (names::ident(&own), graph.layer(node.layer).text.clone());
                self.all.push(Constant { name, word: word.to_owned(), keyword, rest, layer, n_others: 0 });
            }
        }
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
        let items = self.all.iter().map(|Constant { name, word, keyword, rest, layer, n_others }| {
            let docs = docs([match n_others {
                0 => format!("`{word}` of `{layer}`."),
                1 => format!("`{word}` of `{layer}` and of another layer."),
                n => format!("`{word}` of `{layer}` and of {n} other layers."),
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
