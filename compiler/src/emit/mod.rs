//! A plan becomes Rust: names and text, no decisions.
//!
//! Every emitted function is one template. Operators emit their own loops through [`KernelCx`], which knows how their
//! operands are called and what is done with each value before it is stored.

mod bundles;
mod comments;
mod constants;
mod documentation;
mod format;
mod function;
mod info;
mod kernel;
mod locals;
mod model;
mod names;
mod optimizer;
mod parameters;
mod rows;
mod scalar;
mod scan;
mod shared;
mod sizes;
mod skeleton;
mod tree;

pub use format::to_rust;
pub use info::{ModelInfo, TensorInfo, model_info};
pub use kernel::KernelCx;
pub use model::emit;
pub(crate) use names::{ident as identifier, is_taken};
pub use names::{is_item, is_reserved};

use bundles::Layout;
use constants::Constants;
use nnc_grammar::span::SourceMap;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::graph::{Graph, NodeId, Op, ParameterId};
use crate::plan::{Along, Function, LANES, Pass};
use crate::program::Precision;
use shared::Names;

/// What lanes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Samples: `[[Row; F]; groups]`.
    Batch,
    /// Features of one sample: `[Row; F / 16]`.
    Single,
}

/// What every template of a pass needs.
#[derive(Debug, Clone, Copy)]
pub struct PassCx<'a> {
    /// The pass.
    pub pass: &'a Pass,
    /// What is computed at one position, for a function whose work is divided along them.
    pub at_position: Option<&'a Graph>,
    /// What lanes stand for.
    pub domain: Domain,
    /// All source texts, for comments.
    pub sources: &'a SourceMap,
    /// What the module's constants are called.
    pub constants: &'a Constants,
    /// What the function calls its values.
    pub names: &'a Names,
    /// Where parameters lie.
    pub parameters: &'a Layout,
    /// The values whose groups lie apart, for a step that is repeated for two groups at a time.
    pub apart: &'a [NodeId],
}

/// Which element of a value is meant.
#[derive(Debug, Clone)]
pub enum Feature {
    /// A feature known now.
    Constant(usize),
    /// A feature, or in [`Domain::Single`] a row of features, known to the running code.
    Running(TokenStream),
}

impl Feature {
    /// The element of the operand that is spread out over `whole` features.
    fn of_broadcast(&self, inner: usize, len: usize, whole: usize) -> Self {
        let (share, numbers, k) = (number(inner), number(len), self.operand());
        Self::Running(match self {
            Self::Constant(k) => return Self::Constant(k / inner.max(1) % len.max(1)),
            Self::Running(_) if inner == 1 => quote!(#k % #numbers),
            Self::Running(_) if inner * len == whole => quote!(#k / #share),
            Self::Running(_) => quote!(#k / #share % #numbers),
        })
    }

    /// As code that is an operand of something, in parentheses where it is more than a name or a number.
    pub fn operand(&self) -> TokenStream {
        let tokens = self.tokens();
        if tokens.clone().into_iter().nth(1).is_some() { quote!((#tokens)) } else { tokens }
    }

    /// As code by itself, an index or an argument.
    pub fn tokens(&self) -> TokenStream {
        match self {
            Self::Constant(n) => number(*n),
            Self::Running(tokens) => tokens.clone(),
        }
    }
}

/// `f32` or `f64`.
fn element(precision: Precision) -> TokenStream {
    match precision {
        Precision::F32 => quote!(f32),
        Precision::F64 => quote!(f64),
    }
}

/// A whole number as a literal without a type.
pub fn number(n: usize) -> TokenStream {
    let literal = Literal::usize_unsuffixed(n);
    quote!(#literal)
}

/// `[[row; SAMPLES]; panels]`: what lies as [`crate::graph::ValueLayout::SampleRows`], with a row for each position.
pub(crate) fn sample_rows(len: usize, row: usize, of: &TokenStream) -> TokenStream {
    let (panels, positions) = (number(row.div_ceil(LANES)), len / row.max(1));
    if positions < 2 {
        return quote!([[#of; SAMPLES]; #panels]);
    }
    let positions = number(positions);
    quote!([[#of; SAMPLES * #positions]; #panels])
}

impl<'a> PassCx<'a> {
    /// The graph.
    pub fn graph(&self) -> &'a Graph {
        self.at_position.unwrap_or(&self.pass.graph)
    }

    /// The type of numbers.
    pub fn precision(&self) -> Precision {
        self.graph().precision
    }

    /// `f32` or `f64`.
    pub fn element(&self) -> TokenStream {
        element(self.precision())
    }

    /// Whether the pass is a step that is repeated for two groups of samples at a time, which are `G` for its function.
    pub fn is_of_pairs(&self) -> bool {
        self.pass.is_of_pairs && self.domain == Domain::Batch
    }

    /// What the work of a function is divided along.
    pub fn division(&self, function: &Function) -> Option<Along> {
        match self.domain {
            Domain::Batch => function.division(self.graph()),
            Domain::Single => self.pass.division_of_one(function),
        }
    }

    /// How many groups of samples a function works on: as many as it is given, if it treats each of them by itself.
    pub fn groups(&self, function: &Function) -> TokenStream {
        if self.is_of_pairs() {
            quote!(G)
        } else if self.graph().is_step() {
            quote!(1)
        } else if function.is_by_group(self.graph()) {
            quote!(groups)
        } else {
            quote!(GROUPS)
        }
    }

    /// `[[Row; F]]`: the type of `len` features of a function's groups.
    pub fn lanes_type(&self, len: usize, function: &Function) -> TokenStream {
        let len = number(len);
        if self.graph().is_step() || !function.is_by_group(self.graph()) {
            let groups = self.groups(function);
            quote!([[Row; #len]; #groups])
        } else {
            quote!([[Row; #len]])
        }
    }

    /// What a value is called.
    pub fn value_name(&self, id: NodeId) -> proc_macro2::Ident {
        let value = self.pass.value(id);
        names::ident(&value.map_or_else(|| format!("v{}", id.0), |value| self.names.value(id, &value.name)))
    }

    /// Whether a value that the function could be handed has such a name.
    pub fn is_value_name(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self.names.all() {
            Some(mut names) => names.any(wanted),
            None => self.pass.values.iter().any(|value| wanted(&value.name)),
        }
    }

    /// What a parameter is called: its place in `Parameters`.
    pub fn parameter_name(&self, id: ParameterId) -> TokenStream {
        let name = &self.graph().parameter(id).name;
        if self.names.is_shared() {
            // The function will be handed it by itself.
            let name = names::ident(name);
            return quote!(#name);
        }
        self.parameters.place(name)
    }

    /// Lanes of a value that lies in memory.
    pub fn load(&self, id: NodeId, feature: &Feature) -> TokenStream {
        self.load_for(id, feature, 1)
    }

    /// The same for a function of `n` elements: a value of one number is the same for all of them, and of one sample only
    /// the first lane of it holds a number.
    pub fn load_for(&self, id: NodeId, feature: &Feature, n: usize) -> TokenStream {
        let node = self.graph().node(id);
        let narrow = node.len() == 1;
        if let Op::Parameter(parameter) = node.op {
            let name = self.parameter_name(parameter);
            return match (self.domain, feature) {
                _ if narrow => quote!(L::splat(parameters.#name[0][0])),
                (Domain::Single, feature) => {
                    let p = feature.tokens();
                    quote!(L::load(&parameters.#name[#p]))
                }
                (Domain::Batch, Feature::Constant(k)) => {
                    let (row, lane) = (number(k / LANES), number(k % LANES));
                    quote!(L::splat(parameters.#name[#row][#lane]))
                }
                (Domain::Batch, Feature::Running(_)) => {
                    let k = feature.operand();
                    quote!(L::splat(parameters.#name[#k / 16][#k % 16]))
                }
            };
        }
        if let (Op::Broadcast { inner, len }, Some(operand)) = (&node.op, node.inputs.first()) {
            if self.domain == Domain::Single {
                return self.load_channel(*operand, *inner, *len, node.len(), feature);
            }
            return self.load(*operand, &feature.of_broadcast(*inner, *len, node.len()));
        }
        if let Op::Constant(name, values) = &node.op {
            return match feature {
                Feature::Running(k) if !narrow => {
                    let name = self.constants.name(self.graph(), node, name);
                    quote!(L::splat(#name[#k]))
                }
                Feature::Constant(k) if !narrow => self.splat(values.get(*k).copied().unwrap_or(0.0)),
                _ => self.splat(values.first().copied().unwrap_or(0.0)),
            };
        }
        let name = self.value_name(id);
        let k = if narrow { number(0) } else { feature.tokens() };
        match self.domain {
            Domain::Batch if self.graph().layout(id) == crate::graph::ValueLayout::Splat => {
                quote!(L::load(&#name[0][#k]))
            }
            Domain::Batch => quote!(L::load(&#name[g][#k])),
            Domain::Single if narrow && n > 1 => quote!(L::splat(#name[0][0])),
            Domain::Single => quote!(L::load(&#name[#k])),
        }
    }

    /// The number of an operand that all features of a row have in common, each of its numbers being that of `inner`
    /// features, whole rows.
    fn load_channel(
        &self,
        operand: NodeId,
        inner: usize,
        len: usize,
        whole: usize,
        feature: &Feature,
    ) -> TokenStream {
        let (row, rows) = (feature.operand(), inner / LANES);
        let (share, numbers) = (number(rows), number(len));
        let at = match (rows == 1, rows * len == whole / LANES) {
            (true, true) => feature.tokens(),
            (true, false) => quote!(#row % #numbers),
            (false, true) => quote!(#row / #share),
            (false, false) => quote!(#row / #share % #numbers),
        };
        match self.graph().node(operand).op {
            Op::Parameter(parameter) => {
                let name = self.parameter_name(parameter);
                quote!(rt::pack::splat::<L>(&parameters.#name, #at))
            }
            _ => {
                let name = self.value_name(operand);
                quote!(rt::pack::splat::<L>(#name, #at))
            }
        }
    }

    fn splat(&self, value: f64) -> TokenStream {
        let value = scalar::literal(value, self.precision());
        quote!(L::splat(#value))
    }

    /// A statement that stores lanes of a value.
    pub fn store(&self, id: NodeId, feature: &Feature, value: &TokenStream) -> TokenStream {
        let name = self.value_name(id);
        let k = if self.graph().node(id).len() == 1 { number(0) } else { feature.tokens() };
        match self.domain {
            Domain::Batch => quote!(#value.store(&mut #name[g][#k]);),
            Domain::Single => quote!(#value.store(&mut #name[#k]);),
        }
    }

    /// The position along the features, as lanes.
    pub fn index(&self, feature: &Feature) -> TokenStream {
        let element = self.element();
        match (self.domain, feature) {
            (Domain::Batch, Feature::Constant(k)) => {
                let k = scalar::literal(*k as f64, self.precision());
                quote!(L::splat(#k))
            }
            (Domain::Batch, Feature::Running(_)) => {
                let k = feature.operand();
                quote!(L::splat(#k as #element))
            }
            (Domain::Single, feature) => {
                let p = feature.operand();
                quote!((L::index() + L::splat((16 * #p) as #element)))
            }
        }
    }

    /// Zeros for a value that is the same for all samples.
    pub fn zero(&self, id: NodeId) -> TokenStream {
        let len = self.graph().node(id).len();
        match self.domain {
            Domain::Single => {
                let rows = number(len.div_ceil(LANES));
                quote!([ZERO_ROW; #rows])
            }
            Domain::Batch => {
                let len = number(len);
                quote!([[ZERO_ROW; #len]; 1])
            }
        }
    }

    /// `[[Row; F]]` and the like: the type of a value in memory.
    pub fn value_type(&self, id: NodeId, function: &Function) -> TokenStream {
        let len = self.graph().node(id).len();
        match (self.domain, self.graph().layout(id)) {
            (Domain::Single, _) => {
                let rows = number(len.div_ceil(LANES));
                quote!([Row; #rows])
            }
            (Domain::Batch, crate::graph::ValueLayout::SampleRows) => {
                sample_rows(len, self.graph().node(id).row(), &quote!(Row))
            }
            (Domain::Batch, crate::graph::ValueLayout::Table) => {
                let rows = number(len.div_ceil(LANES));
                quote!([Row; #rows])
            }
            (Domain::Batch, crate::graph::ValueLayout::Splat) => {
                let len = number(len);
                quote!([[Row; #len]; 1])
            }
            (Domain::Batch, _) if self.apart.contains(&id) => {
                let len = number(len);
                quote!([Row; #len])
            }
            (Domain::Batch, _) => self.lanes_type(len, function),
        }
    }
}
