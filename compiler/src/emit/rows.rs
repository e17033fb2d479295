//! Passes over rows: scalar functions and reductions of the same samples.
//!
//! Narrow steps are written out feature by feature; wide ones are loops, one for each pass that a reduction needs.

use std::collections::{BTreeMap, HashMap};

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::locals::locals;
use super::scalar::{Style, Writer, literal};
use super::{Domain, Feature, PassCx, names, number};
use crate::graph::{Node, NodeId, Op};
use crate::plan::rows::Frame;
use crate::plan::{Function, LANES, rows};
use crate::program::Reduction;
use crate::scalar::{Scalar, Variable};

/// The code of a step over rows.
pub fn rows(cx: PassCx<'_>, function: &Function, nodes: &[NodeId]) -> TokenStream {
    let frame = rows::frame(cx.graph(), nodes).unwrap_or(Frame { positions: 1, width: 1 });
    let mut rows = Rows {
        cx,
        function,
        nodes,
        frame,
        width: frame.width,
        phases: rows::phases(cx.graph(), nodes),
        lanes: HashMap::new(),
        names: locals(cx, nodes),
    };
    let unrolled = cx.domain == Domain::Batch && rows::is_unrolled(cx.graph(), nodes);
    let body = if unrolled { rows.unrolled() } else { rows.loops() };
    let positions = number(frame.positions);
    let body = if frame.positions > 1 { quote!(for t in 0..#positions { #body }) } else { body };
    match cx.domain {
        Domain::Batch => {
            let groups = cx.groups(function);
            quote!(for g in 0..#groups { #body })
        }
        Domain::Single => body,
    }
}

struct Rows<'a> {
    cx: PassCx<'a>,
    function: &'a Function,
    nodes: &'a [NodeId],
    frame: Frame,
    width: usize,
    phases: BTreeMap<NodeId, usize>,
    /// What narrow values are called, and in unrolled code the features of wide ones.
    lanes: HashMap<(NodeId, usize), TokenStream>,
    /// What values that are not kept are called.
    names: HashMap<NodeId, String>,
}

impl<'a> Rows<'a> {
    fn node(&self, id: NodeId) -> &'a Node {
        self.cx.graph().node(id)
    }

    fn is_wide(&self, id: NodeId) -> bool {
        self.frame.is_wide(self.cx.graph(), id)
    }

    /// Lanes of a value that lies in memory; of `[positions, features]` those of position `t`.
    fn load(&self, id: NodeId, feature: &Feature) -> TokenStream {
        if self.frame.positions == 1 {
            let feature = if self.is_wide(id) { feature } else { &Feature::Constant(0) };
            return self.cx.load_for(id, feature, self.width);
        }
        let node = self.node(id);
        if !node.batched && node.len() == self.width {
            return self.cx.load(id, feature);
        }
        match (self.cx.domain, self.place(id, feature)) {
            (Domain::Batch, Some((at, _))) => self.cx.load(id, &Feature::Running(at)),
            (Domain::Single, Some((at, count))) => {
                let name = match node.op {
                    Op::Parameter(parameter) => {
                        let name = self.cx.parameter_name(parameter);
                        quote!(&parameters.#name)
                    }
                    _ => {
                        let name = self.cx.value_name(id);
                        quote!(#name)
                    }
                };
                if self.is_wide(id) {
                    quote!(rt::pack::load_at::<L>(#name, #at, #count))
                } else {
                    quote!(L::splat(#name.as_flattened()[#at]))
                }
            }
            (_, None) => self.cx.load_for(id, &Feature::Constant(0), self.width),
        }
    }

    /// A statement that stores lanes of a value.
    fn store(&self, id: NodeId, feature: &Feature, value: &TokenStream) -> TokenStream {
        if self.frame.positions == 1 {
            return self.cx.store(id, feature, value);
        }
        match (self.cx.domain, self.place(id, feature)) {
            (Domain::Batch, Some((at, _))) => self.cx.store(id, &Feature::Running(at), value),
            (Domain::Single, Some((at, count))) => {
                let name = self.cx.value_name(id);
                quote!(rt::pack::store_at::<L>(#value, #name, #at, #count);)
            }
            (_, None) => self.cx.store(id, &Feature::Constant(0), value),
        }
    }

    /// Where lanes of position `t` begin in a value that has some for each, and how many features they are at most.
    fn place(&self, id: NodeId, feature: &Feature) -> Option<(TokenStream, TokenStream)> {
        let (width, feature) = (number(self.width), feature.operand());
        match self.node(id).len() {
            _ if self.is_wide(id) && self.cx.domain == Domain::Single => {
                Some((quote!(t * #width + 16 * #feature), quote!(#width - 16 * #feature)))
            }
            _ if self.is_wide(id) => Some((quote!(t * #width + #feature), quote!(1))),
            1 => None,
            _ => Some((quote!(t), quote!(1))),
        }
    }

    fn is_inside(&self, id: NodeId) -> bool {
        self.nodes.contains(&id)
    }

    fn is_stored(&self, id: NodeId) -> bool {
        self.function.stores(id)
    }

    /// What the lanes of a value are called: one that is kept in memory has its name taken by its argument.
    fn name(&self, id: NodeId) -> Ident {
        match self.names.get(&id) {
            Some(name) => names::ident(name),
            None => format_ident!("{}_lanes", self.cx.value_name(id)),
        }
    }

    /// What the features of a value in memory are called, without their number: `dense`, but `dense_lanes` where there is
    /// a `dense_2` as well.
    fn feature_stem(&self, id: NodeId) -> String {
        let mut stem = self.cx.value_name(id).to_string();
        let is_taken = |stem: &str| {
            self.cx.is_value_name(|name| {
                let number = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('_'));
                number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
            })
        };
        while is_taken(&stem) {
            stem.push_str("_lanes");
        }
        stem
    }

    /// A formula over what `leaf` gives for each operand.
    fn formula(
        &self,
        scalar: &Scalar,
        inputs: &[NodeId],
        feature: &Feature,
        leaf: &mut dyn FnMut(NodeId) -> TokenStream,
    ) -> (Vec<TokenStream>, TokenStream) {
        let mut read = |variable| match variable {
            Variable::Input(n) => inputs.get(n as usize).map_or_else(|| quote!(()), |id| leaf(*id)),
            Variable::Index => self.cx.index(feature),
            _ => quote!(()),
        };
        let writer = Writer::new(Style::Lanes(self.cx.precision()), &mut read);
        let writer = if self.frame.positions > 1 { writer.with_stem("s") } else { writer };
        writer.formula(scalar)
    }

    /// Every feature of every value by name.
    fn unrolled(&mut self) -> TokenStream {
        let mut out = Vec::new();
        for id in self.nodes {
            let node = self.node(*id);
            let features = if self.is_wide(*id) { self.width } else { 1 };
            let mut operands = node.inputs.clone();
            operands.dedup();
            for operand in operands {
                out.extend(self.load_features(operand));
            }
            let name = self.name(*id);
            match &node.op {
                Op::Pointwise(scalar) => {
                    for k in 0..features {
                        let feature = Feature::Constant(k);
                        let lanes = &self.lanes;
                        let graph = self.cx.graph();
                        let mut leaf = |input: NodeId| {
                            let at = if graph.node(input).len() > 1 { k } else { 0 };
                            lanes.get(&(input, at)).cloned().unwrap_or_else(|| quote!(()))
                        };
                        let (lets, value) = self.formula(scalar, &node.inputs, &feature, &mut leaf);
                        let name = if features == 1 { name.clone() } else { format_ident!("{name}_{k}") };
                        let value = if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) };
                        out.push(quote!(let #name = #value;));
                        let name = quote!(#name);
                        if self.is_stored(*id) {
                            out.push(self.cx.store(*id, &feature, &name));
                        }
                        self.lanes.insert((*id, k), name);
                    }
                }
                Op::Reduce(reduction) => {
                    let value = self.reduce_features(node, *reduction);
                    out.push(quote!(let #name = #value;));
                    let name = quote!(#name);
                    if self.is_stored(*id) {
                        out.push(self.cx.store(*id, &Feature::Constant(0), &name));
                    }
                    self.lanes.insert((*id, 0), name);
                }
                Op::Total => out.push(self.total(node)),
                _ => {}
            }
        }
        quote!(#(#out)*)
    }

    /// Names the features of a value that lies in memory.
    fn load_features(&mut self, id: NodeId) -> Vec<TokenStream> {
        if self.is_inside(id) || self.lanes.contains_key(&(id, 0)) {
            return Vec::new();
        }
        let node = self.node(id);
        let is_parameter = matches!(node.op, Op::Parameter(_) | Op::Broadcast { .. });
        let features = if self.is_wide(id) { self.width } else { 1 };
        let mut out = Vec::new();
        for k in 0..features {
            let load = self.cx.load(id, &Feature::Constant(k));
            if is_parameter {
                self.lanes.insert((id, k), load);
                continue;
            }
            let name =
                if features == 1 { self.name(id) } else { format_ident!("{}_{k}", self.feature_stem(id)) };
            out.push(quote!(let #name = #load;));
            self.lanes.insert((id, k), quote!(#name));
        }
        out
    }

    fn reduce_features(&self, node: &Node, reduction: Reduction) -> TokenStream {
        let Some(x) = node.inputs.first() else { return quote!(L::zero()) };
        let features = if self.is_wide(*x) { self.width } else { 1 };
        let lane = |k: usize| self.lanes.get(&(*x, k)).cloned().unwrap_or_else(|| quote!(()));
        let first = lane(0);
        let folded = (1..features).map(lane).fold(first, |sum, next| match reduction {
            Reduction::Sum | Reduction::Mean => quote!(#sum + #next),
            Reduction::Max => quote!(#sum.max(#next)),
        });
        self.finished(folded, reduction, features)
    }

    /// A mean is a sum times one over the number of values.
    fn finished(&self, folded: TokenStream, reduction: Reduction, features: usize) -> TokenStream {
        if reduction != Reduction::Mean || features == 1 {
            return folded;
        }
        let factor = literal(1.0 / features as f64, self.cx.precision());
        quote!((#folded) * L::splat(#factor))
    }

    fn total(&self, node: &Node) -> TokenStream {
        let lane = |id: &NodeId| {
            self.lanes.get(&(*id, 0)).cloned().unwrap_or_else(|| self.load(*id, &Feature::Constant(0)))
        };
        let pairs = node.inputs.chunks_exact(2).filter_map(|pair| match pair {
            [loss, scale] => Some((lane(loss), lane(scale))),
            _ => None,
        });
        let terms = pairs.map(|(loss, scale)| quote!(total = #loss.mul_add(#scale, total);));
        quote!(#(#terms)*)
    }

    /// One loop a pass; after it, the narrow values that it makes possible.
    fn loops(&mut self) -> TokenStream {
        let mut out = Vec::new();
        let last = self.phases.values().copied().max().unwrap_or(0);
        for phase in 0..=last {
            out.extend(self.narrow(phase));
            out.push(self.pass(phase));
        }
        quote!(#(#out)*)
    }

    /// Narrow values that are there before the pass of this number.
    fn narrow(&mut self, phase: usize) -> Vec<TokenStream> {
        let mut out = Vec::new();
        for id in self.nodes {
            let node = self.node(*id);
            if self.is_wide(*id) || self.phases.get(id) != Some(&phase) {
                continue;
            }
            match &node.op {
                Op::Pointwise(scalar) => {
                    let feature = Feature::Constant(0);
                    let lanes = &self.lanes;
                    let mut leaf = |input: NodeId| {
                        lanes
                            .get(&(input, 0))
                            .cloned()
                            .unwrap_or_else(|| self.load(input, &Feature::Constant(0)))
                    };
                    let (lets, value) = self.formula(scalar, &node.inputs, &feature, &mut leaf);
                    let value = if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) };
                    let name = self.name(*id);
                    out.push(quote!(let #name = #value;));
                    let name = quote!(#name);
                    if self.is_stored(*id) {
                        out.push(self.store(*id, &feature, &name));
                    }
                    self.lanes.insert((*id, 0), name);
                }
                Op::Total => out.push(self.total(node)),
                _ => {}
            }
        }
        out
    }

    /// The loop of one pass, with the sums that it makes.
    fn pass(&mut self, phase: usize) -> TokenStream {
        let here = |rows: &Self, id: &NodeId| rows.phases.get(id).copied().unwrap_or(0);
        let reductions: Vec<NodeId> = self
            .nodes
            .iter()
            .copied()
            .filter(|id| matches!(self.node(*id).op, Op::Reduce(_)) && here(self, id) == phase + 1)
            .collect();
        let stored: Vec<NodeId> = self
            .nodes
            .iter()
            .copied()
            .filter(|id| self.is_wide(*id) && here(self, id) == phase && self.is_stored(*id))
            .collect();
        if reductions.is_empty() && stored.is_empty() {
            return TokenStream::new();
        }
        let (variable, count) = match self.cx.domain {
            Domain::Batch => (quote!(k), number(self.width)),
            Domain::Single => (quote!(p), number(self.width.div_ceil(LANES))),
        };
        let feature = Feature::Running(variable.clone());
        let mut before = Vec::new();
        let mut body = Vec::new();
        let mut after = Vec::new();
        let mut inside: HashMap<NodeId, TokenStream> = HashMap::new();
        for id in stored {
            let value = self.wide(id, phase, &feature, &mut body, &mut inside);
            body.push(self.store(id, &feature, &value));
        }
        for id in reductions {
            let node = self.node(id);
            let Op::Reduce(reduction) = node.op else { continue };
            let Some(x) = node.inputs.first().copied() else { continue };
            let value = if self.is_wide(x) {
                self.wide(x, phase, &feature, &mut body, &mut inside)
            } else {
                self.lanes.get(&(x, 0)).cloned().unwrap_or_else(|| self.load(x, &Feature::Constant(0)))
            };
            let name = self.name(id);
            let (start, more) = self.accumulate(&name, value, reduction, &variable);
            before.push(quote!(let mut #name = #start;));
            body.push(more);
            let whole = match (self.cx.domain, reduction) {
                (Domain::Batch, _) => quote!(#name),
                (Domain::Single, Reduction::Max) => quote!(L::splat(#name.max_lane())),
                (Domain::Single, _) => quote!(L::splat(#name.sum())),
            };
            let features = if self.is_wide(x) { self.width } else { 1 };
            let whole = self.finished(whole, reduction, features);
            after.push(quote!(let #name = #whole;));
            let name = quote!(#name);
            if self.is_stored(id) {
                after.push(self.store(id, &Feature::Constant(0), &name));
            }
            self.lanes.insert((id, 0), name);
        }
        quote! {
            #(#before)*
            for #variable in 0..#count { #(#body)* }
            #(#after)*
        }
    }

    /// How a reduction starts, and what a pass adds to it.
    fn accumulate(
        &self,
        name: &Ident,
        value: TokenStream,
        reduction: Reduction,
        row: &TokenStream,
    ) -> (TokenStream, TokenStream) {
        let element = self.cx.element();
        let start = match reduction {
            Reduction::Max => quote!(L::splat(#element::NEG_INFINITY)),
            _ => quote!(L::zero()),
        };
        // Lanes behind the last feature do not count.
        let padded = self.cx.domain == Domain::Single && !self.width.is_multiple_of(LANES);
        let value = if padded {
            let width = number(self.width);
            quote!(L::select(L::first(#width - 16 * #row), #value, #start))
        } else {
            value
        };
        let more = match reduction {
            Reduction::Max => quote!(#name = #name.max(#value);),
            _ => quote!(#name = #name + #value;),
        };
        (start, more)
    }

    /// A wide value within the loop of a pass: from memory, from before in the loop, or computed now.
    fn wide(
        &self,
        id: NodeId,
        phase: usize,
        feature: &Feature,
        body: &mut Vec<TokenStream>,
        inside: &mut HashMap<NodeId, TokenStream>,
    ) -> TokenStream {
        if let Some(known) = inside.get(&id) {
            return known.clone();
        }
        if !self.is_wide(id) {
            return self.lanes.get(&(id, 0)).cloned().unwrap_or_else(|| self.load(id, &Feature::Constant(0)));
        }
        let earlier = self.phases.get(&id).copied().unwrap_or(0) < phase;
        let node = self.node(id);
        let Op::Pointwise(scalar) = &node.op else { return self.load(id, feature) };
        if !self.is_inside(id) || (earlier && self.is_stored(id)) {
            return self.load(id, feature);
        }
        let operands: HashMap<NodeId, TokenStream> = node
            .inputs
            .iter()
            .map(|input| (*input, self.wide(*input, phase, feature, body, inside)))
            .collect();
        let mut leaf = |input: NodeId| operands.get(&input).cloned().unwrap_or_else(|| quote!(()));
        let (lets, value) = self.formula(scalar, &node.inputs, feature, &mut leaf);
        let name = self.name(id);
        let value = if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) };
        body.push(quote!(let #name = #value;));
        let name = quote!(#name);
        inside.insert(id, name.clone());
        name
    }
}
